"""Promises of the dice."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from twins.world.chance import AUTO_ID_LENGTH, Dice, draw_id


@given(st.integers(), st.text())
def test_the_same_key_always_gives_the_same_draws(seed, name):
    """A decision can be repeated in any process from its key alone."""
    first, second = Dice(seed, name), Dice(seed, name)
    assert [first.whole(0, 999) for _ in range(5)] == [second.whole(0, 999) for _ in range(5)]


def test_draws_are_fixed_for_ever():
    """A recorded draw: were it to change, every label file ever written would be wrong."""
    dice = Dice(1, "checkins", "2026-09-22")
    assert [dice.whole(0, 99) for _ in range(6)] == [40, 53, 99, 33, 36, 16]
    assert draw_id(1, "batches", 1) == "zcNfFB7MhmnwzLr6mK6h"


@given(st.integers(0, 10_000), st.integers(-5, 5), st.integers(0, 9))
def test_whole_numbers_stay_within_their_ends(seed, low, spread):
    """Both ends of a range can be drawn and nothing beyond."""
    drawn = {Dice(seed, n).whole(low, low + spread) for n in range(200)}
    assert drawn == set(range(low, low + spread + 1))


def test_weights_decide_how_often():
    """A choice of three times the weight comes about three times as often."""
    dice = Dice("weights")
    drawn = [dice.weighted((("often", 3.0), ("seldom", 1.0))) for _ in range(4000)]
    assert 0.7 < drawn.count("often") / len(drawn) < 0.8


def test_arrivals_have_the_wanted_mean():
    """Poisson arrivals average to their mean, small or large; none come where none are expected."""
    for mean in (0.4, 7.0, 200.0):
        counts = [Dice("arrivals", mean, n).poisson(mean) for n in range(2000)]
        assert abs(sum(counts) / len(counts) - mean) < 0.05 * mean + 0.05
    assert Dice("none").poisson(0) == Dice("none").poisson(-1) == 0


def test_some_draws_without_repeating():
    """A sample holds different things, and never more than there are."""
    assert sorted(Dice("some").some("abc", 5)) == ["a", "b", "c"]


@given(st.integers())
def test_durations_are_whole_milliseconds(seed):
    """Times in documents are as fine as the portal's own."""
    duration = Dice(seed).hours(0.1, 30)
    assert timedelta(hours=0.09) < duration < timedelta(hours=30)
    assert duration % timedelta(milliseconds=1) == timedelta(0)


def test_ids_look_like_the_clients_own():
    """Drawn ids have the length and the letters of automatic ones, and do not collide."""
    ids = {draw_id(1, "batches", n) for n in range(2000)}
    assert len(ids) == 2000
    assert all(len(each) == AUTO_ID_LENGTH and each.isalnum() for each in ids)
