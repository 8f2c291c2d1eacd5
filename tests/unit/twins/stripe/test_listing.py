"""Lists page exactly: a naive filter over everything is the reference."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twins.stripe.account import Account
from twins.stripe.errors import ApiError
from twins.stripe.kinds import CHARGES, EVENTS, PAYOUTS
from twins.stripe.ledger import Ledger
from twins.stripe.listing import list_page
from twins.stripe.params import Params

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _account(times, customers):
    account = Account(Ledger(), lambda: NOW)
    for time, customer in zip(times, customers, strict=False):
        account.ledger.add(CHARGES, time, {"customer": customer})
    return account


def _page(account, kind=CHARGES, **params):
    return orjson.loads(list_page(account, kind, Params(params)))


def _walk(account, limit, step, **params):
    """Follow cursors to the end; ``step`` is the name of the cursor."""
    found, cursor = [], {}
    while True:
        page = _page(account, limit=str(limit), **params, **cursor)
        assert len(page["data"]) <= limit
        found = found + page["data"] if step == "starting_after" else page["data"] + found
        if not page["has_more"]:
            return found
        assert page["data"], "a page that announces more is never empty"
        cursor = {step: page["data"][-1 if step == "starting_after" else 0]["id"]}


@settings(max_examples=150)
@given(
    times=st.lists(st.integers(1000, 1020), max_size=30),
    customers=st.lists(st.sampled_from(["cus_1", "cus_2"]), min_size=30, max_size=30),
    bounds=st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), st.integers(999, 1021)),
    limit=st.integers(1, 7),
    customer=st.sampled_from([None, "cus_1", "cus_3"]),
)
def test_following_the_cursor_gives_the_filtered_list_once(times, customers, bounds, limit, customer):
    """Any page size, any time range, any filter: every match once, newest first."""
    account = _account(times, customers)
    params = {"created": {name: str(bound) for name, bound in bounds.items()}} if bounds else {}
    if customer:
        params["customer"] = customer
    tests = {
        "gt": lambda t, b: t > b,
        "gte": lambda t, b: t >= b,
        "lt": lambda t, b: t < b,
        "lte": lambda t, b: t <= b,
    }
    expected = [
        entry.id
        for entry in reversed(account.ledger.entries(CHARGES))
        if all(tests[name](entry["created"], bound) for name, bound in bounds.items())
        and customer in (None, entry["customer"])
    ]
    assert [charge["id"] for charge in _walk(account, limit, "starting_after", **params)] == expected


@given(times=st.lists(st.integers(1000, 1020), min_size=1, max_size=30), limit=st.integers(1, 7))
def test_walking_back_gives_the_same_list(times, limit):
    """``ending_before`` from the oldest object upwards meets every other object, in list order."""
    account = _account(times, ["cus_1"] * len(times))
    ids = [entry.id for entry in reversed(account.ledger.entries(CHARGES))]
    found, cursor = [], ids[-1]
    while True:
        page = _page(account, limit=str(limit), ending_before=cursor)
        found = [charge["id"] for charge in page["data"]] + found
        if not page["has_more"]:
            break
        cursor = page["data"][0]["id"]
    assert found == ids[:-1]


def test_an_exact_creation_time_is_a_range_of_one_second():
    """``created=T`` means that second only."""
    account = _account([5, 6, 6, 7], ["c"] * 4)
    assert len(_page(account, created="6")["data"]) == 2


def test_new_objects_do_not_disturb_a_walk():
    """A cursor stays where it is while newer objects arrive."""
    account = _account(range(1000, 1010), ["c"] * 10)
    first = _page(account, limit="4")["data"]
    account.ledger.add(CHARGES, 2000, {"customer": "c"})
    rest = _page(account, limit="100", starting_after=first[-1]["id"])["data"]
    assert [charge["created"] for charge in first + rest] == list(range(1009, 999, -1))


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.0", ""])
def test_a_limit_is_between_1_and_100(limit):
    """As Stripe: anything else is refused, not corrected."""
    with pytest.raises(ApiError) as refusal:
        _page(_account([1], ["c"]), limit=limit)
    assert refusal.value.error["param"] == "limit"
    assert refusal.value.status == 400


def test_ten_objects_without_a_limit():
    """Stripe's default page."""
    page = _page(_account(range(12), ["c"] * 12))
    assert (len(page["data"]), page["has_more"]) == (10, True)


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"starting_after": "ch_none"}, "resource_missing", "starting_after"),
        ({"ending_before": "ch_none"}, "resource_missing", "ending_before"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"type": "charge"}, "parameter_unknown", "type"),
        ({"created": {"about": "1"}}, "parameter_unknown", "created[about]"),
        ({"created": {"gt": "soon"}}, "parameter_invalid_integer", "created[gt]"),
        ({"starting_after": "ch_a", "ending_before": "ch_b"}, None, "starting_after"),
    ],
)
def test_a_wrong_parameter_is_named(params, code, param):
    """A list never ignores what it does not understand."""
    with pytest.raises(ApiError) as refusal:
        _page(_account([1], ["c"]), **params)
    assert (refusal.value.error.get("code"), refusal.value.error["param"]) == (code, param)


def test_events_can_be_listed_by_type_family_and_for_thirty_days():
    """``types`` takes several types, a star a family; older events are gone from the list."""
    account = Account(Ledger(), lambda: NOW)
    now = account.now()
    for age, event_type in (
        (31, "charge.refunded"),
        (29, "charge.refunded"),
        (1, "payout.paid"),
        (0, "charge.failed"),
    ):
        account.ledger.add(EVENTS, now - age * 86_400, {"type": event_type})
    assert [event["type"] for event in _page(account, EVENTS)["data"]] == [
        "charge.failed",
        "payout.paid",
        "charge.refunded",
    ]
    assert len(_page(account, EVENTS, type="charge.*")["data"]) == 2
    assert len(_page(account, EVENTS, types=["payout.paid", "charge.failed"])["data"]) == 2


def test_payouts_can_be_listed_by_status_and_arrival():
    """A second time range and a filter work together."""
    account = Account(Ledger(), lambda: NOW)
    for day, status in ((1, "paid"), (2, "paid"), (3, "pending")):
        account.ledger.add(PAYOUTS, day, {"status": status, "arrival_date": day * 86_400})
    assert [
        p["created"] for p in _page(account, PAYOUTS, status="paid", arrival_date={"gte": "172800"})["data"]
    ] == [2]
