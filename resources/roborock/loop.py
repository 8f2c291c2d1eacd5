"""A private event loop for one call: it ends in time, and nothing of it is left behind.

On Python 3.11 a cancellation that meets a finished wait inside the broker's library is lost, and its task
goes on for ever; a second one ends it. So tasks are cancelled in rounds, and the loop is closed whatever
they do.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
_ROUNDS: Final = 4
_ROUND_SECONDS: Final = 0.5
_LAST_TURNS: Final = 3


def run_alone(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end in a loop of its own, also where a loop runs already.

    The coroutine bounds its own time; cleaning up after it takes two seconds at most.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(make)
    return _run_in_thread(make)


def _run_in_thread(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(_run(make))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
            errors.append(error)

    thread = threading.Thread(target=work, name="roborock", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _run(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    loop = asyncio.new_event_loop()
    # Its lines would hold the library's exceptions: addresses and answers.
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        return loop.run_until_complete(make())
    finally:
        try:
            _cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            # A closed connection lets go of its socket in the loop's next turns.
            for _ in range(_LAST_TURNS):
                loop.run_until_complete(asyncio.sleep(0))
        finally:
            loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for _ in range(_ROUNDS):
        tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks, timeout=_ROUND_SECONDS))
