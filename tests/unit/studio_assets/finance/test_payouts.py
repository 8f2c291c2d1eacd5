"""Payouts are told once each, waiting money when it has waited, and both the same until something changes."""

from datetime import timedelta

from studio_assets.finance.flags import flags
from studio_assets.finance.reconcile import reconcile
from tests.unit.studio_assets.finance.ledgers import AS_OF, DAY, HOUR, MINUTE, TIMEZONE, Books


def paid_out(*names: str, amount: int = 1000, ready_for: timedelta = 6 * DAY) -> Books:
    """Return books with one sale whose money is ready, and payouts of five days ago that left it behind."""
    made = Books()
    made.sell("x")
    made.rows["balance_transactions"]["txn_x"] |= {"available_at": AS_OF - ready_for}
    for name in names:
        made.post(f"txn_{name}", -1000, 0, kind="payout", source=f"po_{name}", at=AS_OF - 5 * DAY)
        sent = {"arrival_date": AS_OF - 4 * DAY, "created_at": AS_OF - 5 * DAY, "livemode": False}
        sent |= {"currency": "usd", "amount_cents": amount, "status": "paid"}
        made.add("payouts", f"po_{name}", **sent, balance_transaction=f"txn_{name}")
    return made


def net_of_x(made: Books) -> int:
    return made.rows["balance_transactions"]["txn_x"]["net_cents"]


def test_a_payout_that_is_not_its_entry_and_leaves_money_behind_is_one_discrepancy():
    """It was told twice under one id, which findings refuse: one odd payout stopped every flag."""
    made = paid_out("p", amount=993)
    assert made.kinds() == [("payout_short", "po_p")]
    (told,) = made.reconcile().discrepancies
    assert (told.expected_cents, told.observed_cents) == (1000 + net_of_x(made) - 1000, 993)
    assert len(flags([told], {})) == 1


def test_what_payouts_of_one_second_left_behind_is_told_of_one_of_them():
    made = paid_out("p", "q")
    made.rows["balance_transactions"]["txn_x"] |= {"net_cents": 3000}
    assert made.kinds() == [("payout_short", "po_q")]
    (told,) = made.reconcile().discrepancies
    assert (told.expected_cents, told.observed_cents) == (2000, 1000)


def test_the_first_money_of_a_studio_does_not_wait_the_moment_it_is_ready():
    """Nothing else was ready for longer: there is none that waited, not all of it."""
    made = paid_out(ready_for=HOUR)
    assert made.kinds() == []
    made.rows["balance_transactions"]["txn_x"] |= {"available_at": AS_OF - 4 * DAY + MINUTE}
    assert made.kinds() == []
    made.rows["balance_transactions"]["txn_x"] |= {"available_at": AS_OF - 4 * DAY}
    assert made.kinds() == [("payout_missing", "usd")]


def test_money_that_waits_began_to_when_it_was_ready_and_is_told_the_same_at_every_look():
    """A finding that moved with the clock had a new revision with every look at an unchanged cloud."""
    tables = paid_out().tables()
    looks = [reconcile(tables, as_of=AS_OF + late, timezone=TIMEZONE) for late in (MINUTE, HOUR, DAY)]
    assert [[one.since for one in look.discrepancies] for look in looks] == [[AS_OF - 6 * DAY]] * 3
    assert looks[0].discrepancies == looks[1].discrepancies == looks[2].discrepancies


def test_money_that_waits_began_to_after_the_newest_payout():
    """What a payout left behind is told of it; what was ready later waits since then."""
    made = paid_out("p")
    made.sell("later")
    made.rows["balance_transactions"]["txn_later"] |= {"available_at": AS_OF - 4 * DAY - HOUR}
    assert made.kinds() == [("payout_short", "po_p"), ("payout_missing", "usd")]
    assert made.reconcile().discrepancies[-1].since == AS_OF - 4 * DAY - HOUR
