"""Much of one thing: what thousands share is gone through once, and a name that only looks blank is blank."""

import pytest

from tests.unit.studio_assets.finance.ledgers import Books

MANY = 60


@pytest.mark.parametrize("shared", ["stripe_payment_intent_id", "stripe_checkout_session_id"])
def test_many_orders_that_claim_one_payment_each_name_the_first_other(shared):
    made = Books()
    for number in range(MANY):
        made.sell(f"s{number:02d}")
        made.drop_money(f"s{number:02d}")
        made.order(f"s{number:02d}", **{shared: "the one"})
    found = made.reconcile()
    told = {one.subject: one.other_ids for one in found.discrepancies if one.kind == "duplicate_order"}
    assert told == {f"s{number:02d}": ("s00" if number else "s01",) for number in range(MANY)}
    assert found.conservation.error_cents == 0


def test_many_checkouts_of_one_seat_are_told_once_with_all_of_them():
    made = Books()
    for number in range(MANY):
        made.sell(f"s{number:02d}", domain="e")
        made.order(f"s{number:02d}", signup_id="seat")
    assert made.kinds() == []
    made.drop_money("s30")
    made.order("s30", payment_status="checkout_pending", paid_at=None)
    assert made.kinds() == [("two_payable_sessions", "s59")]
    (told,) = made.reconcile().discrepancies
    assert told.other_ids == tuple(f"s{number:02d}" for number in range(MANY))


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", " ", ""])
def test_a_blank_customer_is_nobody_whatever_the_blank(blank):
    """Quick and careful ways agree on it: ``kinds`` holds them together."""
    made = Books()
    made.sell("x")
    made.order("x", uid=blank)
    assert made.kinds() == [("customer_deleted", "x")]
