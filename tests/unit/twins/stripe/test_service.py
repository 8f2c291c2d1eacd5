"""Keys, idempotency and routing behave as Stripe's."""

import pytest


@pytest.mark.parametrize("key", ["rk_test_twin_reader_0001", "rk_test_anything"])
def test_a_restricted_key_reads_and_does_not_write(desk, key):
    """A write with a restricted key is 403, names the missing permission, and changes nothing."""
    assert desk.ask("GET", "charges", key=key)[0] == 200
    status, answer = desk.ask("POST", "customers", {"email": "a@example.com"}, key=key)
    assert status == 403
    assert "rak_customer_write" in answer["error"]["message"]
    assert desk.service.stats.refused_writes == 1
    assert desk.all("customers") == []


def test_a_key_without_permissions_reads_nothing(desk):
    """403 on reads, naming the permission that would help."""
    status, answer = desk.ask("GET", "balance_transactions", key="rk_test_noaccess_1")
    assert status == 403
    assert "rak_balance_read" in answer["error"]["message"]


@pytest.mark.parametrize("key", ["sk_test_other", "sk_live_x", "rk_live_x", "rk_test_", "pk_test_x", ""])
def test_an_unknown_key_is_not_authenticated_and_not_repeated(desk, key):
    """401, and no part of the key in the answer."""
    status, answer = desk.ask("GET", "charges", key=key)
    assert status == 401
    assert not key or key not in str(answer)


def test_a_repeated_write_with_one_idempotency_key_acts_once(desk):
    """Same key, same parameters: the first answer again. Other parameters: refused."""
    params = {"amount": 700, "currency": "usd"}
    first = desk.ask("POST", "payment_intents", params, idempotency_key="k1")
    assert desk.ask("POST", "payment_intents", params, idempotency_key="k1") == first
    assert len(desk.all("payment_intents")) == 1
    status, answer = desk.ask("POST", "payment_intents", {**params, "amount": 800}, idempotency_key="k1")
    assert (status, answer["error"]["type"]) == (400, "idempotency_error")
    desk.clock.forward(days=1, seconds=1)
    assert desk.ask("POST", "payment_intents", params, idempotency_key="k1")[1]["id"] != first[1]["id"]


def test_a_declined_card_is_remembered_but_a_wrong_parameter_is_not(desk):
    """Stripe keeps the outcome of an act that began; a request that was never right may be corrected."""
    declined = {
        "amount": 700,
        "currency": "usd",
        "payment_method": "pm_card_chargeDeclined",
        "confirm": "true",
    }
    first = desk.ask("POST", "payment_intents", declined, idempotency_key="k1")
    assert first[0] == 402
    assert desk.ask("POST", "payment_intents", declined, idempotency_key="k1") == first
    assert len(desk.all("charges")) == 1
    assert (
        desk.ask("POST", "payment_intents", {"amount": 1, "currency": "usd"}, idempotency_key="k2")[0] == 400
    )
    assert (
        desk.ask("POST", "payment_intents", {"amount": 700, "currency": "usd"}, idempotency_key="k2")[0]
        == 200
    )


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "charges/ch_none", "resource_missing"),
        ("GET", "refunds/ch_none", "resource_missing"),
        ("GET", "invoices", None),
        ("GET", "charges/ch_none/refunds", "resource_missing"),
        ("POST", "charges", None),
        ("DELETE", "customers/cus_1", None),
        ("GET", "", None),
        ("POST", "test_helpers/twin/nothing", None),
    ],
)
def test_what_does_not_exist_is_404(desk, method, path, code):
    """Unknown paths and ids are Stripe's 404, never an empty success."""
    status, answer = desk.ask(method, path)
    assert (status, answer["error"].get("code")) == (404, code)


def test_an_object_of_another_type_is_not_found_by_its_id(desk):
    """A payment intent's id names no charge."""
    intent = desk.pay()
    assert desk.ask("GET", f"charges/{intent['id']}")[0] == 404
    assert desk.get(f"payment_intents/{intent['id']}")["id"] == intent["id"]


def test_faults_can_be_asked_for_over_the_wire(desk):
    """Another process may spoil reads, and clear what it asked for."""
    desk.post("test_helpers/twin/faults", action="status", status=503, path="charges", times=0)
    desk.post("test_helpers/twin/faults", action="latency", seconds="0.5")
    fault = desk.service.faults.take("GET", "charges")
    assert fault is not None
    assert (fault.status, fault.times) == (503, None)
    assert desk.service.faults.latency_seconds == 0.5
    desk.post("test_helpers/twin/faults", action="clear")
    assert desk.service.faults.take("GET", "charges") is None
    assert desk.refused("test_helpers/twin/faults", action="explode")[1]["param"] == "action"
    assert desk.ask("POST", "test_helpers/twin/faults", {"action": "clear"}, key="rk_test_x")[0] == 403
