"""``expand`` replaces ids by objects, several levels deep, and refuses what cannot be expanded."""

import pytest


def test_one_field_inside_another(desk):
    """Intent, charge, movement: three levels in one answer, also in a list."""
    intent = desk.pay(5000)
    path = "latest_charge.balance_transaction"
    shown = desk.get(f"payment_intents/{intent['id']}", expand=[path])
    assert shown["latest_charge"]["balance_transaction"]["fee"] == 175
    listed = desk.get("payment_intents", expand=[f"data.{path}", "data.customer"])["data"][0]
    assert listed["latest_charge"]["balance_transaction"]["fee"] == 175
    assert listed["customer"] is None


def test_an_expanded_answer_does_not_change_the_object(desk):
    """The next plain answer holds ids again."""
    intent = desk.pay(5000)
    desk.get(f"payment_intents/{intent['id']}", expand=["latest_charge"])
    assert desk.get(f"payment_intents/{intent['id']}")["latest_charge"] == intent["latest_charge"]


def test_the_source_of_a_movement_may_be_of_any_type(desk):
    """A charge, a refund, a dispute and a payout all come back whole."""
    charge_id = desk.pay(50_000)["latest_charge"]
    desk.pay(5000, "pm_card_createDispute")
    desk.post("refunds", charge=charge_id, amount=100)
    desk.clock.forward(days=2)
    desk.post("test_helpers/twin/advance_payouts")
    sources = {move["source"]["object"] for move in desk.all("balance_transactions", expand=["data.source"])}
    assert sources == {"charge", "refund", "dispute", "payout"}


@pytest.mark.parametrize(
    ("path", "expand"),
    [
        ("charges", "balance_transaction"),
        ("charges", "data.amount"),
        ("charges", "data.payment_intent.amount"),
        ("charges", "data.payment_intent.latest_charge.balance_transaction.source"),
    ],
)
def test_what_cannot_be_expanded_is_an_error(desk, path, expand):
    """Without ``data.`` in a list, a plain field, or too many levels: 400."""
    desk.pay(5000)
    status, answer = desk.ask("GET", path, {"expand": [expand]})
    assert (status, answer["error"]["param"]) == (400, "expand")
