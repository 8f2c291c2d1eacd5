"""Nothing but a restricted key opens the door, and nothing but a read goes through it."""

import asyncio

import pytest
import stripe
from hypothesis import example, given
from hypothesis import strategies as st

from resources.settings_rules import RESTRICTED_KEY
from resources.stripe.guard import KeyRefusedError, WriteRefusedError, check_key, read_only_client

NOWHERE = "http://127.0.0.1:9"  # nothing answers there: what is not refused first fails otherwise
TEST_KEY = "rk_test_abcdefgh12345678"


@pytest.mark.parametrize(("key", "is_live"), [(TEST_KEY, False), ("rk_live_abcdefgh12345678", True)])
def test_a_restricted_key_says_its_mode(key, is_live):
    """The prefix tells live from test."""
    assert check_key(key) is is_live


@given(
    st.sampled_from(
        ["", "sk_live_", "sk_test_", "sk_org_", "sk_", "pk_live_", "rk_", "rk_live", "whsec_", "ek_"]
    ),
    st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=40),
)
@example("rk_test_", "\n")
@example(" rk_test_", "")
@example("rk_prod_", "")
@example("rk_test_", "!")
def test_every_other_key_is_refused_without_repeating_it(prefix, rest):
    """The message says what to do; no part of the secret is in it."""
    with pytest.raises(KeyRefusedError) as refusal:
        check_key(f"{prefix}CANARY00{rest}")
    assert "dashboard.stripe.com" in str(refusal.value)
    assert "CANARY" not in f"{refusal.value!r} {refusal.value}"


@pytest.mark.parametrize("key", ["", "rk_test_short", "rk_test_"])
def test_a_key_too_short_is_refused(key):
    """A cut-off copy is not a key."""
    with pytest.raises(KeyRefusedError):
        check_key(key)


@pytest.mark.parametrize(
    "key", ["sk_live_abcdefgh12345678", "sk_test_abcdefgh12345678", "sk_org_live_abc12345678"]
)
def test_a_full_access_key_gets_its_own_sentence(key):
    """Whoever pasted it learns that it could have moved money."""
    with pytest.raises(KeyRefusedError, match=r"full access .* could move money"):
        check_key(key)


def test_settings_and_the_door_mean_the_same_keys():
    """One pattern: what settings accept, the door accepts."""
    assert RESTRICTED_KEY.fullmatch(TEST_KEY)
    with pytest.raises(KeyRefusedError):
        read_only_client("sk_test_abcdefgh12345678", api_base=NOWHERE)


WRITES = {
    "create": lambda c: c.v1.customers.create({"email": "a@example.com"}),
    "update": lambda c: c.v1.customers.update("cus_1", {"name": "x"}),
    "delete": lambda c: c.v1.customers.delete("cus_1"),
    "refund": lambda c: c.v1.refunds.create({"charge": "ch_1"}),
    "payout": lambda c: c.v1.payouts.create({"amount": 1, "currency": "usd"}),
    "raw post": lambda c: c.raw_request("post", "/v1/refunds", charge="ch_1"),
    "raw delete": lambda c: c.raw_request("delete", "/v1/customers/cus_1"),
    "v2": lambda c: c.v2.core.event_destinations.create(
        {"name": "x", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": []}
    ),
    "upload": lambda c: c.v1.files.create({"purpose": "dispute_evidence", "file": b"x"}),
    "stream": lambda c: c.v1.quotes.pdf("qt_1"),
}


@pytest.mark.parametrize("name", sorted(WRITES))
def test_no_write_leaves_the_process(name):
    """Every way the SDK has to write is refused before a connection is even tried."""
    client = read_only_client(TEST_KEY, api_base=NOWHERE)
    with pytest.raises(WriteRefusedError):
        WRITES[name](client)


@pytest.mark.parametrize("call", ["create_async", "list_async"])
def test_the_asynchronous_way_is_closed(call):
    """It has no guard, so it does not exist here; not even for reads."""
    client = read_only_client(TEST_KEY, api_base=NOWHERE)
    with pytest.raises(WriteRefusedError, match="asynchronous"):
        asyncio.run(getattr(client.v1.customers, call)())


@pytest.mark.parametrize(
    "url",
    [
        "https://api.stripe.com/v1/charges",
        "http://127.0.0.1:10/v1/charges",
        "https://127.0.0.1:9/v1/charges",
        "http://127.0.0.1:9@evil.example/v1/charges",
        "http://127.0.0.1.evil.example:9/v1/charges",
    ],
)
def test_another_host_is_refused(url):
    """Host, port and scheme must all be the configured ones."""
    transport = read_only_client(TEST_KEY, api_base=NOWHERE)._requestor._get_http_client()
    with pytest.raises(WriteRefusedError, match="host"):
        transport.request("get", url, {})


def test_a_get_with_a_body_is_refused():
    """A read carries nothing."""
    transport = read_only_client(TEST_KEY, api_base=NOWHERE)._requestor._get_http_client()
    with pytest.raises(WriteRefusedError):
        transport.request("get", f"{NOWHERE}/v1/charges", {}, "amount=1")


def test_no_answer_is_the_sdks_connection_error():
    """The reader knows it and tries again."""
    with pytest.raises(stripe.APIConnectionError) as failure:
        read_only_client(TEST_KEY, api_base=NOWHERE).raw_request("get", "/v1/charges")
    assert failure.value.should_retry


def test_the_sdks_telemetry_is_off(monkeypatch, tmp_path):
    """No id is written under the home directory, and none is sent."""
    monkeypatch.setattr(stripe, "enable_telemetry", True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(stripe.APIConnectionError):
        read_only_client(TEST_KEY, api_base=NOWHERE).raw_request("get", "/v1/charges")
    assert not list(tmp_path.iterdir())
