"""The weekly summary adds up Stripe's objects by studio week, and tells a trend only when there is one."""

from datetime import date, timedelta

from studio_assets.finance.flags import flags
from studio_assets.finance.weekly import Week, chart, summarise, told_of_aside, trend
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


def test_a_flag_that_stays_counts_in_its_week_as_when_it_was_found():
    """What stays because a row was set aside is still open: week and sum are those of the discrepancy."""
    made = Books()
    made.sell("a")
    made.sell("b", at=SOLD_AT - 7 * DAY)
    made.refund("a", 1000)
    made.refund("b", 700)
    found = made.reconcile().discrepancies
    flagged = weeks_of(made)
    assert [week.flagged_cents for week in flagged][-3:] == [0, 1700, 0]
    for stays in (found[:1], found):
        mixed = [*flags(stays, {}), *found[len(stays) :]]
        assert summarise(made.tables(), mixed, as_of=AS_OF, timezone=TIMEZONE) == flagged


def test_the_summary_says_in_a_sentence_how_much_was_set_aside():
    """With counts, and no id of anything."""
    assert told_of_aside(["x"], []) == (
        "1 row was set aside and counted in no week; 0 flags stay only because of that, and counted."
    )
    assert told_of_aside(["x", "y"], ["z"]).startswith(
        "2 rows were set aside and counted in no week; 1 flag "
    )
