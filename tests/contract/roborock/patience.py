"""How long a read waits, by a clock that stands still while the machine is busy with something else."""

import asyncio
import selectors
import time

import pytest

from resources.connector import ConnectorError
from resources.roborock import loop


class _Waits(selectors.DefaultSelector):
    """Counts what is waited here, and never more than was asked for."""

    def __init__(self):
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout=None):
        began = time.monotonic()
        events = super().select(timeout)
        waited = time.monotonic() - began
        self.seconds += waited if timeout is None else min(waited, max(timeout, 0.0))
        return events


class _Loop(asyncio.SelectorEventLoop):
    """Its time is what it has waited, so that its limits strike to the moment on the slowest machine."""

    def __init__(self):
        self.waits = _Waits()
        super().__init__(self.waits)

    def time(self):
        return self.waits.seconds


def timed(act):
    """Return what a read gives, or its ``ConnectorError``, and how many seconds it waited."""
    loops = []

    class Asyncio:
        def __getattr__(self, name):
            return getattr(asyncio, name)

        def new_event_loop(self):
            loops.append(_Loop())
            return loops[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "asyncio", Asyncio())
        try:
            found = act()
        except ConnectorError as error:
            found = error
    (used,) = loops
    return found, used.waits.seconds
