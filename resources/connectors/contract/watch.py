"""What a connector leaves behind: words in errors and logs, connections, threads."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psutil

_SETTLE_SECONDS: Final = 3.0


def told_by(error: BaseException) -> Iterator[str]:
    """Yield all that an error, and every error behind it, says in any form."""
    link: BaseException | None = error
    while link is not None:
        yield f"{link} {link!r} {vars(link)}"
        yield "".join(traceback.format_exception(link))
        link = link.__cause__ or link.__context__


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect every log line of this process, debug included."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.args} {record.exc_text}")
            if record.exc_info:
                lines.append("".join(traceback.format_exception(record.exc_info[1])))

    root, ear = logging.getLogger(), Ear(logging.DEBUG)
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(ear)
        root.setLevel(level)


def open_connections() -> int:
    """Return how many TCP connections of this process are established."""
    found = psutil.Process().net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED for one in found)


def running_threads() -> int:
    """Return how many threads run; a twin's, in this very process, end with their connections."""
    return threading.active_count()


def is_settled(is_quiet: Callable[[], bool]) -> bool:
    """Return whether quiet comes within a few seconds."""
    until = time.monotonic() + _SETTLE_SECONDS
    while not is_quiet():
        if time.monotonic() > until:
            return False
        threading.Event().wait(0.02)
    return True
