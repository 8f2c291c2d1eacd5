"""Payment intents go through Stripe's states, and leave the events and the money Stripe would."""

import pytest


def _events(desk):
    return [event["type"] for event in reversed(desk.all("events"))]


def test_a_card_that_works(desk):
    """One charge, one movement available in two days, metadata copied to the charge."""
    intent = desk.pay(4000, metadata={"orderId": "o1"})
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 4000)
    charge = desk.get(f"charges/{intent['latest_charge']}", expand=["balance_transaction"])
    assert charge["metadata"] == {"orderId": "o1"}
    move = charge["balance_transaction"]
    assert (move["amount"], move["fee"], move["net"], move["status"]) == (4000, 146, 3854, "pending")
    assert move["available_on"] - move["created"] == 2 * 86_400
    assert move["source"] == charge["id"]
    assert _events(desk) == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


def test_a_card_that_is_declined_and_then_one_that_works(desk):
    """402 with the intent inside; no money; the same intent may be tried again."""
    status, error = desk.refused(
        "payment_intents", amount=900, currency="usd", payment_method="pm_card_chargeDeclined", confirm="true"
    )
    assert (status, error["type"], error["code"], error["decline_code"]) == (
        402,
        "card_error",
        "card_declined",
        "generic_decline",
    )
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert desk.all("balance_transactions") == []
    failed = desk.get(f"charges/{error['charge']}")
    assert (failed["status"], failed["paid"], failed["captured"]) == ("failed", False, False)
    intent = desk.post(
        f"payment_intents/{error['payment_intent']['id']}/confirm", payment_method="pm_card_visa"
    )
    assert (intent["status"], intent["last_payment_error"]) == ("succeeded", None)
    assert _events(desk) == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_a_payment_method_given_early_is_used_by_confirm(desk):
    """Create, then confirm without naming it again."""
    intent = desk.post("payment_intents", amount=900, currency="USD", payment_method="pm_card_visa")
    assert (intent["status"], intent["currency"]) == ("requires_confirmation", "usd")
    assert desk.post(f"payment_intents/{intent['id']}/confirm")["status"] == "succeeded"


def test_a_cancelled_intent_takes_no_money(desk):
    """Cancel sets the time; afterwards neither cancel nor confirm is possible."""
    intent = desk.post("payment_intents", amount=900, currency="usd")
    cancelled = desk.post(f"payment_intents/{intent['id']}/cancel", cancellation_reason="abandoned")
    assert (cancelled["status"], cancelled["canceled_at"]) == ("canceled", int(desk.clock().timestamp()))
    for act in ("cancel", "confirm"):
        _, error = desk.refused(f"payment_intents/{intent['id']}/{act}")
        assert error["code"] == "payment_intent_unexpected_state"
    assert _events(desk)[-1] == "payment_intent.canceled"


def test_a_paid_intent_cannot_be_paid_again(desk):
    """One payment per intent."""
    intent = desk.pay()
    _, error = desk.refused(f"payment_intents/{intent['id']}/confirm", payment_method="pm_card_visa")
    assert error["code"] == "payment_intent_unexpected_state"
    assert len(desk.all("charges")) == 1


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": 500}, "parameter_missing", "currency"),
        ({"amount": 49, "currency": "usd"}, "amount_too_small", "amount"),
        ({"amount": 100_000_000, "currency": "usd"}, "amount_too_large", "amount"),
        ({"amount": "5.00", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 500, "currency": "usd", "customer": "cus_none"}, "resource_missing", "customer"),
        (
            {"amount": 500, "currency": "usd", "payment_method": "pm_none"},
            "resource_missing",
            "payment_method",
        ),
        (
            {"amount": 500, "currency": "usd", "capture_method": "manual"},
            "parameter_unknown",
            "capture_method",
        ),
        ({"amount": 500, "currency": "usd", "confirm": "true"}, "parameter_missing", "payment_method"),
    ],
)
def test_what_stripe_refuses_is_refused(desk, params, code, param):
    """The code and the parameter are Stripe's; nothing is charged."""
    _, error = desk.refused("payment_intents", **params)
    assert (error.get("code"), error.get("param")) == (code, param)
    assert desk.all("charges") == []


def test_a_disputed_card_pays_first(desk):
    """``pm_card_createDispute`` succeeds and is disputed at once."""
    intent = desk.pay(5000, "pm_card_createDispute")
    charge = desk.get(f"charges/{intent['latest_charge']}")
    assert (intent["status"], charge["disputed"], charge["paid"]) == ("succeeded", True, True)
    dispute = desk.all("disputes")[0]
    assert (dispute["status"], dispute["payment_intent"], dispute["metadata"]) == (
        "needs_response",
        intent["id"],
        {},
    )
    assert _events(desk)[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
