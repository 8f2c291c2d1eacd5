"""Flags are findings: stable, with money in whole cents, with evidence that names rows, and no customer."""

import pytest

from resources.findings import Finding
from studio_assets.finance.classes import ADJUST, CLASSES, Kind, correction_cents
from studio_assets.finance.flags import flags
from studio_assets.findings.making import is_plain_id, safe_id
from tests.unit.studio_assets.finance.ledgers import AS_OF, DAY, Books, with_tax
from tests.unit.studio_assets.finance.test_reconcile import BENT, bent, books


def flagged(made: Books, **hashes: str) -> list[Finding]:
    return flags(made.reconcile().discrepancies, hashes)


@pytest.mark.parametrize("bend", [bend for bend, _, _ in BENT], ids=[bend.__name__ for bend, _, _ in BENT])
def test_every_class_becomes_a_finding_whose_evidence_is_there(bend):
    made, found, _ = bent()[bend.__name__]
    for finding in flags(found.discrepancies, {}):
        assert finding.department == "finance"
        assert finding.detector == "reconciliation"
        assert 0 < finding.confidence <= 1
        assert finding.evidence
        for link in finding.evidence:
            assert link.row in made.rows[link.asset.removeprefix("cloud_truth/")]
        assert "uid-" not in repr(finding)


def test_a_short_payout_tells_its_whole_sum_in_cents():
    made = books()
    made.rows["balance_transactions"]["txn_x"] |= {"available_at": AS_OF - 2 * DAY}
    made.post("txn_p", -1000, 0, kind="payout", source="po_1", at=AS_OF - DAY)
    payout = {"currency": "usd", "arrival_date": AS_OF, "created_at": AS_OF - DAY, "livemode": False}
    made.add("payouts", "po_1", amount_cents=1000, status="pending", balance_transaction="txn_p", **payout)
    (finding,) = flagged(made)
    left = made.rows["balance_transactions"]["txn_x"]["net_cents"]
    assert (finding.expected_cents, finding.observed_cents, finding.currency) == (left, 1000, "usd")


def test_a_lost_order_says_what_was_taken_and_offers_no_correction():
    made = books()
    made.rows["materials_orders"].pop("x")
    (finding,) = flagged(made, charges="c0ffee")
    assert (finding.expected_cents, finding.observed_cents) == (0, with_tax(4000))
    assert finding.capability_id is None
    assert finding.evidence[0].revision == "c0ffee"


def test_an_order_nobody_paid_can_become_a_proposal_to_adjust():
    made = books()
    made.drop_money("x")
    made.order("x", stripe_payment_intent_id=None)
    (finding,) = flagged(made)
    assert (finding.kind, finding.capability_id) == ("order_without_charge", ADJUST)


def test_the_same_books_give_the_same_identities_and_words():
    made = books()
    for bend, _, _ in BENT[1:4]:
        bend(made)
    assert flagged(made) == flagged(made)


@pytest.mark.parametrize("bend", [bend for bend, _, _ in BENT], ids=[bend.__name__ for bend, _, _ in BENT])
def test_a_correction_makes_the_order_count_what_stripe_holds(bend):
    """Whatever class proposes a sum: what the order counts as paid, with tax, plus that sum, is Stripe's."""
    made, found, _ = bent()[bend.__name__]
    for one in found.discrepancies:
        is_sum = one.expected_cents is not None and one.observed_cents is not None
        if not (CLASSES[one.kind].is_adjustable and is_sum):
            continue
        counted, held = counted_and_held(made, one.subject)
        untaxed = one.kind in {Kind.ORDER_WITHOUT_CHARGE, Kind.DUPLICATE_ORDER}  # nothing says it was taxed
        counted = 4000 if untaxed else counted
        assert counted + correction_cents(one.kind, one.expected_cents, one.observed_cents) == held


def counted_and_held(made: Books, name: str) -> tuple[int, int]:
    """Return what the order counts as paid, with tax, and what Stripe took for it less what it gave back."""
    order = made.rows["materials_orders"][name]
    charge = made.rows["charges"].get(f"ch_{name}")
    back = sum(row["amount_cents"] for row in made.rows["refunds"].values())
    held = charge["amount_captured_cents"] - back if charge is not None else 0
    return with_tax(order["total_cents"]) if order["payment_status"] == "paid" else 0, held


@pytest.mark.parametrize("stored", ["", "  ", "pi 1", "someone@example.com", "x" * 300, "pi\u202e1", "\0"])
def test_whatever_an_order_stores_as_its_intent_is_told_of_without_repeating_it(stored):
    """One odd word in one order kept every other order from being reconciled."""
    made = books()
    made.drop_money("x")
    made.order("x", stripe_payment_intent_id=stored)
    (finding,) = flagged(made)
    assert (finding.kind, finding.subject_id) == ("order_without_charge", "x")
    rows = [link.row for link in finding.evidence if link.asset == "cloud_truth/payment_intents"]
    assert rows == ([safe_id(stored)] if stored.strip() else [])
    assert all(is_plain_id(row) for row in rows)


@pytest.mark.parametrize("currency", ["", "$", "euro", "us d", "\u00fc$$"])
def test_a_sum_of_what_is_no_currency_is_told_without_the_sum_and_offers_no_correction(currency):
    """What stands there is free text at its source, and no correction could be in it."""
    made = books()
    made.drop_money("x")
    made.order("x", currency=currency)
    (finding,) = flagged(made)
    assert finding.kind == "order_without_charge"
    assert (finding.expected_cents, finding.observed_cents, finding.currency) == (None, None, None)
    assert finding.capability_id is None


@pytest.mark.parametrize("name", ["a b", "someone@example.com", "x" * 300])
def test_an_order_whose_id_is_not_plain_is_named_by_a_hash_and_offers_no_correction(name):
    """Nobody could see which order they decide about."""
    made = books()
    made.sell(name)
    made.drop_money(name)
    made.order(name, stripe_payment_intent_id=None)
    (finding,) = flagged(made)
    assert (finding.subject_id, finding.capability_id) == (safe_id(name), None)
    assert [link.row for link in finding.evidence] == [safe_id(name)]
