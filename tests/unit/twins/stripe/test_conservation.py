"""Money is conserved: whatever people, customers and banks do, no cent appears or disappears."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.twins.stripe.desk import Desk, MovingClock


class Money(RuleBasedStateMachine):
    """Random acts on one account, checked after each through what the wire shows."""

    def __init__(self):
        super().__init__()
        self.clock = MovingClock()
        self.clock.instant = datetime(2026, 3, 2, tzinfo=UTC)
        self.desk = Desk(self.clock)

    @rule(
        amount=st.integers(50, 200_000),
        method=st.sampled_from(
            ["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_card_createDispute"]
        ),
    )
    def pay(self, amount, method):
        status, _ = self.desk.ask(
            "POST",
            "payment_intents",
            {"amount": amount, "currency": "usd", "payment_method": method, "confirm": "true"},
        )
        assert status == (402 if "Declined" in method else 200)

    @rule(amount=st.integers(50, 200_000), is_taxed=st.booleans())
    def check_out(self, amount, is_taxed):
        session = self.desk.post(
            "checkout/sessions",
            mode="payment",
            line_items=[
                {"price_data": {"currency": "usd", "unit_amount": amount, "product_data": {"name": "x"}}}
            ],
            automatic_tax={"enabled": str(is_taxed).lower()},
        )
        self.desk.post("test_helpers/twin/complete_checkout", session=session["id"])

    @rule(pick=st.integers(0, 50), amount=st.none() | st.integers(1, 200_000))
    def refund(self, pick, amount):
        charges = self.desk.all("charges")
        if charges:
            params = {"charge": charges[pick % len(charges)]["id"]} | ({"amount": amount} if amount else {})
            status, _ = self.desk.ask("POST", "refunds", params)
            assert status in (200, 400)

    @rule(pick=st.integers(0, 50), outcome=st.sampled_from(["won", "lost"]))
    def close_dispute(self, pick, outcome):
        disputes = self.desk.all("disputes")
        if disputes:
            params = {"dispute": disputes[pick % len(disputes)]["id"], "outcome": outcome}
            status, _ = self.desk.ask("POST", "test_helpers/twin/close_dispute", params)
            assert status in (200, 400)

    @rule(pick=st.integers(0, 50))
    def dispute(self, pick):
        charges = self.desk.all("charges")
        if charges:
            params = {"charge": charges[pick % len(charges)]["id"]}
            status, _ = self.desk.ask("POST", "test_helpers/twin/create_dispute", params)
            assert status in (200, 400)

    @rule(hours=st.integers(1, 72))
    def time_passes(self, hours):
        self.clock.instant += timedelta(hours=hours)

    @rule()
    def pay_out_automatically(self):
        self.desk.post("test_helpers/twin/advance_payouts")

    @rule(amount=st.integers(1, 100_000))
    def pay_out_by_hand(self, amount):
        available = self.desk.get("balance")["available"][0]["amount"]
        status, answer = self.desk.ask("POST", "payouts", {"amount": amount, "currency": "usd"})
        assert status == (200 if amount <= available else 400), answer

    @invariant()
    def the_ledger_adds_up_to_the_balance(self):
        """Sum of nets = available + pending; and without payouts = balance + everything paid out."""
        moves, balance = self.desk.all("balance_transactions"), self.desk.get("balance")
        assert all(move["net"] == move["amount"] - move["fee"] for move in moves)
        total = balance["available"][0]["amount"] + balance["pending"][0]["amount"]
        assert sum(move["net"] for move in moves) == total
        earned = sum(move["net"] for move in moves if move["type"] != "payout")
        assert earned == total + sum(payout["amount"] for payout in self.desk.all("payouts"))
        assert balance["pending"][0]["amount"] == sum(m["net"] for m in moves if m["status"] == "pending")

    @invariant()
    def no_charge_gives_back_more_than_it_took(self):
        """Refunds of a charge add up to what it says, and never exceed it."""
        given_back = defaultdict(int)
        for refund in self.desk.all("refunds"):
            given_back[refund["charge"]] += refund["amount"]
        for charge in self.desk.all("charges"):
            assert charge["amount_refunded"] == given_back[charge["id"]] <= charge["amount_captured"]
            assert charge["refunded"] == (0 < charge["amount"] == charge["amount_refunded"])

    @invariant()
    def every_movement_has_its_cause(self):
        """Each charge that succeeded, refund, dispute and payout has exactly the movements it must have."""
        by_source = defaultdict(list)
        for move in self.desk.all("balance_transactions"):
            by_source[move["source"]].append(move)
        for charge in self.desk.all("charges"):
            moves = by_source.pop(charge["id"], [])
            assert [m["id"] for m in moves] == ([charge["balance_transaction"]] if charge["paid"] else [])
            assert sum(m["amount"] for m in moves) == charge["amount_captured"]
        for refund in self.desk.all("refunds"):
            assert [m["amount"] for m in by_source.pop(refund["id"])] == [-refund["amount"]]
        for payout in self.desk.all("payouts"):
            assert [m["net"] for m in by_source.pop(payout["id"])] == [-payout["amount"]]
        for dispute in self.desk.all("disputes"):
            moves = by_source.pop(dispute["id"])
            assert (
                len(moves) == len(dispute["balance_transactions"]) == (2 if dispute["status"] == "won" else 1)
            )
            assert sum(m["amount"] for m in moves) == (
                0 if dispute["status"] == "won" else -dispute["amount"]
            )
        assert not by_source

    @invariant()
    def an_automatic_payout_is_the_sum_of_what_it_took_along(self):
        """Reconciliation by payout works: its movements, itself included, cancel out."""
        for payout in self.desk.all("payouts"):
            if payout["automatic"]:
                moves = self.desk.all("balance_transactions", payout=payout["id"])
                assert sum(m["net"] for m in moves) == 0
                assert sum(m["net"] for m in moves if m["source"] != payout["id"]) == payout["amount"] > 0


Money.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
test_money = Money.TestCase
