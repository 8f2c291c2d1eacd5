"""The official SDK reads the twin exactly: pages, windows, filters, expansion, errors."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from twins.stripe.kinds import KINDS
from twins.stripe.seed import SEED_START, seed_payments
from twins.stripe.server import StripeTwin

PAYMENTS = 400
LISTS = {
    "balance_transactions": lambda client: client.v1.balance_transactions,
    "charges": lambda client: client.v1.charges,
    "customers": lambda client: client.v1.customers,
    "disputes": lambda client: client.v1.disputes,
    "payment_intents": lambda client: client.v1.payment_intents,
    "payouts": lambda client: client.v1.payouts,
    "refunds": lambda client: client.v1.refunds,
}


@pytest.fixture(scope="module")
def seeded():
    """A twin with a few days of payments, and the SDK for it."""
    clock = datetime(2026, 2, 1, tzinfo=UTC)
    with StripeTwin(now=lambda: clock) as twin:
        seed_payments(twin.ledger, PAYMENTS, spacing_seconds=1800)
        yield twin, stripe.StripeClient("rk_test_reader_1", base_addresses={"api": twin.base_url})


def _ids(twin, path):
    return [entry.id for entry in reversed(twin.ledger.entries(KINDS[path]))]


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("path", sorted(LISTS))
def test_auto_paging_meets_every_object_once(seeded, path, limit):
    """Newest first, nothing missing, nothing twice, whatever the page size."""
    twin, client = seeded
    expected = _ids(twin, path)[:150]
    found = []
    for item in LISTS[path](client).list({"limit": limit}).auto_paging_iter():
        found.append(item.id)
        if len(found) == len(expected):
            break
    assert found == expected


def test_paging_backwards_meets_the_same_objects(seeded):
    """``ending_before`` with the SDK's own iterator, which then runs from old to new."""
    twin, client = seeded
    expected = _ids(twin, "charges")
    pages = client.v1.charges.list({"limit": 50, "ending_before": expected[-1]})
    assert [charge.id for charge in pages.auto_paging_iter()] == expected[:-1][::-1]


@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(0, PAYMENTS * 1800), max_size=4))
def test_windows_of_creation_time_partition_the_list(seeded, cuts):
    """Any cuts: the parts put together are the whole, each object once."""
    twin, client = seeded
    start = int(SEED_START.timestamp())
    edges = [None, *(start + cut for cut in sorted(cuts)), None]
    parts = []
    for low, high in pairwise(edges):
        created = {name: edge for name, edge in (("gte", low), ("lt", high)) if edge is not None}
        params = {"limit": 100, **({"created": created} if created else {})}
        parts.append([move.id for move in client.v1.balance_transactions.list(params).auto_paging_iter()])
    assert [move for part in reversed(parts) for move in part] == _ids(twin, "balance_transactions")


def test_filters_agree_with_the_objects(seeded):
    """By type, payout, charge, intent, customer, status, currency: what comes is what a loop would pick."""
    _, client = seeded
    moves = list(client.v1.balance_transactions.list({"limit": 100}).auto_paging_iter())
    refund_moves = client.v1.balance_transactions.list({"limit": 100, "type": "refund"}).auto_paging_iter()
    assert [m.id for m in refund_moves] == [m.id for m in moves if m.type == "refund"] != []
    payouts = list(client.v1.payouts.list({"limit": 100}).auto_paging_iter())
    for payout in payouts:
        taken = list(
            client.v1.balance_transactions.list({"limit": 100, "payout": payout.id}).auto_paging_iter()
        )
        assert sum(m.net for m in taken if m.type != "payout") == payout.amount
    assert payouts
    refund = client.v1.refunds.list({"limit": 1}).data[0]
    assert refund.id in {r.id for r in client.v1.refunds.list({"charge": refund.charge}).data}
    charge = client.v1.charges.retrieve(refund.charge)
    assert charge.id in {c.id for c in client.v1.charges.list({"payment_intent": charge.payment_intent}).data}
    of_customer = client.v1.charges.list({"limit": 100, "customer": charge.customer}).auto_paging_iter()
    assert {c.customer for c in of_customer} == {charge.customer}
    assert client.v1.balance_transactions.list({"currency": "eur"}).data == []
    assert {p.status for p in client.v1.payouts.list({"status": "paid"}).data} == {"paid"}


def test_expanded_fields_are_objects_of_the_sdk(seeded):
    """One level and nested, in lists and in single objects."""
    _, client = seeded
    charge = next(
        c
        for c in client.v1.charges.list(
            {"expand": ["data.balance_transaction", "data.payment_intent.customer"]}
        ).auto_paging_iter()
        if c.paid
    )
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert isinstance(charge.payment_intent.customer, stripe.Customer)
    refund = client.v1.refunds.list({"limit": 1, "expand": ["data.charge.balance_transaction"]}).data[0]
    assert refund.charge.balance_transaction.source == refund.charge.id


@pytest.mark.parametrize(
    ("call", "error", "status", "code"),
    [
        (lambda c: c.v1.charges.retrieve("ch_none"), stripe.InvalidRequestError, 404, "resource_missing"),
        (
            lambda c: c.v1.charges.list({"limit": 101}),
            stripe.InvalidRequestError,
            400,
            "parameter_invalid_integer",
        ),
        (
            lambda c: c.v1.charges.list({"starting_after": "x"}),
            stripe.InvalidRequestError,
            400,
            "resource_missing",
        ),
        (lambda c: c.v1.charges.list({"x": 1}), stripe.InvalidRequestError, 400, "parameter_unknown"),
        (lambda c: c.v1.invoices.list(), stripe.InvalidRequestError, 404, None),
        (lambda c: c.v1.customers.create({}), stripe.PermissionError, 403, None),
        (lambda c: c.v1.refunds.create({"charge": "ch_1"}), stripe.PermissionError, 403, None),
    ],
)
def test_errors_are_the_sdks_own(seeded, call, error, status, code):
    """Class, status, code and a request id, as code written for Stripe expects them."""
    _, client = seeded
    with pytest.raises(error) as raised:
        call(client)
    assert (raised.value.http_status, raised.value.code) == (status, code)
    assert raised.value.request_id.startswith("req_")


def test_keys_are_judged(twin, client_for):
    """An unknown key is 401, one without permissions 403; neither is repeated in the message."""
    with pytest.raises(stripe.AuthenticationError) as unknown:
        client_for("sk_test_somebody_else").v1.charges.list()
    assert "somebody" not in str(unknown.value)
    with pytest.raises(stripe.PermissionError, match="rak_charge_read"):
        client_for("rk_test_noaccess_1").v1.charges.list()


def test_answers_carry_the_request_id_and_version(reader):
    """What support asks for is there."""
    response = reader.v1.charges.list().last_response
    assert response.request_id.startswith("req_")
    assert response.headers["Stripe-Version"] == stripe.api_version


def test_money_turns_available_with_the_clock(world, world_clock):
    """Pending for two days of simulated time."""
    world.v1.payment_intents.create(
        {"amount": 5000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )
    assert world.v1.balance_transactions.list().data[0].status == "pending"
    world_clock.forward(days=2)
    move = world.v1.balance_transactions.list().data[0]
    assert (move.status, move.available_on) == ("available", int(world_clock().timestamp()))


def test_the_list_of_events_ends_after_thirty_days(world, world_clock):
    """Like Stripe's: whoever needs older changes must have read them in time."""
    world.v1.customers.create({})
    event = world.v1.events.list().data[0]
    world_clock.instant += timedelta(days=30, seconds=1)
    assert world.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        world.v1.events.retrieve(event.id)
