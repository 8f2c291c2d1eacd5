"""Rules about kilns: idle or out of service while work waits, fuller than they can fire, left unloaded."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from resources.findings import Finding, Severity
from studio_assets.operations.case import Case, finding
from studio_assets.operations.rules_work import batch_states, reserved_batches, waiting_reservations
from studio_assets.studio_state import masks
from studio_assets.studio_state.predicates import CLOSED_FIRING, KILN_UNAVAILABLE

IDLE, OUT_OF_SERVICE, OVER_CAPACITY = "kiln_idle", "kiln_out_of_service", "station_over_capacity"
UNLOAD = "firing_without_unload"
DEFAULT_STATION: Final = "studio-electric"
RAKU_STATION: Final = "reduction-raku"
_RAKU_WORDS: Final = ("raku", "reduction")
_CANCELLED: Final = ("cancelled", "canceled")
_NOT_BEGUN: Final = ("scheduled", "queued", *_CANCELLED)
_LOOKS_BACK_DAYS: Final = 60


def is_raku(text: str | None) -> bool:
    """Return whether a kiln or station is the one for raku and reduction; ids of the two differ."""
    return any(word in (text or "").lower() for word in _RAKU_WORDS)


def waiting_loads(case: Case, since: datetime) -> list[tuple[str, datetime]]:
    """Return the loads that have waited for an ordinary kiln since before an instant, oldest first.

    Each as the row that shows it and when it began to wait. The contracts tell no kind of firing of a batch.
    """
    reserved = reserved_batches(case)
    found = [
        (f"batches/{row['document_id']}", row["updated_at"])
        for row in batch_states(case)
        if row["stage"] == "SHELVED" and row["document_id"] not in reserved and row["owner_uid"]
    ]
    found += [
        (f"reservations/{row['document_id']}", row["arrived_at"])
        for row in waiting_reservations(case)
        if row["arrived_at"] is not None and not is_raku(row["assigned_station_id"])
    ]
    return sorted((load for load in found if load[1] < since), key=lambda load: (load[1], load[0]))


def _ordinary_kilns(case: Case) -> list[dict[str, Any]]:
    table = case.tables["kilns"]
    rows = masks.rows_of(table, masks.is_set(table, "document_id"), "name", "status", "updated_at")
    return [row for row in rows if not is_raku(row["document_id"]) and not is_raku(row["name"])]


def _past_firings(case: Case) -> dict[str, list[dict[str, Any]]]:
    """Return kiln id -> its firings that should have begun lately, oldest first."""
    table = case.tables["kiln_firings"]
    mask = masks.all_of(
        masks.is_before(table, "start_at", case.moment.as_of),
        masks.is_at_or_after(table, "start_at", case.days_ago(_LOOKS_BACK_DAYS)),
    )
    found = defaultdict(list)
    for row in masks.rows_of(table, mask, "kiln_id", "start_at", "end_at", "status", "unloaded_at"):
        found[row["kiln_id"]].append(row)
    return {
        kiln: sorted(rows, key=lambda row: (row["start_at"], row["document_id"]))
        for kiln, rows in found.items()
    }


def kiln_idle(case: Case) -> Iterator[Finding]:
    """Find kilns whose firings were called off one after another while loads waited."""
    firings = _past_firings(case)
    for kiln in _ordinary_kilns(case):
        mine = firings.get(kiln["document_id"], [])
        run: list[dict[str, Any]] = []
        for row in reversed(mine):
            if (row["status"] or "").lower() not in _CANCELLED:
                break
            run.insert(0, row)
        is_called_off = len(run) >= case.limits.called_off_in_a_row
        last = mine[len(mine) - len(run) - 1] if len(mine) > len(run) else None
        is_silent = (
            last is not None
            and case.open_days_since(last["end_at"] or last["start_at"]) > case.limits.silent_kiln_open_days
        )
        if not is_called_off and not is_silent:
            continue
        began = run[0]["start_at"] if run else case.days_ago(case.limits.silent_kiln_open_days)
        loads = waiting_loads(case, began - timedelta(days=case.limits.load_waits_days))
        if len(loads) < case.limits.loads_waiting:
            continue
        rows = [f"kilns/{kiln['document_id']}"]
        rows += [f"kiln_firings/{row['document_id']}" for row in run] + [row for row, _ in loads]
        yield finding(
            *(IDLE, "kiln_idle", "kiln", kiln["document_id"]),
            severity=Severity.HIGH,
            confidence=0.9 if is_called_off else 0.75,
            since=began,
            expected="a firing while work waits",
            observed="firings called off in a row" if is_called_off else "no firing for days",
            cause="Nobody is there to fire, or the calendar is not kept.",
            step="Find out why, and put a firing on the calendar for the loads that wait.",
            evidence=case.evidence(*rows),
        )


def kiln_out_of_service(case: Case) -> Iterator[Finding]:
    """Find kilns in maintenance or offline while loads wait."""
    loads = waiting_loads(case, case.days_ago(case.limits.load_waits_days))
    for kiln in _ordinary_kilns(case):
        if (kiln["status"] or "").lower() not in KILN_UNAVAILABLE or not loads:
            continue
        rows = [f"kilns/{kiln['document_id']}", *(row for row, _ in loads)]
        yield finding(
            *(OUT_OF_SERVICE, "kiln_out_of_service", "kiln", kiln["document_id"]),
            severity=Severity.HIGH,
            confidence=0.95,
            since=kiln["updated_at"] or case.moment.as_of,
            expected="in service while work waits",
            observed=kiln["status"].lower(),
            cause="It is being repaired, or nobody set it back afterwards.",
            step="Say when it is back, move its firings, and tell the members who wait.",
            evidence=case.evidence(*rows),
        )


def station_over_capacity(case: Case) -> Iterator[Finding]:
    """Find stations whose queue is more than their firings can take in the coming days."""
    limits = case.limits
    queued: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in waiting_reservations(case):
        station = (row["assigned_station_id"] or DEFAULT_STATION).strip().lower()
        queued[RAKU_STATION if is_raku(station) else station].append(row)
    table = case.tables["kiln_firings"]
    ahead = masks.all_of(
        masks.is_at_or_after(table, "start_at", case.moment.as_of),
        masks.is_before(table, "start_at", case.moment.as_of + timedelta(days=7)),
        masks.not_(masks.is_one_of(table, "status", CLOSED_FIRING)),
    )
    planned = [
        row["kiln_id"] for row in masks.rows_of(table, ahead, "kiln_id") if not is_raku(row["kiln_id"])
    ]
    kilns = max(1, len(_ordinary_kilns(case)))
    firings = max(limits.weekly_firings, round(len(planned) / kilns))
    room = limits.full_weeks * firings * limits.half_shelves_per_firing
    for station, rows in queued.items():
        wanted = sum(row["estimated_half_shelves"] or 1 for row in rows)
        if wanted <= room:
            continue
        newest = sorted(rows, key=lambda row: row["created_at"] or case.moment.as_of, reverse=True)
        yield finding(
            *(OVER_CAPACITY, "station_over_capacity", "station", station.replace(" ", "_")),
            severity=Severity.HIGH if wanted > 2 * room else Severity.MEDIUM,
            confidence=0.9,
            since=newest[0]["created_at"] or case.moment.as_of,
            expected=float(room),
            observed=float(wanted),
            unit="half_shelves",
            cause="More was asked for than the planned firings can take.",
            step="Add a firing, or put the newest requests on the waiting list and tell their members.",
            evidence=case.evidence(*(f"reservations/{row['document_id']}" for row in newest)),
        )


def firing_without_unload(case: Case) -> Iterator[Finding]:
    """Find firings that are over and were not unloaded by the end of the next open day."""
    for rows in _past_firings(case).values():
        for row in rows:
            ended = row["end_at"]
            if ended is None or row["unloaded_at"] is not None:
                continue
            if (row["status"] or "scheduled").lower() in _NOT_BEGUN:
                continue
            if case.moment.as_of < case.calendar.after_open_days(ended, case.limits.unload_open_days):
                continue
            yield finding(
                *(UNLOAD, "firing_without_unload", "firing", row["document_id"]),
                severity=Severity.MEDIUM,
                confidence=0.95,
                since=ended,
                expected=f"unloaded by the end of the next open day after {case.day_text(ended)}",
                observed="not unloaded",
                cause="It was not emptied, or the unloading was not noted.",
                step="Look into the kiln; empty it and note the unloading, so that members hear of it.",
                evidence=case.evidence(f"kiln_firings/{row['document_id']}"),
            )
