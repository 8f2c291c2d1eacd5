"""The simulation itself: an agenda of things to do, and the operations that come of doing them.

The desks (``checkins.py``, ``shop.py`` ...) put actions on the agenda and, when an action runs, write
documents and call Stripe through here. Everything happens in the order of simulated time; nothing asks a
real clock.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ParamSpec

from twins.world.chance import Dice, draw_id
from twins.world.incidents import Incidents
from twins.world.operations import DocumentWrite, StripeCall, WriteKind, slot_of, within_slot
from twins.world.settings import WorldSettings

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    """One action on the agenda; ``key`` is its instant and, among equals, the order of planning."""

    key: tuple[datetime, int]
    action: Callable[[], object] = field(compare=False)


class Studio:
    """A running simulation. ``now`` is the simulated instant of the action that runs."""

    def __init__(self, settings: WorldSettings, started_at: datetime, incidents: Incidents) -> None:
        self.settings = settings
        self.scale = settings.size.scale
        self.incidents = incidents
        self.now = started_at
        self._agenda: list[_Entry] = []
        self._scheduled = 0
        self._drawn: Counter[str] = Counter()
        self._outbox: list[tuple[datetime, DocumentWrite | StripeCall]] = []

    def dice(self, *key: object) -> Dice:
        """Return the draws for one decision of this world."""
        return Dice(self.settings.seed, *key)

    def new_id(self, kind: str, length: int = 20) -> str:
        """Return the next document id of a kind."""
        self._drawn[kind] += 1
        return draw_id(self.settings.seed, kind, self._drawn[kind], length=length)

    def arrivals(self, desk: str, day_key: object, daily_mean: float) -> int:
        """Return how many arrive at a desk today where ``daily_mean`` come to a small studio."""
        return self.dice(desk, "arrivals", day_key).poisson(daily_mean * self.scale)

    def at(self, instant: datetime, action: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Put an action on the agenda; what should have happened already happens at once."""
        self._scheduled += 1
        when = within_slot(max(instant, self.now))
        entry = _Entry((max(when, self.now), self._scheduled), partial(action, *args, **kwargs))
        heapq.heappush(self._agenda, entry)

    def run_until(self, end: datetime) -> None:
        """Do everything on the agenda that lies before ``end``."""
        while self._agenda and self._agenda[0].key[0] < end:
            entry = heapq.heappop(self._agenda)
            self.now = entry.key[0]
            entry.action()

    def set(self, path: str, data: Mapping[str, Any]) -> None:
        """Write a whole document now."""
        self._write(DocumentWrite(path, WriteKind.SET, data))

    def update(self, path: str, changes: Mapping[str, Any]) -> None:
        """Change fields of a document now; keys are field paths."""
        self._write(DocumentWrite(path, WriteKind.UPDATE, changes))

    def touch(self, path: str, changes: Mapping[str, Any]) -> None:
        """Change fields of a document now and say so in its ``updatedAt``."""
        self.update(path, {**changes, "updatedAt": self.now})

    def delete(self, path: str) -> None:
        """Delete a document now."""
        self._write(DocumentWrite(path, WriteKind.DELETE, {}))

    def call(self, act: str, params: Mapping[str, Any], expects: Mapping[str, str] | None = None) -> None:
        """Ask Stripe for something now."""
        self._outbox.append((self.now, StripeCall(self.now, act, params, expects or {})))

    def drain(self) -> list[tuple[datetime, DocumentWrite | StripeCall]]:
        """Return what was done since the last call, in order, each with the instant it becomes visible."""
        done, self._outbox = self._outbox, []
        return [(slot_of(instant), operation) for instant, operation in done]

    def _write(self, write: DocumentWrite) -> None:
        self._outbox.append((self.now, write))
