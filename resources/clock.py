"""The clock: the only place that asks what time it is; and how instants are told, written and read.

Everything that depends on the time takes a ``Clock``, so a test can say when "now" is. Instants are
aware UTC; a studio-local date is always derived with the studio's own time zone, explicitly.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Tells the current instant."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's current instant, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that always tells the same instant; for tests and rebuilds."""

    instant: datetime

    def now(self) -> datetime:
        """Return the instant this clock was made with."""
        return self.instant


def local_date(instant: datetime, timezone: str) -> date:
    """Return the studio-local date of an instant."""
    return instant.astimezone(ZoneInfo(timezone)).date()


def day_end(day: date, timezone: str) -> datetime:
    """Return the instant at which a studio-local day ends (the next local midnight), in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(timezone)).astimezone(UTC)


def day_start(day: date, timezone: str) -> datetime:
    """Return the instant at which a studio-local day begins, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)


def instant_text(instant: datetime) -> str:
    """Return an instant as ISO 8601 in UTC with ``Z``, microseconds kept."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """Return the instant :func:`instant_text` wrote."""
    return datetime.fromisoformat(text)
