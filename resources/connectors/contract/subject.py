"""Whom a promise is tried on: a connector, and what it talks to."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from resources.connector import Connector


class Trouble(StrEnum):
    """What a subject on a twin can be asked to suffer; every connector fails with the fault named here."""

    AUTH = "auth"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    RATE_LIMITED = "rate_limited"
    BAD_RESPONSE = "bad_response"


class Subject(Protocol):
    """One connector and the other side it talks to.

    Attributes:
        connector_id: As the connector's.
        secrets: Values that must appear nowhere.
        deadline_seconds: Enough for one call.
        is_pretend: Whether the other side is a twin: trouble and commands are allowed on a twin only.
    """

    connector_id: str
    secrets: Sequence[str]
    deadline_seconds: float
    is_pretend: bool

    def connector(self) -> Connector:
        """Return a new connector that remembers nothing."""

    def strike(self, trouble: Trouble) -> None:
        """Let trouble begin, until ``heal``."""

    def heal(self) -> None:
        """Let it end."""

    def requests(self) -> int:
        """Return how many requests the other side has seen."""

    def commands(self) -> Sequence[str]:
        """Return every command the other side has seen."""

    def act_unguarded(self) -> None:
        """Send one command past all guards, so that ``commands`` is known to see."""


class BrokenPromiseError(Exception):
    """A connector does not keep a promise; the sentence says which part."""


def hold(is_kept: object, sentence: str) -> None:
    """Raise ``BrokenPromiseError`` with the sentence unless it is kept."""
    if not is_kept:
        raise BrokenPromiseError(sentence)
