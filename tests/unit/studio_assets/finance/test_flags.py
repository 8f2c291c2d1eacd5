"""Flags are findings: stable, with money in whole cents, with evidence that names rows, and no customer."""

import pytest

from resources.findings import Finding
from studio_assets.finance.classes import ADJUST, CLASSES, Kind, correction_cents
from studio_assets.finance.flags import flags
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
