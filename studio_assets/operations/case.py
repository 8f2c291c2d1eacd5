"""What every rule of operations looks at, its limits, and how it words a finding."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from resources.clock import local_date
from resources.findings import FindingEvidence
from studio_assets.calendar import StudioCalendar
from studio_assets.findings.making import links_to_rows, make_finding
from studio_assets.studio_state.predicates import Moment, Tables

DEPARTMENT: Final = "operations"
NOTE: Final = "firestore.ops_note.append"
SNAPSHOT_ASSET: Final = "studio_state/snapshot"


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something wants a person's attention. Days of work are open days (see ``calendar``).

    Attributes:
        draft_days: A draft nobody submitted, days on the clock.
        submitted_open_days: Submitted work nobody shelved.
        shelved_open_days: Shelved work no firing took, while work that came later was fired.
        overtaken_by: How many batches that came later were fired before it.
        longest_shelved_open_days: Shelved work no firing took, whatever else was fired; work in a kiln.
        loaded_open_days: Work that came out of a kiln and was not made ready.
        pickup_days: Finished work nobody fetched, days on the clock.
        pickup_open_days: On how many of those days, at least, somebody could have come.
        fee_warning_days: How long before storage fees begin.
        grace_hours: Free storage after a load became ready; the portal's policy.
        past_window_open_days: After the last day a member hoped for.
        window_days: Of how many days up to that one closed days are given back after it.
        new_request_days: A request nobody looked at, open days.
        triaged_request_open_days: A request looked at and not taken on.
        unpaid_days: After check-in to an event without payment, days on the clock.
        unload_open_days: Open days after the end of a firing by whose end it is unloaded.
        called_off_in_a_row: Firings of a kiln called off one after another while work waits.
        silent_kiln_open_days: Longest time without a firing while work waits.
        loads_waiting: Fewest loads that make an idle kiln a loss.
        load_waits_days: How long a load waits before it counts as waiting.
        half_shelves_per_firing: Capacity of a station.
        weekly_firings: Fewest firings a station is assumed to have in a week.
        full_weeks: How many weeks of firings the queue may fill before it is too much.
    """

    draft_days: int = 14
    submitted_open_days: int = 4
    shelved_open_days: int = 7
    overtaken_by: int = 6
    longest_shelved_open_days: int = 21
    loaded_open_days: int = 6
    pickup_days: int = 14
    pickup_open_days: int = 9
    fee_warning_days: int = 3
    grace_hours: int = 462
    past_window_open_days: int = 3
    window_days: int = 7
    new_request_days: int = 3
    triaged_request_open_days: int = 8
    unpaid_days: int = 3
    unload_open_days: int = 1
    called_off_in_a_row: int = 2
    silent_kiln_open_days: int = 5
    loads_waiting: int = 2
    load_waits_days: int = 1
    half_shelves_per_firing: int = 8
    weekly_firings: int = 4
    full_weeks: float = 1.25


@dataclass(frozen=True, slots=True)
class Case:
    """One moment of the studio.

    Attributes:
        tables: Contract name -> rows.
        moment: The instant the rows describe.
        revision: Of the snapshot whose reads the rows are, as ``2026-03-01.2``: where the evidence lies.
        limits: From where on something counts.
        calendar: Open days of the studio.
    """

    tables: Tables
    moment: Moment
    revision: str
    limits: Limits = field(default_factory=Limits)
    calendar: StudioCalendar = field(default_factory=StudioCalendar)

    def open_days_since(self, at: datetime) -> float:
        """Return how many open days have passed since an instant."""
        return self.calendar.open_days(at, self.moment.as_of)

    def days_ago(self, days: float) -> datetime:
        """Return the instant so many days on the clock before the moment."""
        return self.moment.as_of - timedelta(days=days)

    def day_text(self, at: datetime) -> str:
        """Return an instant's studio-local day, for words: it does not grow from day to day."""
        return local_date(at, self.moment.timezone).isoformat()

    def evidence(self, *rows: str) -> tuple[FindingEvidence, ...]:
        """Return links to rows, each given as ``contract/document``, in the reads of the snapshot."""
        return links_to_rows(self.revision, *rows)


finding = partial(make_finding, DEPARTMENT)
"""Makes a finding of operations: from its detector on, what ``make_finding`` takes."""
