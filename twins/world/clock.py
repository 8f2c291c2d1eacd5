"""The clock the world shares with both twins: simulated while it writes the past, real afterwards."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class DocumentClock(Protocol):
    """What the world needs of the Firestore twin's clock."""

    def set(self, instant: datetime) -> None:
        """Pin the time to an instant."""

    def release(self) -> None:
        """Return to real time."""


def _system_time() -> datetime:
    return datetime.now(UTC)


class WorldClock:
    """Pins and releases the Firestore twin's clock, and tells the Stripe twin the same time.

    Stripe must see the exact instant of each call, so its time is kept here: the Firestore twin's own clock
    never goes back behind what it once handed out.
    """

    def __init__(self, documents: DocumentClock, source: Callable[[], datetime] = _system_time) -> None:
        self._documents = documents
        self._source = source
        self._pinned: datetime | None = None

    def set(self, instant: datetime) -> None:
        """Pin the time of both twins to an instant."""
        self._pinned = instant
        self._documents.set(instant)

    def release(self) -> None:
        """Return both twins to real time."""
        self._pinned = None
        self._documents.release()

    def now(self) -> datetime:
        """Return the present instant of the Stripe twin, aware UTC."""
        return self._pinned or self._source()
