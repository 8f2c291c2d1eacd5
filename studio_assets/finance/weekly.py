"""The weekly summary: what was taken, given back, lost and paid out, week by week, and where it goes.

Weeks begin on Monday in studio time. Sums are taken from Stripe's objects, in the studio's currency only.
"""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import pyarrow as pa

from resources.clock import day_start, local_date
from resources.findings import Finding
from resources.money import amount_text
from studio_assets.finance.reconcile import Discrepancy
from studio_assets.finance.tables import load, open_engine, since_epoch

WEEKS: Final = 12
CURRENCY: Final = "usd"
_BAR: Final = 24
_TREND_WEEKS: Final = 4

_SUMS: Final = """
select w.monday, what, sum(cents)::bigint from week w join (
    select created as at, 'taken' as what, amount as cents, currency from taking
    union all select created, 'refunded', amount, currency from back
    union all select created, 'disputed', withdrawn, currency from quarrel
    union all select epoch_us(created_at), 'fees', fee_cents, lower(currency) from balance_transactions
    union all select epoch_us(created_at), 'paid_out', amount_cents, lower(currency) from payouts
              where status not in ('failed', 'canceled')
) moved on moved.at >= w.start and moved.at < w.stop
where currency = $currency group by all
"""


@dataclass(frozen=True, slots=True)
class Week:
    """One week of money, in cents of the studio's currency.

    Attributes:
        monday: Its first day, studio-local.
        is_whole: Whether it is over.
        flagged: Discrepancies open now that began in it.
        flagged_cents: What is at odds in them, each counted without sign.
    """

    monday: date
    is_whole: bool
    taken: int = 0
    refunded: int = 0
    disputed: int = 0
    fees: int = 0
    paid_out: int = 0
    flagged: int = 0
    flagged_cents: int = 0

    @property
    def kept(self) -> int:
        """Return what is left of the week's takings after refunds, disputes and fees."""
        return self.taken - self.refunded - self.disputed - self.fees


def summarise(
    tables: Mapping[str, pa.Table],
    discrepancies: Sequence[Discrepancy | Finding],
    *,
    as_of: datetime,
    timezone: str,
    weeks: int = WEEKS,
) -> list[Week]:
    """Return the newest weeks, oldest first; the last one is running.

    Args:
        tables: Contract tables, as for ``reconcile``.
        discrepancies: What is open now: what was found, and flags that stay though nothing could be told.
        as_of: What the tables show, aware.
        timezone: The studio's time zone.
        weeks: How many.
    """
    today = local_date(as_of - timedelta(microseconds=1), timezone)
    this_monday = today - timedelta(days=today.weekday())
    mondays = [this_monday - timedelta(weeks=back) for back in reversed(range(weeks))]
    edges = [
        since_epoch(day_start(monday, timezone)) for monday in (*mondays, this_monday + timedelta(weeks=1))
    ]
    bounds = pa.table({"monday": mondays, "start": edges[:-1], "stop": edges[1:]})
    with open_engine() as engine:
        load(engine, tables)
        engine.register("week", bounds)
        rows = engine.execute(_SUMS, {"currency": CURRENCY}).fetchall()
    sums: dict[date, dict[str, int]] = {}
    for monday, what, cents in rows:
        sums.setdefault(monday, {})[what] = int(cents)
    return [
        Week(
            monday=monday,
            is_whole=monday < this_monday,
            **sums.get(monday, {}),
            **_flagged(discrepancies, monday, timezone),
        )
        for monday in mondays
    ]


def trend(weeks: Sequence[Week]) -> str:
    """Return one sentence: the last whole week's takings against the median of the four before it."""
    whole = [week.taken for week in weeks if week.is_whole]
    if len(whole) <= _TREND_WEEKS:
        return "There are too few whole weeks to speak of a trend."
    last, before = whole[-1], sorted(whole[-_TREND_WEEKS - 1 : -1])
    usual = (before[1] + before[2]) // 2
    if usual == 0:
        return "Nothing was taken in the weeks before."
    percent = round(100 * (last - usual) / usual)
    word = "as usual" if abs(percent) < 10 else f"{abs(percent)} percent {'more' if percent > 0 else 'less'}"
    return f"The last whole week took {word}, against the median of the four weeks before."


def chart(weeks: Sequence[Week]) -> str:
    """Return the takings as bars, in Markdown; every bar with its sum."""
    most = max((week.taken for week in weeks), default=0) or 1
    lines = [
        f"{week.monday} {'█' * round(_BAR * week.taken / most):<{_BAR}} {amount_text(week.taken):>12}"
        + ("" if week.is_whole else "  so far")
        for week in weeks
    ]
    return "\n".join(("```", *lines, "```"))


def told_of_aside(aside: Sized, stays: Sized) -> str:
    """Return one sentence: how much could not be counted, and how many flags stay only because of it."""
    rows = "1 row was" if len(aside) == 1 else f"{len(aside)} rows were"
    flags = "1 flag stays" if len(stays) == 1 else f"{len(stays)} flags stay"
    return f"{rows} set aside and counted in no week; {flags} only because of that, and counted."


def _flagged(discrepancies: Sequence[Discrepancy | Finding], monday: date, timezone: str) -> dict[str, int]:
    until = monday + timedelta(weeks=1)
    mine = [one for one in discrepancies if one.since and monday <= local_date(one.since, timezone) < until]
    odds = [
        abs((one.observed_cents or 0) - (one.expected_cents or 0)) for one in mine if one.currency == CURRENCY
    ]
    return {"flagged": len(mine), "flagged_cents": sum(odds)}
