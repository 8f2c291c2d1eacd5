"""Amounts of different currencies never meet: not in a flag, and not in what adds up."""

from tests.unit.studio_assets.finance.ledgers import HOUR, SOLD_AT, Books, with_tax


def paid_order() -> Books:
    made = Books()
    made.sell("x")
    return made


def test_an_order_that_names_no_currency_is_told_and_adds_up():
    """It may have meant any: no amounts are compared, and its cents stand under a name of their own."""
    made = paid_order()
    made.order("x", currency=None)
    assert made.kinds() == [("currency_mismatch", "x")]
    assert made.reconcile().conservation.differences == {"usd": with_tax(4000), "unknown": -4000}


def test_a_dispute_in_another_currency_is_never_added_to_the_charge():
    """Banks may dispute in the payer's currency: it is told without amounts, and adds up by itself."""
    made = paid_order()
    made.dispute("x", "needs_response")
    made.rows["disputes"]["dp_x"] |= {"currency": "eur", "amount_cents": 3900}
    made.order("x", status="disputed", payment_status="disputed")
    assert made.kinds() == [("dispute_open", "x")]
    found = made.reconcile()
    assert found.discrepancies[0].expected_cents is None
    assert found.conservation.differences == {"usd": with_tax(4000), "eur": -3900}


def test_money_of_two_currencies_is_never_one_sum():
    made = paid_order()
    made.pay("again", 4000, at=SOLD_AT + HOUR, metadata_order_id="x", metadata_source="materials")
    made.charge("again", currency="eur")
    assert made.kinds() == [("duplicate_charge", "x")]
    (found,) = made.reconcile().discrepancies
    assert (found.expected_cents, found.observed_cents) == (None, None)


def test_no_currency_and_an_empty_one_add_up_under_one_name():
    """Neither says which it is: both stand as unknown, and neither's cents push out the other's."""
    made = Books()
    for name, currency in (("x", None), ("y", "")):
        made.sell(name)
        made.order(name, currency=currency)
    assert made.kinds() == [("currency_mismatch", "x"), ("currency_mismatch", "y")]
    assert made.reconcile().conservation.differences == {"usd": 2 * with_tax(4000), "unknown": -8000}
    made.order("x", status="checkout_pending")  # held as paid still, but looked at by another way
    assert made.reconcile().conservation.differences == {"usd": 2 * with_tax(4000), "unknown": -8000}
