"""What the pretend world needs to write, it can write through the official SDK."""

import pytest
import stripe


def _twin_act(world, name, **params):
    return world.raw_request("post", f"/v1/test_helpers/twin/{name}", **params).data


def test_a_sale_from_checkout_to_the_bank(world, world_clock):
    """Customer, session, payment, partial refund, payout: each step visible to the SDK's own types."""
    customer = world.v1.customers.create({"email": "member@example.com", "name": "A Member"})
    session = world.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "customer": customer.id,
            "client_reference_id": "order1",
            "metadata": {"orderId": "order1", "materialsOrderId": "order1", "source": "materials"},
            "automatic_tax": {"enabled": True},
            "line_items": [
                {
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": 4000,
                        "product_data": {"name": "Clay, 25 lb"},
                    },
                    "quantity": 2,
                }
            ],
            "success_url": "https://example.com/thanks",
            "cancel_url": "https://example.com/back",
        }
    )
    assert isinstance(session, stripe.checkout.Session)
    assert (session.amount_subtotal, session.amount_total, session.status) == (8000, 8688, "open")
    _twin_act(world, "complete_checkout", session=session.id)
    session = world.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge.balance_transaction", "line_items"]}
    )
    intent = session.payment_intent
    assert (session.payment_status, intent.status, intent.metadata["orderId"]) == (
        "paid",
        "succeeded",
        "order1",
    )
    assert (intent.latest_charge.balance_transaction.net, session.line_items.data[0].quantity) == (
        8688 - 282,
        2,
    )
    refund = world.v1.refunds.create(
        {"payment_intent": intent.id, "amount": 1000, "reason": "requested_by_customer"}
    )
    assert (refund.status, refund.charge) == ("succeeded", intent.latest_charge.id)
    world_clock.forward(days=2)
    payout = _twin_act(world, "advance_payouts")["data"][0]
    assert payout["amount"] == 8688 - 282 - 1000
    listed = world.v1.balance_transactions.list({"payout": payout["id"]})
    assert sum(move.net for move in listed.auto_paging_iter()) == 0
    world_clock.forward(days=1)
    _twin_act(world, "advance_payouts")
    assert world.v1.payouts.retrieve(payout["id"]).status == "paid"
    types = [event.type for event in world.v1.events.list({"limit": 100}).auto_paging_iter()]
    assert types[::-1] == [
        "customer.created",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
        "refund.created",
        "charge.refunded",
        "payout.created",
        "payout.paid",
    ]


def test_a_declined_card_raises_the_sdks_card_error(world):
    """With the decline code and the intent to try again."""
    with pytest.raises(stripe.CardError) as refusal:
        world.v1.payment_intents.create(
            {"amount": 5000, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": True}
        )
    assert (refusal.value.code, refusal.value.error.decline_code) == ("card_declined", "generic_decline")
    intent_id = refusal.value.error.payment_intent.id
    assert (
        world.v1.payment_intents.confirm(intent_id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    )


def test_a_disputed_payment_and_its_end(world):
    """The dispute is listed, its event is emitted, and it can be won."""
    intent = world.v1.payment_intents.create(
        {"amount": 5000, "currency": "usd", "payment_method": "pm_card_createDispute", "confirm": True}
    )
    dispute = world.v1.disputes.list({"payment_intent": intent.id}).data[0]
    assert (dispute.status, dispute.balance_transactions[0].net) == ("needs_response", -6500)
    _twin_act(world, "close_dispute", dispute=dispute.id, outcome="won")
    assert world.v1.disputes.retrieve(dispute.id).status == "won"
    assert [e.type for e in world.v1.events.list({"types": ["charge.dispute.closed"]}).data] == [
        "charge.dispute.closed"
    ]


def test_intents_are_cancelled_and_payouts_made_by_hand(world, world_clock):
    """The remaining writes of the SDK."""
    intent = world.v1.payment_intents.create({"amount": 5000, "currency": "usd"})
    assert world.v1.payment_intents.cancel(intent.id).canceled_at == int(world_clock().timestamp())
    world.v1.payment_intents.create(
        {"amount": 5000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )
    world_clock.forward(days=2)
    payout = world.v1.payouts.create({"amount": 4825, "currency": "usd"})
    assert payout.automatic is False
    assert world.v1.balance.retrieve().available[0].amount == 0


def test_the_sdks_own_retry_does_not_write_twice(world, twin):
    """The SDK repeats a write with its idempotency key after a broken connection; it acts once."""
    careful = stripe.StripeClient(
        "sk_test_twin_world_0001", base_addresses={"api": twin.base_url}, max_network_retries=2
    )
    twin.faults.fail(503, method="POST", path="customers")
    careful.v1.customers.create({"email": "a@example.com"})
    key = {"idempotency_key": "once"}
    first = world.v1.customers.create({"email": "b@example.com"}, key)
    again = world.v1.customers.create({"email": "b@example.com"}, key)
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert len(world.v1.customers.list().data) == 2


def test_times_are_those_of_the_simulated_clock(world, world_clock):
    """An object made in the simulated past says so."""
    assert world.v1.customers.create({}).created == int(world_clock().timestamp())
