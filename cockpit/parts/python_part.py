"""Parts that run one of our own modules, or one of Dagster's, on this Python."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cockpit.loading import module_command
from cockpit.parts.part import BasePart
from cockpit.processes import PROGRESS, Command

Environment = Callable[[str], Mapping[str, str]]


def progress_line(text: str, *, done: int | None = None, total: int | None = None) -> str:
    """Return the line by which a step tells the supervisor how far it is."""
    return PROGRESS + json.dumps({"text": text, "done": done, "total": total})


class PythonPart(BasePart):
    """Runs ``python -m module arguments...``.

    Args:
        name: Short name.
        label: What a person calls it.
        argv: Module and arguments.
        environment: Makes the whole environment of a part, by its name; asked at every start.
        needs: Parts that must be there first.
        after: Steps that should have had their turn first.
        is_service: Whether it runs on.
        ready_line: A service is ready once it said a line with this in it; empty means at once.
        start_limit_seconds: After this long without being ready, or without ending, it has failed.
        stable_seconds: After having worked this long, earlier failures are forgotten; null means that of a
            service, and never for a step: one that always fails late must give up, too.
    """

    def __init__(
        self,
        name: str,
        label: str,
        argv: Sequence[str],
        environment: Environment,
        *,
        needs: Sequence[str] = (),
        after: Sequence[str] = (),
        is_service: bool = True,
        ready_line: str = "",
        start_limit_seconds: float = 120.0,
        stable_seconds: float | None = None,
    ) -> None:
        self.name, self.label, self.is_service = name, label, is_service
        if stable_seconds is not None or not is_service:
            self.stable_seconds = math.inf if stable_seconds is None else stable_seconds
        self.needs, self.after = needs, after
        self.start_limit_seconds = start_limit_seconds
        self._argv, self._environment, self._ready_line = argv, environment, ready_line
        self._is_ready = not ready_line

    def reset(self) -> None:
        """Forget what an earlier process said."""
        self.detail = ""
        self._is_ready = not self._ready_line

    def command(self) -> Command:
        """Return the program with its environment."""
        return Command(module_command(*self._argv), self._environment(self.name))

    def hear(self, line: str) -> None:
        """Take in progress, and the line that says it is ready."""
        if line.startswith(PROGRESS):
            self.detail = words_of(line)
        elif self._ready_line and self._ready_line in line:
            self._is_ready = True

    def probe(self) -> bool:
        """Return whether it said that it is ready."""
        return self._is_ready


def words_of(line: str) -> str:
    """Return what a progress line tells a person."""
    progress: Mapping[str, Any] = json.loads(line.removeprefix(PROGRESS))
    total = progress.get("total")
    return f"{progress['text']} ({progress['done']}/{total})" if total else str(progress["text"])
