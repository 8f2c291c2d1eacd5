"""The rules of operations, by name, and all of them over one moment. Pure: tables in, findings out.

Every rule is a detector of its own, so that what one finds no longer is resolved for it alone. What each says
to staff, its limits and why stands in docs/operations.md.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from resources.findings import Finding
from studio_assets.operations import rules_kilns, rules_people, rules_work
from studio_assets.operations.case import Case

Rule = Callable[[Case], Iterator[Finding]]

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        rules_work.STALLED: rules_work.stalled_batches,
        rules_work.PICKUPS: rules_work.overdue_pickups,
        rules_work.FEES: rules_work.storage_fees,
        rules_work.RESERVATIONS: rules_work.reservations_past_window,
        rules_kilns.IDLE: rules_kilns.kiln_idle,
        rules_kilns.OUT_OF_SERVICE: rules_kilns.kiln_out_of_service,
        rules_kilns.OVER_CAPACITY: rules_kilns.station_over_capacity,
        rules_kilns.UNLOAD: rules_kilns.firing_without_unload,
        rules_people.AGEING: rules_people.request_ageing,
        rules_people.UNPAID: rules_people.unpaid_signups,
    }
)

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "batches": (
            "owner_uid",
            "state",
            "status",
            "is_closed",
            "current_kiln_id",
            "created_at",
            "updated_at",
        ),
        "reservations": (
            *("status", "load_status", "estimated_half_shelves", "linked_batch_id"),
            *("preferred_window_latest_date", "assigned_station_id", "pickup_window_status"),
            "pickup_window_confirmed_end",
            *("ready_for_pickup_at", "is_archived", "arrived_at", "created_at"),
        ),
        "kilns": ("name", "status", "updated_at"),
        "kiln_firings": ("kiln_id", "start_at", "end_at", "status", "unloaded_at"),
        "agent_requests": ("status", "created_at", "updated_at"),
        "event_signups": ("status", "payment_status", "checked_in_at"),
        "event_charges": ("signup_id", "paid_at"),
    }
)
"""Contract name -> what the rules look at; the rest of a file need not be loaded."""

LOOKED_AT: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        rules_work.STALLED: frozenset({"batches", "reservations"}),
        rules_work.PICKUPS: frozenset({"batches", "reservations"}),
        rules_work.FEES: frozenset({"batches", "reservations"}),
        rules_work.RESERVATIONS: frozenset({"reservations"}),
        rules_kilns.IDLE: frozenset({"batches", "kiln_firings", "kilns", "reservations"}),
        rules_kilns.OUT_OF_SERVICE: frozenset({"batches", "kilns", "reservations"}),
        rules_kilns.OVER_CAPACITY: frozenset({"kiln_firings", "kilns", "reservations"}),
        rules_kilns.UNLOAD: frozenset({"kiln_firings"}),
        rules_people.AGEING: frozenset({"agent_requests"}),
        rules_people.UNPAID: frozenset({"event_charges", "event_signups"}),
    }
)
"""Rule -> contracts whose rows it looks at; what it finds is the same whatever stands in any other."""


def find_all(case: Case) -> dict[str, list[Finding]]:
    """Return detector -> its findings in order of identity, for every rule, also those that find nothing.

    Raises:
        KeyError: when a table of ``COLUMNS`` was not handed in: a source that was not read is not empty.
    """
    missing = [name for name in COLUMNS if name not in case.tables]
    if missing:
        raise KeyError(f"No rows were handed in for {', '.join(missing)}; nothing can be said of them.")
    return {name: sorted(rule(case), key=lambda found: found.finding_id) for name, rule in RULES.items()}
