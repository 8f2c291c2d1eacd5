"""The status lines of the parts: one line each, moving on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from typing import Any, Final, TextIO

from cockpit.lifecycle import Phase
from cockpit.supervisor import Running

SECONDS_BETWEEN_DETAILS: Final = 5.0
_SIGNS: Final = {
    Phase.WAITING: ("·", "dim"),
    Phase.STARTING: ("…", "yellow"),
    Phase.READY: ("✓", "green"),
    Phase.DONE: ("✓", "green"),
    Phase.PAUSING: ("↻", "yellow"),
    Phase.FAILED: ("✗", "red"),
    Phase.STOPPED: ("-", "dim"),
}


class PlainBoard:
    """Says a line when a part changes, and now and then how far it is; for pipes and log files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said: dict[str, tuple[Phase, str, float]] = {}

    def __call__(self, parts: Sequence[Running]) -> None:
        """Say what is new."""
        now = time.monotonic()
        for running in parts:
            phase, line = running.life.phase, describe_line(running)
            said_phase, said, said_at = self._said.get(running.name, (Phase.WAITING, "", 0.0))
            is_due = phase is not said_phase or now - said_at >= SECONDS_BETWEEN_DETAILS
            if (phase is not Phase.WAITING or running.problem) and line != said and is_due:
                self._said[running.name] = (phase, line, now)
                self.say(line)

    def say(self, text: str) -> None:
        """Say a line between the status lines."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def close(self, parts: Sequence[Running]) -> None:
        """Nothing is left to say."""


class LiveBoard:
    """A table that is drawn again in place; for terminals."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console  # noqa: PLC0415 - a pipe never needs it
        from rich.live import Live  # noqa: PLC0415 - as above

        self._live = Live(console=Console(file=stream), auto_refresh=False, transient=False)
        self._live.start()

    def __call__(self, parts: Sequence[Running]) -> None:
        """Draw the table."""
        self._live.update(self._table(parts), refresh=True)

    def say(self, text: str) -> None:
        """Say a line above the table."""
        self._live.console.print(text, markup=False, highlight=False)

    def close(self, parts: Sequence[Running]) -> None:
        """Leave the last table standing."""
        self._live.update(self._table(parts), refresh=True)
        self._live.stop()

    def _table(self, parts: Sequence[Running]) -> Any:
        from rich.table import Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        table = Table(box=None, show_header=False, pad_edge=False)
        for running in parts:
            sign, style = _SIGNS[running.life.phase]
            told = running.describe()
            table.add_row(
                Text(sign, style=style),
                Text(running.part.label),
                Text(str(told["phase"])),
                Text(told["detail"]),
            )
        return table


Board = PlainBoard | LiveBoard


def open_board(stream: TextIO) -> Board:
    """Return the board that suits a stream."""
    return LiveBoard(stream) if stream.isatty() else PlainBoard(stream)


def describe_line(running: Running) -> str:
    """Return one part's status as a plain line."""
    told = running.describe()
    came_up = (
        f" ({running.ready_after:.1f} s)" if running.has_come_up and running.ready_after is not None else ""
    )
    detail = f": {told['detail']}" if told["detail"] else ""
    return f"{running.part.label}: {told['phase']}{came_up}{detail}"
