"""The bucket keeps the rate over any stretch of time, and a pause holds everybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.stripe.throttle import TokenBucket


class Watch:
    """A steady clock that tests set."""

    def __init__(self):
        self.seconds = 50.0

    def __call__(self):
        return self.seconds


@given(
    rate=st.integers(1, 50),
    burst=st.integers(1, 10),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=60),
)
def test_no_stretch_of_time_sees_more_than_the_rate_and_the_burst(rate, burst, gaps):
    """For any arrivals: between two moments, at most burst + rate x duration requests."""
    watch = Watch()
    bucket = TokenBucket(rate, burst=burst, monotonic=watch)
    moments = []
    for gap in gaps:
        watch.seconds += gap
        moments.append(watch.seconds + bucket.reserve())
    for first in range(len(moments)):
        for last in range(first, len(moments)):
            assert last - first + 1 <= burst + rate * (moments[last] - moments[first]) + 1e-6


def test_a_burst_goes_at_once_and_the_rest_in_step():
    """Three at once, then one each half second."""
    bucket = TokenBucket(2, burst=3, monotonic=Watch())
    assert [round(bucket.reserve(), 6) for _ in range(6)] == [0, 0, 0, 0.5, 1.0, 1.5]


def test_a_pause_holds_everybody_and_ends():
    """The longer of two pauses counts; then the rate again."""
    watch = Watch()
    bucket = TokenBucket(100, monotonic=watch)
    bucket.pause(3)
    bucket.pause(1)
    assert bucket.reserve() == pytest.approx(3)
    watch.seconds += 2
    assert bucket.pause_left() == pytest.approx(1)
    watch.seconds += 1
    assert bucket.pause_left() == 0
    assert bucket.reserve() == 0


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_rate_that_is_none_is_refused(rate, burst):
    """A bucket that never lets anything through is a mistake."""
    with pytest.raises(ValueError, match="positive"):
        TokenBucket(rate, burst=burst)
