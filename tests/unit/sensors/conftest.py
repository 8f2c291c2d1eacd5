"""Stand-ins for the doors sensors use: a history that only knows events, and a clock moved by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from resources.settings import Settings


@dataclass
class EventHistory:
    """Keeps events as the real history does: newest first."""

    kept: list = field(default_factory=list)

    def record_event(self, event):
        self.kept.append(event)

    def events(self, limit=50, *, name=None):
        wanted = [event for event in reversed(self.kept) if name in {None, event.name}]
        return wanted[:limit]

    def names(self):
        return [event.name for event in self.kept]


@dataclass
class HandClock:
    """Tells the instant it was set to."""

    instant: datetime = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)

    def now(self):
        return self.instant

    def advance(self, **step):
        self.instant += timedelta(**step)


@pytest.fixture
def history():
    return EventHistory()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path, history_start="2026-01-01")
