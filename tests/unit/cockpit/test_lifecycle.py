"""The life of one part: what it does after every kind of end, without waiting for any of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.lifecycle import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    STABLE_SECONDS,
    STEP_ATTEMPTS,
    Action,
    Lifecycle,
    Phase,
    pause_seconds,
)


def service():
    return Lifecycle(is_service=True, start_limit_seconds=30)


def step(life, now, *, may_start=True, exit_code=None, is_ready=False, was_let_down=False):
    return life.advance(
        now, may_start=may_start, exit_code=exit_code, is_ready=is_ready, was_let_down=was_let_down
    )


def test_a_part_waits_for_what_it_needs():
    life = service()
    assert step(life, 0, may_start=False) is Action.NOTHING
    assert life.phase is Phase.WAITING
    assert step(life, 1) is Action.START
    assert life.phase is Phase.STARTING


def test_a_service_is_ready_when_asked_and_stays_so():
    life = service()
    step(life, 0)
    step(life, 1, is_ready=True)
    assert life.phase is Phase.READY
    assert step(life, 2, may_start=False) is Action.NOTHING
    assert life.phase is Phase.READY


def test_a_killed_service_starts_again_after_a_pause_and_only_once():
    """One end gives exactly one start, and not before the pause is over."""
    life = service()
    step(life, 0)
    step(life, 1, is_ready=True)
    assert step(life, 2, exit_code=-9) is Action.NOTHING
    assert life.phase is Phase.PAUSING
    actions = [step(life, 2 + tenth / 10) for tenth in range(1, 20)]
    assert actions.count(Action.START) == 1
    assert actions.index(Action.START) == pytest.approx(FIRST_PAUSE_SECONDS * 10 - 1)
    assert life.restarts == 1


def test_a_service_that_ends_well_is_started_again_too():
    """A service has no reason to end by itself."""
    life = service()
    step(life, 0)
    step(life, 1, exit_code=0)
    assert life.phase is Phase.PAUSING


def test_the_pause_doubles_to_a_limit_and_is_forgotten_after_a_stable_time():
    life = service()
    now = 0.0
    pauses = []
    for _ in range(9):
        while step(life, now) is not Action.START:
            now += 0.1
        step(life, now, exit_code=1)
        pauses.append(pause_seconds(life.failures))
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    while step(life, now) is not Action.START:
        now += 0.1
    step(life, now, is_ready=True)
    step(life, now + STABLE_SECONDS, exit_code=1)
    assert life.failures == 1


def test_an_end_just_before_the_stable_time_still_counts_as_another_failure():
    life = service()
    step(life, 0)
    step(life, 0, exit_code=1)
    step(life, 1)
    step(life, 1, is_ready=True)
    step(life, 1 + STABLE_SECONDS - 0.1, exit_code=1)
    assert life.failures == 2


@pytest.mark.parametrize(
    ("at", "action"), [(29.9, Action.NOTHING), (30.0, Action.NOTHING), (30.1, Action.KILL)]
)
def test_a_service_that_does_not_become_ready_is_ended(at, action):
    """On, just under and just over the limit."""
    life = service()
    step(life, 0)
    assert step(life, at) is action


def test_a_step_is_done_when_it_succeeds_and_never_starts_again():
    life = Lifecycle(is_service=False, start_limit_seconds=30)
    step(life, 0)
    step(life, 1, exit_code=0)
    assert life.phase is Phase.DONE
    assert step(life, 1000) is Action.NOTHING


def test_a_step_gives_up_after_its_attempts():
    life = Lifecycle(is_service=False, start_limit_seconds=30)
    starts, now = 0, 0.0
    for _ in range(1000):
        now += 0.1
        if step(life, now, exit_code=1 if life.phase is Phase.STARTING else None) is Action.START:
            starts += 1
    assert starts == STEP_ATTEMPTS
    assert life.phase is Phase.FAILED


@pytest.mark.parametrize("is_service", [True, False])
def test_an_end_while_what_it_needs_is_away_is_no_failure_and_starts_when_that_is_back(is_service):
    """However often: nothing is counted, nothing is started meanwhile, and then it starts at once."""
    life = Lifecycle(is_service=is_service, start_limit_seconds=30)
    for number in range(3 * STEP_ATTEMPTS):
        now = 100.0 * number
        assert step(life, now) is Action.START
        step(life, now + 1, exit_code=1, was_let_down=True)
        assert (life.phase, life.failures) == (Phase.WAITING, 0)
        assert step(life, now + 90, may_start=False, was_let_down=True) is Action.NOTHING
    assert step(life, now + 91) is Action.START


def test_a_step_that_gave_up_tries_again_with_all_its_attempts_when_what_it_needs_was_away():
    """What failed it may have been that, even when it was noticed late."""
    life = Lifecycle(is_service=False, start_limit_seconds=30)
    now = failed(life, 0.0)
    assert step(life, now + 1000) is Action.NOTHING
    assert step(life, now + 1001, may_start=False, was_let_down=True) is Action.NOTHING
    assert step(life, now + 1002, was_let_down=True) is Action.START
    failed(life, now + 1002)


def failed(life, now):
    """Fail a step until it gives up; return when that is. It takes every attempt."""
    starts = life.starts
    while life.phase is not Phase.FAILED:
        now += 0.1
        step(life, now, exit_code=1 if life.phase is Phase.STARTING else None)
    assert life.starts - starts in {STEP_ATTEMPTS, STEP_ATTEMPTS - 1}  # one may have begun before
    assert life.failures == STEP_ATTEMPTS
    return now


@pytest.mark.parametrize(("seconds", "failures"), [(599.9, 2), (600.0, 1)])
def test_a_step_that_worked_long_enough_begins_to_count_anew(seconds, failures):
    """Just under and on the time it is given."""
    life = Lifecycle(is_service=False, start_limit_seconds=1e6, stable_seconds=600)
    step(life, 0)
    step(life, 0, exit_code=1)
    step(life, 1)
    step(life, 1 + seconds, exit_code=1)
    assert life.failures == failures


def test_a_part_that_cannot_even_start_pauses():
    life = service()
    step(life, 0)
    life.could_not_start(1)
    assert life.phase is Phase.PAUSING


@given(
    st.lists(
        st.tuples(
            st.floats(min_value=0, max_value=100),
            st.booleans(),
            st.sampled_from([None, None, None, 0, 1, -9]),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_never_two_copies(events):
    """Whatever happens in whatever order, a start is never asked for while a process may run."""
    for is_service in (True, False):
        life = Lifecycle(is_service=is_service, start_limit_seconds=30)
        is_running, now = False, 0.0
        for seconds, may_start, exit_code, is_ready in events:
            now += seconds
            code = exit_code if is_running else None
            action = life.advance(now, may_start=may_start, exit_code=code, is_ready=is_running and is_ready)
            if code is not None:
                is_running = False
            if action is Action.START:
                assert not is_running
                is_running = True
            assert (life.phase in {Phase.STARTING, Phase.READY}) == is_running
