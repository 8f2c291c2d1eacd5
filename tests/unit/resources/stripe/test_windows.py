"""Windows partition a listing exactly, however it is cut and in whatever order it is read."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.stripe.windows import STRIPE_BEGAN, PageFaultError, Window, first_second_from

BASE = STRIPE_BEGAN + 100_000


def _object(number, created):
    return {"id": f"ch_{number}", "created": created}


def _serve(objects, window, size):
    """Page as Stripe does: filter by time, newest first, after the cursor."""
    inside = [
        o
        for o in objects
        if (window.start is None or o["created"] >= window.start) and o["created"] < window.end
    ]
    ordered = sorted(inside, key=lambda o: (o["created"], o["id"]), reverse=True)
    if window.cursor is not None:
        everything = sorted(objects, key=lambda o: (o["created"], o["id"]), reverse=True)
        place = next(i for i, o in enumerate(everything) if o["id"] == window.cursor)
        later = {o["id"] for o in everything[: place + 1]}
        ordered = [o for o in ordered if o["id"] not in later]
    return ordered[:size], len(ordered) > size


@settings(max_examples=300, deadline=None)
@given(
    times=st.lists(st.integers(BASE, BASE + 60) | st.integers(BASE, BASE + 100_000), max_size=60),
    has_start=st.booleans(),
    bounds=st.tuples(st.integers(-5, 100_005), st.integers(-5, 100_005)),
    size=st.integers(1, 5),
    choices=st.randoms(use_true_random=False),
)
def test_every_object_comes_once(times, has_start, bounds, size, choices):
    """Random objects, random page size, random order of windows, splits at every chance."""
    objects = [_object(number, created) for number, created in enumerate(times)]
    start, end = BASE + bounds[0] if has_start else None, BASE + bounds[1]
    windows, found, requests = [Window(start, end)], [], 0
    while windows:
        window = windows.pop(choices.randrange(len(windows)))
        page, has_more = _serve(objects, window, size)
        requests += 1
        found += [o["id"] for o in window.accept(page, has_more=has_more)]
        if has_more:
            windows.append(window)
            if choices.random() < 0.8 and (rest := window.split(page, BASE + 100_000)) is not None:
                windows.append(rest)
    expected = [o["id"] for o in objects if (start is None or o["created"] >= start) and o["created"] < end]
    assert sorted(found) == sorted(expected)
    assert requests <= 4 * len(objects) + 4


def test_a_short_history_costs_few_needless_requests():
    """Three pages without a known start cost at most five requests, even split at every chance."""
    began = BASE + 10**8
    objects = [_object(i, began + i * 1000) for i in range(15)]
    windows, requests = [Window(None, began + 20_000)], 0
    while windows:
        window = windows.pop(0)
        page, has_more = _serve(objects, window, 5)
        requests += 1
        window.accept(page, has_more=has_more)
        if has_more:
            windows.append(window)
            if (rest := window.split(page, began + 14_000)) is not None:
                windows.append(rest)
    assert 3 <= requests <= 5


@pytest.mark.parametrize(
    ("micros", "second"), [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (-1, 0), (-1_000_000, -1)]
)
def test_an_instant_between_two_seconds_belongs_to_the_later_one(micros, second):
    """``created < instant`` and ``created >= instant`` stay exact in whole seconds."""
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    assert first_second_from(instant) == second


def test_another_time_zone_is_the_same_instant():
    """Only the instant counts."""
    from zoneinfo import ZoneInfo

    local = datetime(2026, 3, 2, 0, 0, tzinfo=ZoneInfo("America/Phoenix"))
    assert first_second_from(local) == int(local.timestamp())


A, B = _object(1, BASE + 5), _object(2, BASE + 4)


@pytest.mark.parametrize(
    ("records", "has_more", "words"),
    [
        ([], True, "announced more"),
        ([{"id": "ch_1"}], False, "without an id or a creation time"),
        ([{"created": BASE}], False, "without an id or a creation time"),
        ([{"id": 7, "created": BASE}], False, "without an id or a creation time"),
        ([_object(1, BASE - 1)], False, "outside the time"),
        ([_object(1, BASE + 10)], False, "outside the time"),
        ([A, {**A, "amount": 1}], False, "different content"),
    ],
)
def test_a_page_that_cannot_be_right_is_an_error(records, has_more, words):
    """It is never taken for data, nor for an empty list."""
    with pytest.raises(PageFaultError, match=words):
        Window(BASE, BASE + 10).accept(records, has_more=has_more)


def test_a_page_given_twice_is_an_error_when_it_goes_on_and_dropped_when_it_ends():
    """A server that does not move forward would be asked forever; a last page repeated adds nothing."""
    window = Window(BASE, BASE + 10)
    assert window.accept([A, B], has_more=True) == [A, B]
    assert window.accept([A, B], has_more=False) == []
    with pytest.raises(PageFaultError, match="announced more"):
        window.accept([A, B], has_more=True)


def test_an_object_that_changed_between_two_pages_is_an_error():
    """One id, two contents: which one is true cannot be known."""
    window = Window(BASE, BASE + 10)
    window.accept([A, B], has_more=True)
    with pytest.raises(PageFaultError, match="different content"):
        window.accept([{**B, "refunded": True}], has_more=False)


def test_a_window_is_never_cut_below_its_start():
    """With nothing left to cut, there is no second window."""
    window = Window(BASE, BASE + 10)
    window.accept([_object(1, BASE + 1)], has_more=True)
    assert window.split([_object(1, BASE + 1)], BASE + 10) is None
    assert Window(BASE, BASE + 10).split([], BASE + 10) is None
