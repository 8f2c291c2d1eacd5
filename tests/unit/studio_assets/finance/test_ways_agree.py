"""Three ways of reading the same books agree: the quick one, the careful one, and a bookkeeper's, by hand.

The quick way looks with care at what is doubtful alone, the careful one at everything; they share the rules.
Those by hand (``by_hand``, ``payouts_by_hand``) are written from the cloud's contract and the documents, and
share nothing.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.cli.evaluation.side_by_side import reconcile_all
from studio_assets.finance.classes import Kind
from tests.unit.studio_assets.finance.by_hand import Desk
from tests.unit.studio_assets.finance.ledgers import AS_OF, SOLD_AT, TIMEZONE, Books, said, with_tax
from tests.unit.studio_assets.finance.muddles import muddle
from tests.unit.studio_assets.finance.payouts_by_hand import told_of_payouts


def kinds_where_all_ways_agree(seeds, *, sales):
    looks = [(muddle(seed, sales), AS_OF) for seed in seeds]
    quick = reconcile_all(looks, timezone=TIMEZONE)
    thorough = reconcile_all(looks, timezone=TIMEZONE, is_thorough=True)
    for seed, (tables, _), one, other in zip(seeds, looks, quick, thorough, strict=True):
        assert said(one) == said(other), f"muddle {seed}"
        assert one.conservation.error_cents == 0, f"muddle {seed}"
        desk = Desk(tables, AS_OF, TIMEZONE)
        by_hand = desk.told() | told_of_payouts(desk)
        assert told_like(by_hand, one) == by_hand, f"muddle {seed} of {sales}"
        assert one.conservation.differences == desk.differences(), f"muddle {seed} of {sales}"
    return {discrepancy.kind for found in quick for discrepancy in found.discrepancies}


def told_like(by_hand, found):
    """Return what was told, each once; with amounts but where by hand there are none."""
    keys = [(one.kind.value, one.subject) for one in found.discrepancies]
    assert len(set(keys)) == len(keys)
    return {
        key: (one.expected_cents, one.observed_cents) if by_hand.get(key, ()) is not None else None
        for key, one in zip(keys, found.discrepancies, strict=True)
    }


def test_all_ways_say_the_same_where_every_class_is():
    """Of sixty muddled studios: every flag with its evidence and amounts, every sum, no cent unexplained."""
    assert kinds_where_all_ways_agree(range(100, 160), sales=24) == set(Kind)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 24))
def test_all_ways_say_the_same_of_any_muddle(seed, sales):
    kinds_where_all_ways_agree(range(seed, seed + 8), sales=sales)


def test_money_that_names_an_order_that_is_not_there_is_linked_by_its_intents_name():
    """It was told as money without an order, and its order as paid without money: neither was so."""
    made = Books()
    made.sell("x")
    made.order("x", stripe_payment_intent_id=None)
    made.charge("x", metadata_order_id="nobody", metadata_materials_order_id="nobody")
    assert made.kinds() == [("metadata_lost", "x")]
    made.rows["payment_intents"]["pi_x"] |= {"metadata_order_id": "nobody"}
    assert made.kinds() == [("missing_order", "ch_x"), ("order_without_charge", "x")]


def test_money_that_names_an_order_of_another_kind_is_linked_by_nothing_else():
    """Names that contradict each other are for a person to judge."""
    made = Books()
    made.sell("x")
    made.sell("y", domain="e")
    made.charge("x", metadata_order_id="y", metadata_materials_order_id="y")
    assert made.kinds() == [("missing_order", "ch_x"), ("order_without_charge", "x")]


@pytest.mark.parametrize(
    ("first", "then", "domain"),
    [
        ("metadata_charge_id", "metadata_event_charge_id", "e"),
        ("metadata_agent_order_id", "metadata_materials_order_id", "a"),
    ],
)
def test_names_are_looked_up_in_the_order_in_which_the_portal_does(first, then, domain):
    """Of two names that differ the portal takes the first, so its order waits for no other money."""
    made = Books()
    made.sell("x", domain=domain)
    made.charge("x", metadata_order_id=None, **{first: "x", then: "nobody"})
    assert made.kinds() == []


def test_prepaid_orders_claim_no_payment():
    """Whether or not anything makes one be looked at with care: they expect no money, so none is claimed."""
    made = Books()
    for name in ("x", "y"):
        made.sell(name, domain="a")
        made.drop_money(name)
        made.order(name, payment_provider="internal_prepay", stripe_payment_intent_id="pi_one")
    assert made.kinds() == []
    made.pay("one", 999, at=SOLD_AT)
    assert made.kinds() == [("missing_order", "ch_one")]


def test_an_order_without_payment_status_may_wait_for_its_intent():
    """Legacy orders lack it: what is not said to have failed has not failed."""
    made = Books()
    made.sell("x")
    made.drop_money("x")
    waits = {"status": "checkout_pending", "payment_status": None, "paid_at": None}
    made.order("x", **waits)
    asked = {"amount_cents": 1, "currency": "usd", "created_at": SOLD_AT, "livemode": False}
    made.add("payment_intents", "pi_x", status="requires_capture", **asked)
    assert made.kinds() == []
    made.order("x", payment_status="payment_failed")
    assert made.kinds() == [("abandoned_checkout", "x")]


def test_of_several_payments_for_one_sale_the_worst_is_told():
    """An open dispute before a lost one; more given back than taken before a part given back."""
    made = Books()
    for name in ("x", "y"):
        made.sell(name)
        named = {"metadata_order_id": name, "metadata_materials_order_id": name}
        made.pay(f"{name}2", with_tax(4000), at=SOLD_AT, metadata_source="materials", **named)
    made.dispute("x", "lost")
    made.dispute("x2", "needs_response")
    made.order("y", status="refunded", payment_status="refunded")
    made.refund("y", 1000)
    made.refund("y2", with_tax(4000))
    made.refund("y2", 500)
    assert made.kinds() == [("duplicate_charge", "x"), ("dispute_open", "x"), ("refund_over", "y")]
