"""The kill switch: its kinds of change, what may follow what, and what each means.

One person halts; asking to resume changes nothing yet; another person's confirmation resumes. Halting again
while a request waits takes the request back.
"""

from collections.abc import Mapping
from typing import Final

from policies.decisions import Switch
from policies.proposals import UnknownTransitionError

OPENED: Final = "opened"
HALTED: Final = "halted"
RESUME_REQUESTED: Final = "resume_requested"
RESUMED: Final = "resumed"

CHANGES: Final[Mapping[str | None, frozenset[str]]] = {
    None: frozenset({OPENED}),
    OPENED: frozenset({HALTED}),
    HALTED: frozenset({RESUME_REQUESTED}),
    RESUME_REQUESTED: frozenset({RESUMED, HALTED}),
    RESUMED: frozenset({HALTED}),
}
"""What may follow what; null is the studio before its first change."""

MEANING: Final[Mapping[str, Switch]] = {
    OPENED: Switch.OFF,
    HALTED: Switch.ON,
    RESUME_REQUESTED: Switch.ON,
    RESUMED: Switch.OFF,
}


def require_change(before: str | None, after: str) -> None:
    """Raise ``UnknownTransitionError`` unless ``after`` may follow ``before``."""
    if after not in CHANGES.get(before, frozenset()):
        raise UnknownTransitionError(f"The kill switch cannot be {after} after {before or 'nothing'}.")


def switch_after(kind: str | None) -> Switch:
    """Return what the switch is after its last change; no change, or an unknown one, is unreadable."""
    return MEANING.get(kind, Switch.UNREADABLE) if kind is not None else Switch.UNREADABLE
