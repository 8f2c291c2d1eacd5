"""The ledger keeps objects by time whatever the order of arrival, and serves what is true now."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from twins.stripe.kinds import BALANCE_TRANSACTIONS, CHARGES, REFUNDS
from twins.stripe.ledger import Ledger


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(-1, 32))
def test_objects_lie_in_order_of_creation(times, bound):
    """Late entries find their place; objects of one second keep their order of arrival; bounds are exact."""
    ledger = Ledger()
    added = [ledger.add(CHARGES, time, {}) for time in times]
    expected = sorted(range(len(times)), key=lambda i: (times[i], i))
    assert [entry.id for entry in ledger.entries(CHARGES)] == [added[i].id for i in expected]
    assert ledger.before(CHARGES, bound) == sum(time < bound for time in times)
    assert all(ledger.entries(CHARGES)[ledger.index(entry)] is entry for entry in added)


def test_ids_repeat_between_runs_but_never_within_one_and_tell_nothing_of_time():
    """A world built twice has the same ids; nobody can lean on ids being in order."""
    first, second = Ledger(), Ledger()
    ids = [first.add(CHARGES, i, {}).id for i in range(50)]
    assert ids == [second.add(CHARGES, i, {}).id for i in range(50)]
    assert len(set(ids)) == 50
    assert ids != sorted(ids)


def test_an_object_is_found_only_under_its_own_type():
    """A refund's id names no charge."""
    ledger = Ledger()
    entry = ledger.add(REFUNDS, 1, {})
    assert ledger.find(REFUNDS, entry.id) is entry
    assert ledger.find(CHARGES, entry.id) is None
    assert ledger.get("re_unknown") is None


def test_a_change_shows_in_the_next_answer():
    """Cached JSON never outlives what it shows."""
    ledger = Ledger()
    entry = ledger.add(CHARGES, 1, {"amount_refunded": 0})
    assert orjson.loads(ledger.render(entry, 5))["amount_refunded"] == 0
    ledger.change(entry, amount_refunded=7)
    assert orjson.loads(ledger.render(entry, 5))["amount_refunded"] == 7


def test_money_is_pending_until_its_day_whichever_way_the_clock_is_set():
    """``status`` follows from the clock at the moment of the answer, also when the clock is set back."""
    ledger = Ledger()
    entry = ledger.add(BALANCE_TRANSACTIONS, 1, {"available_on": 100})
    statuses = [orjson.loads(ledger.render(entry, now))["status"] for now in (99, 100, 99, 101)]
    assert statuses == ["pending", "available", "pending", "available"]
