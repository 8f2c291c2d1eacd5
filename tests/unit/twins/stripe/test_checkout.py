"""Checkout sessions: opened by the portal, finished or abandoned by a customer."""

import pytest

LINE = {
    "price_data": {"currency": "usd", "unit_amount": 4050, "product_data": {"name": "Day pass"}},
    "quantity": 2,
}


def _session(desk, **params):
    return desk.post("checkout/sessions", **{"mode": "payment", "line_items": [LINE], **params})


def _complete(desk, session, **params):
    return desk.post("test_helpers/twin/complete_checkout", session=session["id"], **params)


def test_a_completed_session_links_everything(desk):
    """Metadata and reference reach the payment intent and the charge; the total includes tax."""
    session = _session(
        desk,
        metadata={"orderId": "o1", "source": "materials"},
        client_reference_id="o1",
        automatic_tax={"enabled": "true"},
    )
    assert (session["amount_subtotal"], session["total_details"]["amount_tax"]) == (8100, 697)
    assert (session["status"], session["payment_status"], session["payment_intent"]) == (
        "open",
        "unpaid",
        None,
    )
    done = _complete(desk, session)
    assert (done["status"], done["payment_status"], done["client_reference_id"]) == ("complete", "paid", "o1")
    intent = desk.get(f"payment_intents/{done['payment_intent']}", expand=["latest_charge"])
    assert intent["amount"] == intent["latest_charge"]["amount"] == session["amount_total"] == 8797
    assert (
        intent["metadata"] == intent["latest_charge"]["metadata"] == {"orderId": "o1", "source": "materials"}
    )
    assert [event["type"] for event in reversed(desk.all("events"))] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_metadata_for_the_intent_wins_over_the_sessions(desk):
    """``payment_intent_data[metadata]`` is what Stripe itself would copy."""
    session = _session(desk, metadata={"a": "1"}, payment_intent_data={"metadata": {"b": "2"}})
    intent = desk.get(f"payment_intents/{_complete(desk, session)['payment_intent']}")
    assert intent["metadata"] == {"b": "2"}


def test_a_declined_card_leaves_the_session_open_for_another_try(desk):
    """Both tries belong to one payment intent."""
    session = _session(desk)
    status, _ = desk.refused(
        "test_helpers/twin/complete_checkout", session=session["id"], payment_method="pm_card_chargeDeclined"
    )
    assert status == 402
    assert desk.get(f"checkout/sessions/{session['id']}")["status"] == "open"
    _complete(desk, session)
    assert len(desk.all("payment_intents")) == 1
    assert [charge["status"] for charge in desk.all("charges")] == ["succeeded", "failed"]


def test_an_abandoned_session_expires_after_a_day(desk):
    """The customer cannot come back later; the twin's sweep says so with an event."""
    session = _session(desk)
    desk.clock.forward(hours=24)
    assert desk.refused("test_helpers/twin/complete_checkout", session=session["id"])[0] == 400
    swept = desk.post("test_helpers/twin/expire_checkouts")
    assert [(s["id"], s["status"], s["url"]) for s in swept["data"]] == [(session["id"], "expired", None)]
    assert desk.post("test_helpers/twin/expire_checkouts")["data"] == []
    assert desk.all("events")[0]["type"] == "checkout.session.expired"


def test_a_session_can_be_expired_by_hand_once(desk):
    """As the SDK's ``sessions.expire``."""
    session = _session(desk)
    assert desk.post(f"checkout/sessions/{session['id']}/expire")["status"] == "expired"
    assert desk.refused(f"checkout/sessions/{session['id']}/expire")[0] == 400


def test_a_price_id_stands_for_its_price(desk):
    """Line items may name a price made earlier."""
    price = desk.post("prices", currency="usd", unit_amount=2200, product_data={"name": "Tool kit"})
    session = _session(desk, line_items=[{"price": price["id"], "quantity": 3}])
    assert session["amount_total"] == 6600
    lines = desk.get(f"checkout/sessions/{session['id']}/line_items")["data"]
    assert [(line["description"], line["quantity"], line["amount_total"]) for line in lines] == [
        ("Tool kit", 3, 6600)
    ]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"mode": "subscription"}, "mode"),
        ({"line_items": []}, "line_items"),
        ({"line_items": [{"price": "price_none"}]}, "line_items[price]"),
        ({"line_items": [{**LINE, "quantity": 0}]}, "quantity"),
        ({"customer_email": "no address"}, "customer_email"),
        ({"customer": "cus_none"}, "customer"),
        ({"surprise": "1"}, "surprise"),
    ],
)
def test_a_wrong_session_is_refused(desk, params, param):
    """The parameter at fault is named; no session is made."""
    _, error = desk.refused("checkout/sessions", **{"mode": "payment", "line_items": [LINE], **params})
    assert error["param"] == param
    assert desk.all("checkout/sessions") == []
