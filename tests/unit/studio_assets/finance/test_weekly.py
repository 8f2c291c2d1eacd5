"""The weekly summary adds up Stripe's objects by studio week, and tells a trend only when there is one."""

from datetime import date, timedelta

from studio_assets.finance.weekly import Week, chart, summarise, trend
from tests.unit.studio_assets.finance.ledgers import AS_OF, DAY, SOLD_AT, TIMEZONE, Books, with_tax


def weeks_of(made: Books) -> list[Week]:
    found = made.reconcile()
    return summarise(made.tables(), found.discrepancies, as_of=AS_OF, timezone=TIMEZONE)


def test_money_is_counted_in_the_studio_week_it_moved_in():
    made = Books()
    made.sell("a")
    made.sell("b", at=SOLD_AT - 7 * DAY)
    made.refund("a", 1000)
    weeks = weeks_of(made)
    assert len(weeks) == 12
    assert [week.monday for week in weeks][-2:] == [date(2026, 3, 2), date(2026, 3, 9)]
    assert [week.is_whole for week in weeks][-2:] == [True, False]
    fee = made.rows["balance_transactions"]["txn_a"]["fee_cents"]
    sold = weeks[-2]
    assert (sold.taken, sold.refunded, sold.fees) == (with_tax(4000), 1000, fee)
    assert sold.kept == with_tax(4000) - 1000 - fee
    assert weeks[-3].taken == with_tax(4000)
    assert (sold.flagged, sold.flagged_cents) == (1, 1000)


def test_a_trend_needs_five_whole_weeks():
    weeks = [Week(date(2026, 1, 5) + timedelta(weeks=n), True, taken=1000) for n in range(4)]
    assert "too few" in trend(weeks)
    assert "as usual" in trend([*weeks, Week(date(2026, 2, 2), True, taken=1050)])
    assert "40 percent less" in trend([*weeks, Week(date(2026, 2, 2), True, taken=600)])


def test_the_chart_names_every_sum_and_the_running_week():
    drawn = chart([Week(date(2026, 1, 5), True, taken=123456), Week(date(2026, 1, 12), False)])
    assert "1,234.56" in drawn
    assert "so far" in drawn.splitlines()[2]
