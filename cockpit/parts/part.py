"""What every part of the running house has in common."""

from collections.abc import Sequence
from typing import Protocol

from cockpit.lifecycle import STABLE_SECONDS
from cockpit.processes import Command


class Part(Protocol):
    """One process that the supervisor starts and watches.

    Attributes:
        name: Short name; also names its log file.
        label: What a person calls it.
        needs: Names of the parts that must be ready (or done) before this one may start.
        after: Names of the steps that should have had their turn first, whether or not they succeeded.
        is_service: A service runs on; a step ends, and 0 means it succeeded.
        start_limit_seconds: After this long without being ready, or without ending, it counts as failed.
        stable_seconds: After having worked this long, earlier failures of it are forgotten.
        detail: What it is doing, in a few words; shown in its status line.
    """

    name: str
    label: str
    needs: Sequence[str]
    after: Sequence[str]
    is_service: bool
    start_limit_seconds: float
    stable_seconds: float
    detail: str

    def reset(self) -> None:
        """Forget what an earlier process of this part said."""

    def prepare(self) -> None:
        """Do what must be done before the process starts; may block; runs in a worker thread.

        Raises ``CockpitError`` when no later attempt can succeed; then everything is stopped.
        """

    def command(self) -> Command:
        """Return the program to run; quick, and after :meth:`prepare`."""

    def hear(self, line: str) -> None:
        """Take in one line of output; runs in the thread that reads it."""

    def probe(self) -> bool:
        """Return whether a service works by now; may block for a second; runs in a worker thread."""


class BasePart:
    """A part that needs no preparation and says nothing that matters; others say what differs."""

    name = ""
    label = ""
    needs: Sequence[str] = ()
    after: Sequence[str] = ()
    is_service = True
    start_limit_seconds = 120.0
    stable_seconds = STABLE_SECONDS
    detail = ""

    def reset(self) -> None:
        """Forget the last detail."""
        self.detail = ""

    def prepare(self) -> None:
        """Do nothing."""

    def hear(self, line: str) -> None:
        """Ignore the line; it is in the log file."""

    def probe(self) -> bool:
        """A process that runs is ready."""
        return True
