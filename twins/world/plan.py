"""The plan: settings in, steps out. Everything the world will ever do, in order, as data.

The studio lived before we looked: some weeks before the first day are simulated too. What they left behind
is written in one go when the first day begins (with its own dates in it), so the first snapshot shows a
studio at work and not an empty one. Stripe saw those weeks as they happened.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Protocol

from twins.world import almanac
from twins.world.agents import Agents
from twins.world.archive import archive_writes
from twins.world.bank import Bank
from twins.world.checkins import Checkins
from twins.world.community import Community
from twins.world.gatherings import Gatherings
from twins.world.heritage import write_heritage
from twins.world.incidents import Incidents, Label
from twins.world.kilns import Kilns
from twins.world.lending import Library, Spaces
from twins.world.memberships import Memberships
from twins.world.operations import (
    Document,
    DocumentWrite,
    Step,
    StripeCall,
    WriteKind,
    apply_write,
    fold,
    slot_of,
)
from twins.world.people import People
from twins.world.purchases import Purchases
from twins.world.requests import Requests
from twins.world.reservations import Reservations
from twins.world.settings import WorldSettings
from twins.world.shop import Shop
from twins.world.storage import Storage
from twins.world.studio import Studio
from twins.world.till import Till
from twins.world.webhooks import Webhooks

WARM_UP_DAYS = 30
WRITES_PER_STEP = 500  # the most that one commit should carry
_STRIPE_DAY_ENDS = (23, 40)  # studio-local; expiries and payouts of the day


class Desk(Protocol):
    """A part of the studio that puts each day's arrivals on the agenda."""

    def open_day(self, day: date) -> None:
        """Put what happens on a studio-local day on the agenda; called once per day, in order."""


class Plan:
    """One world as an endless sequence of steps. Walk it once; make another plan to walk it again.

    Args:
        settings: What fixes the world.
        has_archive: Whether the steps of the archive are among them; without it everything else is the same.
    """

    def __init__(self, settings: WorldSettings, *, has_archive: bool = True) -> None:
        self.settings = settings
        self._has_archive = has_archive
        self.incidents = Incidents(settings)
        self._began_on = settings.first_day - timedelta(days=WARM_UP_DAYS)
        self._studio = Studio(settings, almanac.local(self._began_on, 0, 5), self.incidents)
        self._people = People(self._studio)
        self._till = Till(self._studio)
        self._bank = Bank(self._studio, self._till)
        self._desks = self._furnish()
        write_heritage(self._studio, self._people)

    @property
    def opening_at(self) -> datetime:
        """Return the instant from which the cloud holds the studio."""
        return opening_of(self.settings)

    def steps(self) -> Iterator[Step]:
        """Yield every step, oldest first, without end; several may share one instant."""
        documents: dict[str, Document] = {}
        day = self._began_on
        while day < self.settings.first_day:
            for step in self._day(day):
                for write in step.writes:
                    apply_write(documents, write)
                if step.calls:
                    yield Step(step.at, step.calls)
            day += timedelta(days=1)
        yield from self._opening(documents)
        del documents
        while True:
            yield from self._day(day)
            day += timedelta(days=1)

    def labels(self, until: datetime) -> list[Label]:
        """Return the labels of everything up to ``until``, as far as the plan was walked."""
        return self.incidents.labels(until)

    def _furnish(self) -> tuple[Desk, ...]:
        studio, people, till = self._studio, self._people, self._till
        webhooks = Webhooks(studio)
        purchases = Purchases(studio, till, webhooks)
        kilns = Kilns(studio, people)
        checkins = Checkins(studio, people, kilns)
        reservations = Reservations(studio, people, kilns, checkins, Storage(studio))
        agents = Agents(studio, people, till, purchases)
        return (
            people,
            kilns,
            checkins,
            reservations,
            Shop(studio, people, till, purchases),
            Memberships(studio, people, till, webhooks),
            Gatherings(studio, people, kilns, till, purchases),
            agents,
            Requests(studio, people, agents.take_commission),
            Community(studio, people),
            Library(studio, people),
            Spaces(studio, people),
        )

    def _day(self, day: date) -> Iterator[Step]:
        for desk in self._desks:
            desk.open_day(day)
        self._studio.at(almanac.local(day, *_STRIPE_DAY_ENDS), self._bank.end_day)
        self._studio.run_until(almanac.day_end(day))
        at: datetime | None = None
        calls: list[StripeCall] = []
        writes: list[DocumentWrite] = []
        for visible_at, operation in self._studio.drain():
            if at is not None and visible_at != at:
                yield from _steps(at, calls, writes)
                calls, writes = [], []
            at = visible_at
            if isinstance(operation, StripeCall):
                calls.append(operation)
            else:
                writes.append(operation)
        if at is not None:
            yield from _steps(at, calls, writes)

    def _opening(self, documents: dict[str, Document]) -> Iterator[Step]:
        writes = [DocumentWrite(path, WriteKind.SET, data) for path, data in documents.items()]
        yield from _steps(self.opening_at, [], writes)
        if not self._has_archive:
            return
        batch: list[DocumentWrite] = []
        for write in archive_writes(self.settings, self._people.members, self.opening_at):
            batch.append(write)
            if len(batch) == WRITES_PER_STEP:
                yield Step(self.opening_at, writes=tuple(batch), is_bulk=True)
                batch = []
        if batch:
            yield Step(self.opening_at, writes=tuple(batch), is_bulk=True)


def opening_of(settings: WorldSettings) -> datetime:
    """Return the instant from which the cloud holds the studio: the first slot of the first day."""
    return slot_of(almanac.local(settings.first_day, 0))


def _steps(at: datetime, calls: list[StripeCall], writes: list[DocumentWrite]) -> Iterator[Step]:
    folded = fold(writes)
    parts = [folded[start : start + WRITES_PER_STEP] for start in range(0, len(folded), WRITES_PER_STEP)] or [
        ()
    ]
    for number, part in enumerate(parts):
        yield Step(at, tuple(calls) if number == 0 else (), part)


def walk(settings: WorldSettings, until: datetime) -> Plan:
    """Return a plan walked up to an instant, for its labels; its documents are thrown away."""
    plan = Plan(settings, has_archive=False)
    for step in plan.steps():
        if step.at > until:
            break
    return plan
