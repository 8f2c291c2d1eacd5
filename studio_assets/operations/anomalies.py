"""Numbers of StudioState that are out of line with their own past, as findings. Pure.

Which numbers are watched, in which direction a departure asks for a person, and the smallest one that does,
stands here; how a departure is told from ordinary unrest is in ``baselines``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from resources.clock import day_start
from resources.findings import Finding, FindingEvidence, Severity
from studio_assets.calendar import StudioCalendar
from studio_assets.findings.making import links_to_rows
from studio_assets.operations.baselines import Event, Judged, Tuning, judge
from studio_assets.operations.case import SNAPSHOT_ASSET, finding
from studio_assets.studio_state import masks
from studio_assets.studio_state.predicates import Moment, Tables

ANOMALIES: Final = "counter_baselines"
MOST_ROWS: Final = 40
LEAST_DAYS: Final = 28
SHOWN_DAYS: Final = 2
CLOSURE_ECHO_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class Watched:
    """One number that is watched.

    Attributes:
        least_change: Smallest departure from what was expected that asks for a person.
        is_up: Whether more than expected does.
        is_down: Whether fewer than expected do.
        source: Contract whose new rows are the evidence.
        unit: What is counted.
        cause: Likely cause, a sentence.
        step: What to do, a sentence.
    """

    least_change: int
    source: str
    unit: str
    cause: str
    step: str
    is_up: bool = True
    is_down: bool = False


_BURST = "Many came in at once: a campaign, an agent gone wild, or a gap in the work of the desk."
_PILE = "More came in than was dealt with, or dealing with them has stopped."
WATCHED: Final[Mapping[str, Watched]] = MappingProxyType(
    {
        "counts.batchesActive": Watched(12, "batches", "batches", _PILE, "See which stage holds them."),
        "counts.reservationsOpen": Watched(
            10, "reservations", "reservations", _BURST, "Look at the newest, and at what the kilns can take."
        ),
        "counts.reportsOpen": Watched(
            4, "community_reports", "reports", _BURST, "Look whether they are about one thing."
        ),
        "ops.highSeverityReports": Watched(3, "community_reports", "reports", _BURST, "Read them now."),
        "counts.supportRequestsNew": Watched(
            10, "support_requests", "requests", _BURST, "Look whether they are about one thing."
        ),
        "ops.agentRequestsPending": Watched(
            6, "agent_requests", "requests", _BURST, "See who asks, and whether one agent asks it all."
        ),
        "finance.staleCarts": Watched(
            8, "materials_orders", "orders", "The checkout may not work.", "Try to buy something."
        ),
        "finance.ordersAwaitingPickup": Watched(
            15, "materials_orders", "orders", _PILE, "See what waits at the counter."
        ),
        "finance.unpaidEvents": Watched(
            6, "event_signups", "signups", "Paying after an event may not work.", "Try the link to pay."
        ),
        "finance.disputesLast30Days": Watched(
            3, "disputes", "disputes", "One payer, or stolen cards.", "Look at them at Stripe."
        ),
        "finance.refundsLast30Days": Watched(
            6, "refunds", "refunds", "Something was sold that could not be given.", "Look what was refunded."
        ),
    }
)
"""Numbers not named here are watched by a rule, only ever grow, or follow the calendar."""


@dataclass(frozen=True, slots=True)
class Departure:
    """One number out of line, over the days it was."""

    counter: str
    event: Event
    first_day: date
    last_day: date


def departures(
    history: Mapping[str, Sequence[tuple[date, int]]],
    calendar: StudioCalendar,
) -> list[Departure]:
    """Return the departures of every watched number, in order of their first day.

    Args:
        history: ``section.name`` -> the number at the end of each day, in any order; days may be missing.
        calendar: Closed days are neither judged nor learnt from; on the first ones after them work piles up,
            and only what is very far off is told.
    """
    found: list[Departure] = []
    for counter, watched in WATCHED.items():
        points = [(_noon(day), float(value)) for day, value in history.get(counter, ())]
        mine = Tuning(least_history=LEAST_DAYS, least_change=float(watched.least_change))
        for event in judged(points, calendar, mine).events:
            is_more = event.observed > event.expected
            if (is_more and watched.is_up) or (not is_more and watched.is_down):
                found.append(Departure(counter, event, event.start.date(), event.end.date()))
    return sorted(found, key=lambda one: (one.first_day, one.counter))


def judged(points: Sequence[tuple[datetime, float]], calendar: StudioCalendar, tuning: Tuning) -> Judged:
    """Return what is said of a number's days, held against the studio's calendar."""
    return judge(
        points,
        is_open=calendar.is_open,
        is_settled=lambda day: _is_ordinary(calendar, day),
        tuning=tuning,
    )


def standing(found: Sequence[Departure], day: date) -> list[Departure]:
    """Return the departures that stand on a day: begun by then, and still so within ``SHOWN_DAYS`` of it."""
    return [one for one in found if one.first_day <= day and one.last_day + timedelta(days=SHOWN_DAYS) > day]


def find_anomalies(
    found: Sequence[Departure], moment: Moment, tables: Tables, revision: str
) -> list[Finding]:
    """Return the findings of the departures that stand on a day, in order of identity; one per number.

    Args:
        found: Of :func:`departures` over the days up to this one.
        moment: The end of the day, or the instant of today's numbers.
        tables: Contract name -> rows of that day; the newest of a number's source are its evidence. Those of
            sources that are not there are left out.
        revision: Of the day's snapshot, as ``2026-03-01.2``.
    """
    newest = {one.counter: one for one in standing(found, moment.day)}
    return sorted(
        (_finding(one, moment, tables, revision) for one in newest.values()), key=lambda one: one.finding_id
    )


def kind_of(counter: str) -> str:
    """Return the kind of finding of a number: ``unusual_`` and its name in snake_case."""
    name = counter.partition(".")[2]
    return "unusual_" + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _finding(one: Departure, moment: Moment, tables: Tables, revision: str) -> Finding:
    watched, event = WATCHED[one.counter], one.event
    return finding(
        *(ANOMALIES, kind_of(one.counter), "counter", one.counter),
        severity=Severity.HIGH if event.score >= 10 else Severity.MEDIUM,
        confidence=round(min(0.95, 0.5 + event.score / 40), 2),
        since=day_start(one.first_day, moment.timezone),
        expected=float(round(event.expected, 1)),
        observed=float(round(event.observed, 1)),
        unit=watched.unit,
        cause=watched.cause,
        step=watched.step,
        evidence=(
            FindingEvidence(SNAPSHOT_ASSET, revision, one.counter),
            *_newest_rows(watched.source, one, tables, revision),
        ),
    )


def _newest_rows(source: str, one: Departure, tables: Tables, revision: str) -> tuple[FindingEvidence, ...]:
    table: pa.Table | None = tables.get(source)
    if table is None or "created_at" not in table.column_names:
        return ()
    since = one.event.start - timedelta(days=1)
    rows = masks.rows_of(table, masks.is_at_or_after(table, "created_at", since), "created_at")
    rows.sort(key=lambda row: row["created_at"])
    return links_to_rows(revision, *(f"{source}/{row['document_id']}" for row in rows[:MOST_ROWS]))


def _is_ordinary(calendar: StudioCalendar, day: date) -> bool:
    """Return whether a day tells of ordinary work: open, and not just after closed ones."""
    return all(calendar.is_open(day - timedelta(days=back)) for back in range(CLOSURE_ECHO_DAYS + 1))


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
