"""Much of one thing: what thousands share is gone through once, and a name that only looks blank is blank."""

import pytest

from tests.unit.studio_assets.finance.ledgers import SOLD_AT, Books

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


@pytest.mark.parametrize("customer", ["uid-each", None])
def test_money_that_fits_many_sales_fits_none_and_what_fits_one_is_linked(customer):
    """Every tie is refused on both sides, with a customer and without; what stands alone is linked."""
    made = Books()
    lost = dict.fromkeys(("metadata_order_id", "metadata_materials_order_id", "metadata_source"))
    for number in range(MANY):
        name, is_alone = f"s{number:02d}", number == MANY - 1
        made.sell(name, cents=7000 if is_alone else 4000)
        made.order(name, stripe_payment_intent_id=None, uid="uid-each")
        made.charge(name, **lost, metadata_uid=customer)
        made.rows["payment_intents"][f"pi_{name}"] |= lost
    kinds = made.kinds()
    assert [kind for kind, _ in kinds].count("missing_order") == MANY - 1
    assert [one for one in kinds if one[1] == f"s{MANY - 1}"] == [("metadata_lost", f"s{MANY - 1}")]
    assert len(kinds) == 2 * (MANY - 1) + 1


def test_an_intent_that_several_sales_store_links_none_of_them():
    made = Books()
    for name, cents in (("x", 4000), ("y", 5000), ("z", 6000)):
        made.sell(name, cents=cents)
        made.drop_money(name)
        made.order(name, stripe_payment_intent_id="pi_one")
    made.pay("one", 999, at=SOLD_AT)
    told = [kind for kind, _ in made.kinds()]
    assert told.count("duplicate_order") == 3
    assert told.count("missing_order") == 1
