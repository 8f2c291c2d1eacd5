"""A world that is being written: its plan, how far it has come, and what is true in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from twins.world import almanac
from twins.world.incidents import Label
from twins.world.operations import Step, WriteKind
from twins.world.plan import Plan, walk
from twins.world.settings import WorldSettings
from twins.world.truth import Truth
from twins.world.writer import Writer

# A plan sets each document once and deletes only what it set: a folded set is a new document.
_MADE = {WriteKind.SET: 1, WriteKind.UPDATE: 0, WriteKind.DELETE: -1}


@dataclass(slots=True)
class Progress:
    """How far a world has come.

    Attributes:
        simulated_at: Instant of the newest step written; null before the first.
        day: Studio-local day of that step; null before the cloud holds the studio.
        steps: Steps written.
        writes: Document writes carried out, folded ones counted once.
        documents: Documents there are.
        stripe_calls: Stripe calls made.
    """

    simulated_at: datetime | None = None
    day: date | None = None
    steps: int = 0
    writes: int = 0
    documents: int = 0
    stripe_calls: int = 0


class World:
    """One world, written step by step. Not thread-safe: one thread applies, others may read ``progress``."""

    def __init__(self, settings: WorldSettings, writer: Writer) -> None:
        self.settings = settings
        self.progress = Progress()
        self._writer = writer
        self._steps: Iterator[Step] = Plan(settings).steps()
        self._next: Step | None = None

    def next_at(self) -> datetime:
        """Return the instant of the next step that is still to be written."""
        return self._peek().at

    def apply_next(self) -> None:
        """Write the next step, whenever it is due."""
        step = self._peek()
        self._writer.apply(step)
        self._next = None
        self._count(step)

    def apply_until(self, now: datetime) -> int:
        """Write every step up to and including ``now``; return how many."""
        before = self.progress.steps
        while self.next_at() <= now:
            self.apply_next()
        return self.progress.steps - before

    def close(self) -> None:
        """Close the writer's connections."""
        self._writer.close()

    def labels(self, until: datetime) -> list[Label]:
        """Return the labels of everything up to ``until``, from the plan alone."""
        return walk(self.settings, until).labels(until)

    def truth(self, until: datetime) -> Truth:
        """Return the recount of everything up to ``until``, from the plan alone."""
        return Truth(self.settings, until)

    def _peek(self) -> Step:
        if self._next is None:
            self._next = next(self._steps)
        return self._next

    def _count(self, step: Step) -> None:
        progress = self.progress
        progress.simulated_at = step.at
        progress.steps += 1
        progress.writes += len(step.writes)
        progress.stripe_calls += len(step.calls)
        if step.writes:
            progress.day = almanac.day_of(step.at)
        for write in step.writes:
            progress.documents += _MADE[write.kind]
