"""The deadline's parts, and the loop that leaves nothing behind."""

import asyncio
import threading

import pytest

from resources.roborock.limits import Limits
from resources.roborock.loop import run_alone


@pytest.mark.parametrize("deadline", [0.5, 3, 20, 60, 600])
def test_the_parts_of_a_deadline_fit_in(deadline):
    """The longest way through a read ends before the deadline."""
    limits = Limits.of(deadline)
    assert limits.cloud + limits.connect + limits.robot + limits.close <= deadline
    assert 2 * limits.greeting <= limits.connect
    assert 2 * limits.call + limits.call / 2 <= limits.robot or deadline >= 60


def test_it_runs_with_and_without_a_loop():
    """The same function serves both callers, and errors come through."""

    async def work():
        return threading.current_thread().name

    async def fail():
        raise LookupError("x")

    async def caller():
        with pytest.raises(LookupError):
            run_alone(fail)
        return run_alone(work)

    assert run_alone(work) == "MainThread"
    assert asyncio.run(caller()) == "roborock"
    with pytest.raises(LookupError):
        run_alone(fail)


def test_a_task_that_loses_its_cancellation_is_cut_off():
    """A task that swallows cancellations, and would wait for ever after each, is cancelled again."""
    ended = []

    async def stubborn(times):
        for _ in range(times):
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                continue
        ended.append(times)

    async def work():
        for times in (1, 2, 3):
            asyncio.get_running_loop().create_task(stubborn(times)).add_done_callback(lambda _: None)
        await asyncio.sleep(0)

    run_alone(work)
    assert sorted(ended) == [1, 2, 3]
