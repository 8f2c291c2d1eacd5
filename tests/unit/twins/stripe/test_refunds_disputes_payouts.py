"""Money that goes back, money in dispute, money that leaves for the bank."""

import pytest


def test_a_partial_refund_and_then_the_rest(desk):
    """``refunded`` turns true only when nothing is left; the fee is not given back."""
    charge_id = desk.pay(5000)["latest_charge"]
    first = desk.post("refunds", charge=charge_id, amount=2000, reason="requested_by_customer")
    charge = desk.get(f"charges/{charge_id}")
    assert (charge["amount_refunded"], charge["refunded"]) == (2000, False)
    move = desk.get(f"balance_transactions/{first['balance_transaction']}")
    assert (move["amount"], move["fee"], move["type"], move["source"]) == (-2000, 0, "refund", first["id"])
    rest = desk.post("refunds", charge=charge_id)
    assert rest["amount"] == 3000
    assert desk.get(f"charges/{charge_id}")["refunded"] is True
    events = [event["type"] for event in desk.all("events")]
    assert events.count("charge.refunded") == events.count("refund.created") == 2


@pytest.mark.parametrize(
    ("amount", "code"), [(5001, None), (0, "parameter_invalid_integer"), (-1, "parameter_invalid_integer")]
)
def test_a_refund_stays_within_the_charge(desk, amount, code):
    """Too much, nothing and less than nothing are refused."""
    charge_id = desk.pay(5000)["latest_charge"]
    _, error = desk.refused("refunds", charge=charge_id, amount=amount)
    assert (error.get("code"), error["param"]) == (code, "amount")
    assert desk.get(f"charges/{charge_id}")["amount_refunded"] == 0


def test_a_charge_is_refunded_once(desk):
    """The second full refund is Stripe's ``charge_already_refunded``."""
    intent = desk.pay(5000)
    desk.post("refunds", payment_intent=intent["id"])
    assert desk.refused("refunds", payment_intent=intent["id"])[1]["code"] == "charge_already_refunded"


def test_only_a_payment_can_be_refunded(desk):
    """Neither an unpaid intent, nor a failed charge, nor a disputed one."""
    unpaid = desk.post("payment_intents", amount=500, currency="usd")
    assert desk.refused("refunds", payment_intent=unpaid["id"])[1]["param"] == "payment_intent"
    failed = desk.refused(
        "payment_intents", amount=500, currency="usd", payment_method="pm_card_chargeDeclined", confirm="true"
    )[1]["charge"]
    assert desk.refused("refunds", charge=failed)[1]["code"] == "charge_not_refundable"
    disputed = desk.pay(500, "pm_card_createDispute")["latest_charge"]
    assert desk.refused("refunds", charge=disputed)[1]["code"] == "charge_disputed"
    assert desk.refused("refunds")[1]["code"] == "parameter_missing"


@pytest.mark.parametrize(("outcome", "net"), [("won", -1500), ("lost", -6500)])
def test_a_dispute_ends_won_or_lost(desk, outcome, net):
    """The fee is gone either way; the money comes back only when won."""
    desk.pay(5000, "pm_card_createDispute")
    dispute = desk.all("disputes")[0]
    closed = desk.post("test_helpers/twin/close_dispute", dispute=dispute["id"], outcome=outcome)
    assert closed["status"] == outcome
    assert sum(move["net"] for move in closed["balance_transactions"]) == net
    assert desk.all("events")[0]["type"] == "charge.dispute.closed"
    again = desk.refused("test_helpers/twin/close_dispute", dispute=dispute["id"], outcome="won")[1]
    assert again["code"] == "dispute_already_closed"


def test_a_won_charge_can_be_refunded(desk):
    """After the bank decided for the studio, it may still give the money back."""
    charge_id = desk.pay(5000, "pm_card_createDispute")["latest_charge"]
    dispute = desk.all("disputes")[0]
    desk.post("test_helpers/twin/close_dispute", dispute=dispute["id"], outcome="won")
    assert desk.post("refunds", charge=charge_id)["status"] == "succeeded"


def test_giving_a_dispute_up_loses_it(desk):
    """``disputes.close`` of the SDK."""
    desk.pay(5000, "pm_card_createDispute")
    dispute = desk.all("disputes")[0]
    assert desk.post(f"disputes/{dispute['id']}/close")["status"] == "lost"


def test_a_later_dispute_takes_what_is_left_of_the_charge(desk):
    """A payer may dispute weeks later; what was refunded is not taken twice."""
    charge_id = desk.pay(5000)["latest_charge"]
    desk.post("refunds", charge=charge_id, amount=1000)
    dispute = desk.post("test_helpers/twin/create_dispute", charge=charge_id, reason="product_not_received")
    assert (dispute["amount"], dispute["reason"]) == (4000, "product_not_received")
    assert desk.refused("test_helpers/twin/create_dispute", charge=charge_id)[0] == 400


def test_automatic_payouts_wait_for_the_money_and_arrive_the_next_day(desk):
    """Nothing leaves before it is available; the payout is paid on its arrival date."""
    desk.pay(10_000)
    desk.clock.forward(days=1)
    assert desk.post("test_helpers/twin/advance_payouts")["data"] == []
    desk.clock.forward(days=1)
    sent = desk.post("test_helpers/twin/advance_payouts")["data"]
    assert [(p["amount"], p["status"], p["automatic"]) for p in sent] == [(9680, "pending", True)]
    assert sent[0]["arrival_date"] % 86_400 == 0
    assert desk.get("balance")["available"][0]["amount"] == 0
    assert desk.post("test_helpers/twin/advance_payouts")["data"] == []
    desk.clock.forward(days=1)
    arrived = desk.post("test_helpers/twin/advance_payouts")["data"]
    assert [(p["id"], p["status"]) for p in arrived] == [(sent[0]["id"], "paid")]
    assert [e["type"] for e in desk.all("events")][:2] == ["payout.paid", "payout.created"]
    taken = desk.all("balance_transactions", payout=sent[0]["id"])
    assert sorted(move["net"] for move in taken) == [-9680, 9680]


def test_a_negative_balance_is_made_up_before_anything_is_paid_out(desk):
    """A refund after the payout is taken from the next payments."""
    charge_id = desk.pay(10_000)["latest_charge"]
    desk.clock.forward(days=2)
    desk.post("test_helpers/twin/advance_payouts")
    desk.post("refunds", charge=charge_id)
    assert desk.get("balance")["available"][0]["amount"] == -10_000
    assert desk.post("test_helpers/twin/advance_payouts")["data"] == []
    desk.pay(20_000)
    desk.clock.forward(days=2)
    changed = desk.post("test_helpers/twin/advance_payouts")["data"]
    assert [p["amount"] for p in changed if p["status"] == "pending"] == [20_000 - 610 - 10_000]


def test_a_payout_by_hand_stays_within_what_is_available(desk):
    """``balance_insufficient`` beyond it; its movements cannot be listed by payout."""
    desk.pay(10_000)
    desk.clock.forward(days=2)
    assert desk.refused("payouts", amount=9681, currency="usd")[1]["code"] == "balance_insufficient"
    payout = desk.post("payouts", amount=9680, currency="usd")
    assert desk.get("balance")["available"][0]["amount"] == 0
    status, answer = desk.ask("GET", "balance_transactions", {"payout": payout["id"]})
    assert (status, answer["error"]["param"]) == (400, "payout")


def test_events_show_the_object_as_it_was(desk):
    """An event is a record: later changes of the object do not reach it."""
    charge_id = desk.pay(5000)["latest_charge"]
    desk.post("refunds", charge=charge_id)
    events = {event["type"]: event for event in desk.all("events")}
    assert events["charge.succeeded"]["data"]["object"]["refunded"] is False
    refunded = events["charge.refunded"]["data"]
    assert refunded["object"]["refunded"] is True
    assert refunded["previous_attributes"] == {"amount_refunded": 0, "refunded": False}


def test_a_bank_may_take_back_what_was_refunded(desk):
    """With an amount, a dispute may be about the whole charge; the money is given back twice."""
    charge_id = desk.pay(5000)["latest_charge"]
    desk.post("refunds", charge=charge_id)
    assert desk.refused("test_helpers/twin/create_dispute", charge=charge_id, amount=5001)[0] == 400
    dispute = desk.post("test_helpers/twin/create_dispute", charge=charge_id, amount=5000)
    assert dispute["amount"] == 5000
    assert desk.get("balance")["pending"][0]["amount"] == 5000 - 175 - 5000 - 5000 - 1500


def test_a_card_from_abroad_costs_more(desk):
    """1.5 % more than others, as the ledger says."""
    desk.pay(10_000, "pm_card_gb")
    assert [move["fee"] for move in desk.all("balance_transactions")] == [440 + 30]
    assert desk.all("charges")[0]["payment_method_details"]["card"]["country"] == "GB"


def test_a_refused_payout_returns_to_the_balance_and_none_follows(desk):
    """On its arrival date it fails; while payouts are paused the money waits, then it is sent again."""
    desk.pay(10_000)
    desk.clock.forward(days=2)
    (sent,) = desk.post("test_helpers/twin/advance_payouts")["data"]
    desk.clock.forward(days=1)
    changed = desk.post("test_helpers/twin/advance_payouts", fail=sent["id"], is_paused="true")["data"]
    assert [(p["id"], p["status"], p["failure_code"]) for p in changed] == [
        (sent["id"], "failed", "account_closed")
    ]
    assert desk.get("balance")["available"][0]["amount"] == 9680
    move = desk.get(f"balance_transactions/{changed[0]['failure_balance_transaction']}")
    assert (move["type"], move["reporting_category"], move["net"]) == (
        "payout_failure",
        "payout_reversal",
        9680,
    )
    again = desk.post("test_helpers/twin/advance_payouts")["data"]
    assert [(p["amount"], p["status"]) for p in again] == [(9680, "pending")]
    assert "payout.failed" in {event["type"] for event in desk.all("events")}


def test_held_money_stays_in_the_balance(desk):
    """A payout leaves one charge out on request; the next takes it along."""
    held = desk.pay(10_000)["latest_charge"]
    desk.pay(20_000)
    desk.clock.forward(days=2)
    (sent,) = desk.post("test_helpers/twin/advance_payouts", hold_back=held)["data"]
    assert sent["amount"] == 20_000 - 610
    assert desk.get("balance")["available"][0]["amount"] == 9680
    later = desk.post("test_helpers/twin/advance_payouts")["data"]
    assert [p["amount"] for p in later] == [9680]
