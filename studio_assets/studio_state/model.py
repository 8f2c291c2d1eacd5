"""What a counter is and what counting yields. The counters themselves are declared in ``counters``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from studio_assets.studio_state.predicates import Moment, Tables
from studio_assets.studio_state.server_counts import Question

SECTIONS = ("counts", "ops", "finance")


class MissingSourceError(Exception):
    """A counter's source was not handed in. A source we failed to read is not an empty source."""


class TooMuchToKeepError(Exception):
    """A counter is beyond what a snapshot keeps; ``problems`` says which. Permanent until rows are mended."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"No snapshot was made: {' '.join(problems)} The last good snapshot stays current.")


@dataclass(frozen=True, slots=True)
class Counter:
    """One number of StudioState.

    Attributes:
        section: ``counts``, ``ops`` or ``finance``.
        name: camelCase name inside the section, as the JSON spells it.
        meaning: What it tells staff, one sentence.
        predicate: Exactly what is counted, in words, naming contract columns.
        sources: Contract names it is computed from.
        columns: ``collection.column`` it looks at.
        count: The computation.
        question: The same, asked of the source's own counts; null where the source cannot answer.
        not_comparable: Why there is no question; empty when there is one.
        index: Composite index the question needs at the live service; empty when none.
        unit: What one of it is.
    """

    section: str
    name: str
    meaning: str
    predicate: str
    sources: tuple[str, ...]
    columns: tuple[str, ...]
    count: Callable[[Tables, Moment], int]
    question: Callable[[datetime], Question] | None = None
    not_comparable: str = ""
    index: str = ""
    unit: str = "documents"

    @property
    def path(self) -> str:
        """Return the JSON path, ``counts.batchesActive``."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True, slots=True)
class StateCounts:
    """All counters of one moment. ``warnings`` say what the numbers leave out, in words."""

    as_of: datetime
    counts: Mapping[str, int]
    ops: Mapping[str, int]
    finance: Mapping[str, int]
    warnings: tuple[str, ...] = field(default=())

    def flat(self) -> dict[str, int]:
        """Return JSON path -> number, in the order of declaration."""
        sections = {"counts": self.counts, "ops": self.ops, "finance": self.finance}
        return {f"{name}.{key}": value for name, part in sections.items() for key, value in part.items()}
