from datetime import UTC, datetime, timedelta

import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.twins.firestore.strategies import PATIENT
from twins.firestore.clock import TwinClock, to_datetime, to_micros
from twins.firestore.errors import RefusedError

DAY = datetime(2026, 1, 1, tzinfo=UTC)


@PATIENT
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["commit", "read", "release"]),
            st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - zone beside
        )
    )
)
def test_commits_are_strictly_later_than_everything_before(steps):
    """However the time is moved, a commit is later than every commit and read before it."""
    clock = TwinClock(source=lambda: to_micros(DAY))
    latest = 0
    for step in steps:
        if step == "commit":
            commit = clock.commit()
            assert commit > latest
            latest = commit
        elif step == "read":
            read = clock.read()
            assert read >= latest
            latest = read
        elif step == "release":
            clock.release()
        else:
            clock.set(step)


def test_pinned_commits_count_up_from_the_set_instant():
    """The world can write its own past, a microsecond a commit."""
    clock = TwinClock()
    clock.set(DAY)
    assert [to_datetime(clock.commit()) - DAY for _ in range(3)] == [
        timedelta(microseconds=n) for n in range(3)
    ]
    clock.set(DAY + timedelta(days=1))
    assert to_datetime(clock.commit()) == DAY + timedelta(days=1)
    clock.release()
    assert to_datetime(clock.commit()) > datetime(2026, 6, 1, tzinfo=UTC)


def test_the_future_cannot_be_read():
    clock = TwinClock()
    clock.set(DAY)
    with pytest.raises(RefusedError) as refused:
        clock.read_past(to_micros(DAY) + 1)
    assert refused.value.code is StatusCode.INVALID_ARGUMENT


def test_an_instant_that_was_read_is_never_written_to():
    """A read at the present closes that instant, also when the read names it itself."""
    clock = TwinClock()
    clock.set(DAY)
    assert clock.read_past(to_micros(DAY)) == to_micros(DAY)
    assert clock.commit() == to_micros(DAY) + 1


def test_the_retention_bounds_the_readable_past():
    """Exactly as old as the retention is readable; a microsecond older is not."""
    clock = TwinClock(retention=timedelta(hours=1))
    clock.set(DAY)
    hour_ago = to_micros(DAY - timedelta(hours=1))
    assert clock.read_past(hour_ago) == hour_ago
    with pytest.raises(RefusedError) as refused:
        clock.read_past(hour_ago - 1)
    assert refused.value.code is StatusCode.FAILED_PRECONDITION
    assert TwinClock().read_past(0) == 0
