"""The last word on time: a call that does not come back is left behind, and its caller goes on.

Connectors keep their own deadlines; this is for the day one does not.
"""

import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from resources.connector import ConnectorError, Fault

Answer = TypeVar("Answer")


def call_within(seconds: float, function: Callable[[], Answer], *, on_end: Callable[[], None]) -> Answer:
    """Return what ``function`` returns, or raise ``ConnectorError`` (timeout) after ``seconds``.

    The function runs in a thread of its own. ``on_end`` is called when it has really ended, which after a
    timeout may be much later.
    """
    ended = threading.Event()
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
            errors.append(error)
        finally:
            on_end()
            ended.set()

    # Log lines of the call keep the caller's correlation ids.
    context: Any = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="connector-call", daemon=True).start()
    if not ended.wait(seconds):
        raise ConnectorError(
            Fault.TIMEOUT, f"The connector did not come back within {seconds:g} s and was left behind."
        )
    if errors:
        raise errors[0]
    return answers[0]
