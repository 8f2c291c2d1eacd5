"""Rules about work: batches that stand still, work nobody fetches, reservations past their window."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from resources.findings import Finding, Severity
from studio_assets.operations.case import NOTE, Case, finding
from studio_assets.studio_state import masks
from studio_assets.studio_state.predicates import OPEN_RESERVATION

STALLED, PICKUPS, FEES = "stalled_batches", "overdue_pickups", "storage_fees"
RESERVATIONS = "reservations_past_window"
READY: Final = "READY_FOR_PICKUP"
_IN_KILN_OR_AFTER: Final = ("loaded", "fired", "ready_for_pickup", "closed_picked_up")
_STAGES: Final = {
    "DRAFT": ("submitted", "The member forgot it, or made it twice.", "Ask the member, or clean it up."),
    "SUBMITTED": ("shelved", "The work was not brought in, or not shelved.", "Look for the work at intake."),
    "SHELVED": (
        "loaded",
        "Firings took work that came later; it is overlooked, or fits nowhere.",
        "Put it into the next firing.",
    ),
    "LOADED": ("made ready", "It was unloaded and not made ready.", "Find it at the kiln and make it ready."),
    "FIRED": ("made ready", "It was fired and not made ready.", "Find it at the kiln and make it ready."),
}


def batch_states(case: Case) -> list[dict[str, Any]]:
    """Return batches that are not closed and have a known stage, with ``stage`` upper case."""
    table = case.tables["batches"]
    is_over = masks.any_of(
        masks.is_true(table, "is_closed"),
        masks.starts_with(table, "state", "closed_"),
        masks.all_of(masks.is_blank(table, "state"), masks.starts_with(table, "status", "closed")),
    )
    rows = masks.rows_of(
        table,
        masks.all_of(masks.not_(is_over), masks.is_set(table, "updated_at")),
        *("owner_uid", "state", "status", "updated_at", "current_kiln_id"),
    )
    for row in rows:
        row["stage"] = (row["state"] or row["status"] or "").strip().upper()
    return rows


def reserved_batches(case: Case, *, is_open_only: bool = False) -> dict[str, str]:
    """Return batch id -> id of the reservation it came in with; the reservation tells of such work.

    Args:
        case: The moment.
        is_open_only: Whether reservations that are over, called off or archived are left out.
    """
    table = case.tables["reservations"]
    names_one = masks.is_set(table, "linked_batch_id")
    wanted = masks.all_of(names_one, _is_open(table)) if is_open_only else names_one
    rows = masks.rows_of(table, wanted, "linked_batch_id")
    return {row["linked_batch_id"]: row["document_id"] for row in rows}


def stalled_batches(case: Case) -> Iterator[Finding]:
    """Find batches that stay in one stage for longer than it takes.

    How long shelved work waits depends on how full the kilns are. It is stalled when work that came in later
    went before it, again and again; a queue that is slow for everybody is another finding.
    """
    limits = case.limits
    later, reserved = _fired_by_creation(case), reserved_batches(case)
    for row in batch_states(case):
        stage, since, days = row["stage"], row["updated_at"], 0
        overtaken = len(later) - bisect_right(later, since)
        if stage == "DRAFT":
            if since < case.days_ago(limits.draft_days):
                yield _stalled(case, row, f"{limits.draft_days} days")
            continue
        if stage == "SHELVED":
            # A reserved load keeps its reservation's place in the queue, not that of its batch.
            is_overtaken = overtaken >= limits.overtaken_by and row["document_id"] not in reserved
            days = limits.shelved_open_days if is_overtaken else limits.longest_shelved_open_days
        elif stage == "SUBMITTED":
            days = limits.submitted_open_days
        elif stage in {"LOADED", "FIRED"}:
            # In a kiln still: whether that was unloaded is asked of its firing, once and not of every load.
            days = limits.longest_shelved_open_days if row["current_kiln_id"] else limits.loaded_open_days
        if days and case.open_days_since(since) > days:
            yield _stalled(case, row, f"{days} open days")


def _fired_by_creation(case: Case) -> list[datetime]:
    """Return when the batches that went into a kiln, or further, were created; sorted."""
    table = case.tables["batches"]
    mask = masks.all_of(masks.is_one_of(table, "state", _IN_KILN_OR_AFTER), masks.is_set(table, "created_at"))
    return sorted(row["created_at"] for row in masks.rows_of(table, mask, "created_at"))


def _stalled(case: Case, row: dict[str, Any], limit: str) -> Finding:
    then, cause, step = _STAGES[row["stage"]]
    has_owner = bool(row["owner_uid"])
    if not has_owner:
        cause = "A mistyped id made a batch without an owner; there may be no work."
        step = "See whether there is any work, then clean it up."
    is_draft = row["stage"] == "DRAFT"
    return finding(
        *(STALLED, "stalled_batch", "batch", row["document_id"]),
        severity=Severity.LOW if is_draft or not has_owner else Severity.MEDIUM,
        confidence=0.95 if has_owner else 0.7,
        since=row["updated_at"],
        expected=f"{then} within {limit}",
        observed=f"{row['stage'].lower()} since {case.day_text(row['updated_at'])}",
        cause=cause,
        step=step,
        evidence=case.evidence(f"batches/{row['document_id']}"),
        capability_id=NOTE if has_owner else None,
    )


def overdue_pickups(case: Case) -> Iterator[Finding]:
    """Find finished work, reserved or not, that nobody has fetched for too long, nor agreed to fetch."""
    reserved = reserved_batches(case)
    for row in batch_states(case):
        is_ready = row["stage"] == READY and row["document_id"] not in reserved
        if is_ready and _is_overdue(case, row["updated_at"]):
            work = _Work("batch", row["document_id"], NOTE if row["owner_uid"] else None)
            yield _overdue(case, work, row["updated_at"])
    for row, work in _kept(case):
        is_agreed = _agreed_until(case, row) is not None
        if not is_agreed and _is_overdue(case, row["ready_for_pickup_at"]):
            yield _overdue(case, work, row["ready_for_pickup_at"])


def _is_overdue(case: Case, since: datetime) -> bool:
    limits = case.limits
    return since < case.days_ago(limits.pickup_days) and case.open_days_since(since) > limits.pickup_open_days


def _overdue(case: Case, work: "_Work", since: datetime) -> Finding:
    return finding(
        *(PICKUPS, "overdue_pickup", work.kind, work.document_id),
        severity=Severity.MEDIUM,
        confidence=0.95,
        since=since + timedelta(days=case.limits.pickup_days),
        expected=f"fetched within {case.limits.pickup_days} days",
        observed=f"ready since {case.day_text(since)}",
        cause="The member has not come, or the pickup was not noted.",
        step="Look on the shelf; then write to the member, or note the pickup.",
        evidence=case.evidence(*work.rows),
        capability_id=work.capability_id,
    )


def storage_fees(case: Case) -> Iterator[Finding]:
    """Find work on which storage fees are about to begin: the last days to fetch it free of charge."""
    grace = timedelta(hours=case.limits.grace_hours)
    warning = timedelta(days=case.limits.fee_warning_days)
    for row, work in _kept(case):
        begins = row["ready_for_pickup_at"] + grace
        if not begins - warning <= case.moment.as_of < begins:
            continue
        agreed = _agreed_until(case, row)
        if agreed is not None and case.moment.as_of < agreed <= begins:
            continue
        yield finding(
            *(FEES, "storage_fee_due", work.kind, work.document_id),
            severity=Severity.MEDIUM,
            confidence=1.0,
            since=begins - warning,
            expected=f"fetched before {case.day_text(begins)}",
            observed=f"ready since {case.day_text(row['ready_for_pickup_at'])}",
            cause="Nobody has fetched it in the free time; the portal charges by itself from then on.",
            step="Call the member before the first fee.",
            evidence=case.evidence(*work.rows),
            capability_id=work.capability_id,
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """Finished work as findings name it: its batch, to which a note can be added, else its reservation."""

    kind: str
    document_id: str
    capability_id: str | None
    reservation_id: str | None = None

    @property
    def rows(self) -> tuple[str, ...]:
        """Return the rows that show it."""
        collection = "batches" if self.kind == "batch" else "reservations"
        reserved = (f"reservations/{self.reservation_id}",) if self.reservation_id else ()
        return (f"{collection}/{self.document_id}", *reserved)


def _kept(case: Case) -> Iterator[tuple[dict[str, Any], _Work]]:
    """Yield the reservations whose load is finished and on the shelf, and the work as findings name it."""
    table = case.tables["reservations"]
    rows = masks.rows_of(
        table,
        masks.all_of(_is_open(table), masks.is_set(table, "ready_for_pickup_at")),
        *("ready_for_pickup_at", "linked_batch_id", "pickup_window_status", "pickup_window_confirmed_end"),
    )
    owned = {row["document_id"] for row in batch_states(case) if row["owner_uid"]} if rows else set()
    told = set[str]()
    for row in sorted(rows, key=lambda row: (row["ready_for_pickup_at"], row["document_id"])):
        batch_id, reservation_id = row["linked_batch_id"], row["document_id"]
        if batch_id in owned and batch_id not in told:
            told.add(batch_id)
            yield row, _Work("batch", batch_id, NOTE, reservation_id)
        else:
            yield row, _Work("reservation", reservation_id, None)


def _agreed_until(case: Case, row: dict[str, Any]) -> datetime | None:
    """Return the end of the agreed pickup window; null when there is none, or it has passed unused.

    A window has passed when the studio was open for a whole day after it: until then somebody may come late,
    or the visit may not have been noted yet.
    """
    ends: datetime | None = row["pickup_window_confirmed_end"]
    if ends is None or (row["pickup_window_status"] or "").lower() != "confirmed":
        return None
    return ends if case.moment.as_of < case.calendar.after_open_days(ends, 1) else None


def _is_open(table: pa.Table) -> pa.Array:
    return masks.all_of(
        masks.is_one_of(table, "status", OPEN_RESERVATION, if_missing=True),
        masks.not_(masks.is_one_of(table, "pickup_window_status", ("completed",))),
        masks.not_(masks.is_true(table, "is_archived")),
    )


def reservations_past_window(case: Case) -> Iterator[Finding]:
    """Find reservations whose work has not come, though the last day the member hoped for is over.

    Days of the window on which nobody could come are given back after it.
    """
    table, limits = case.tables["reservations"], case.limits
    waiting = masks.all_of(
        _is_open(table),
        masks.not_(masks.is_set(table, "arrived_at")),
        masks.not_(masks.is_set(table, "ready_for_pickup_at")),
        masks.not_(masks.is_one_of(table, "load_status", ("loading", "loaded"))),
        masks.is_before(table, "preferred_window_latest_date", case.moment.as_of),
    )
    for row in masks.rows_of(table, waiting, "preferred_window_latest_date"):
        latest = row["preferred_window_latest_date"]
        lost = case.calendar.closed_days(latest, limits.window_days)
        if case.moment.as_of < case.calendar.after_open_days(latest, limits.past_window_open_days + lost):
            continue
        yield finding(
            *(RESERVATIONS, "reservation_past_window", "reservation", row["document_id"]),
            severity=Severity.LOW,
            confidence=0.9,
            since=latest,
            expected=f"brought in by {case.day_text(latest)}",
            observed="not brought in",
            cause="The member changed their mind, or the arrival was not noted.",
            step="Ask the member for a new date, or cancel the reservation so that the queue is true.",
            evidence=case.evidence(f"reservations/{row['document_id']}"),
        )


def waiting_reservations(case: Case) -> list[dict[str, Any]]:
    """Return reservations that still want a firing, with ``arrived_at``, size and station."""
    table = case.tables["reservations"]
    mask = masks.all_of(
        _is_open(table),
        masks.not_(masks.is_set(table, "ready_for_pickup_at")),
        masks.not_(masks.is_one_of(table, "load_status", ("loading", "loaded"))),
    )
    return masks.rows_of(
        table, mask, "arrived_at", "estimated_half_shelves", "assigned_station_id", "created_at"
    )
