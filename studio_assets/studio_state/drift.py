"""Drift: our counters against the source's own counts of the same questions at the same instant.

What the source cannot answer is listed as not comparable, with the reason; no number is made up. Documents we
set aside, and values we read tolerantly but the server cannot match, explain a difference up to their number.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentSource
from resources.rows import DriftMetric, OperationalEvent, ReadMode, SourceRead
from studio_assets.contracts import catalog
from studio_assets.studio_state.counters import COUNTERS
from studio_assets.studio_state.model import Counter
from studio_assets.studio_state.server_counts import CountQuery

DRIFT_DETECTED = "studio_state:drift:detected"
CONFIDENCE_OF_CHANGES = 0.5
"""Most that a comparison is worth whose rows came by changes: what others hold tolerantly is not known."""

Ask = Callable[[CountQuery], int]


@dataclass(frozen=True, slots=True)
class NotComparable:
    """A counter the source could not be asked for, and why."""

    metric: str
    reason: str


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One metric per comparable counter, and the rest with reasons."""

    metrics: tuple[DriftMetric, ...]
    not_comparable: tuple[NotComparable, ...]

    @property
    def drifting(self) -> tuple[DriftMetric, ...]:
        """Return the metrics beyond the threshold."""
        return tuple(metric for metric in self.metrics if metric.is_drift)

    @property
    def alarming(self) -> tuple[DriftMetric, ...]:
        """Return the drifting metrics that can be trusted enough to tell somebody."""
        return tuple(metric for metric in self.drifting if metric.confidence > CONFIDENCE_OF_CHANGES)


def ask_source(documents: DocumentSource, reads: Mapping[str, SourceRead]) -> Ask:
    """Return a way to count at the source, each collection at the very instant it was read."""

    def ask(query: CountQuery) -> int:
        contract = catalog.collection(query.collection)
        read_time = reads[query.collection].read_at
        return documents.count(contract.path, read_time=read_time, where=query.where)

    return ask


def measure(
    counters: Mapping[str, int],
    reads: Mapping[str, SourceRead],
    ask: Ask,
    *,
    as_of: datetime,
    threshold: int,
    concurrency: int,
) -> DriftReport:
    """Ask the source every question and compare.

    Args:
        counters: ``section.name`` -> our number.
        reads: The reads the numbers were computed from, by contract name.
        ask: Answers one count at the source.
        as_of: The instant of the counters' time predicates.
        threshold: Largest absolute difference, in counted things, that is not called drift.
        concurrency: Questions asked at once.

    Returns:
        ``delta`` of a metric is observed (ours) minus expected (the source's).
    """
    asked = [counter for counter in COUNTERS if counter.question is not None]
    answers, failures = _answers(asked, ask, as_of, concurrency)
    metrics, skipped = [], []
    for counter in COUNTERS:
        if counter.question is None:
            skipped.append(NotComparable(counter.path, counter.not_comparable))
            continue
        queries = counter.question(as_of)
        unanswered = next((failures[_key(q)] for q in queries if _key(q) in failures), None)
        if unanswered is not None:
            skipped.append(NotComparable(counter.path, _why_unanswered(counter, unanswered)))
            continue
        expected = sum(query.sign * answers[_key(query)] for query in queries)
        metrics.append(_metric(counter, expected, counters[counter.path], reads, threshold))
    return DriftReport(tuple(metrics), tuple(skipped))


def drift_event(report: DriftReport, *, at: datetime, run_id: str | None) -> OperationalEvent | None:
    """Return the event that tells of drift, or ``None`` when there is none to be trusted."""
    if not report.alarming:
        return None
    found = [
        {
            "metric": metric.metric,
            "expected": metric.expected,
            "observed": metric.observed,
            "delta": metric.delta,
            "confidence": metric.confidence,
            "note": metric.note,
        }
        for metric in report.alarming
    ]
    return OperationalEvent(DRIFT_DETECTED, at, {"metrics": found}, run_id)


_Key = tuple[str, tuple[object, ...]]


def _key(query: CountQuery) -> _Key:
    return query.collection, query.where


def _answers(
    counters: Iterable[Counter], ask: Ask, as_of: datetime, concurrency: int
) -> tuple[dict[_Key, int], dict[_Key, SourceUnreadableError]]:
    """Ask every distinct question once."""
    wanted: dict[_Key, CountQuery] = {}
    for counter in counters:
        for query in counter.question(as_of) if counter.question else ():
            wanted.setdefault(_key(query), query)
    answers: dict[_Key, int] = {}
    failures: dict[_Key, SourceUnreadableError] = {}

    def answer(item: tuple[_Key, CountQuery]) -> None:
        key, query = item
        try:
            answers[key] = ask(query)
        except SourceUnreadableError as error:
            failures[key] = error

    with ThreadPoolExecutor(max_workers=max(1, concurrency), thread_name_prefix="drift") as pool:
        list(pool.map(answer, wanted.items()))
    return answers, failures


def _why_unanswered(counter: Counter, error: SourceUnreadableError) -> str:
    index = f" It needs the composite index {counter.index}." if counter.index else ""
    return f"The source did not answer ({error.reason}).{index}"


def _metric(
    counter: Counter, expected: int, observed: int, reads: Mapping[str, SourceRead], threshold: int
) -> DriftMetric:
    explained = sum(_explained(counter, reads[name]) for name in counter.sources)
    documents = max(1, sum(reads[name].documents + len(reads[name].quarantined) for name in counter.sources))
    is_drift = abs(observed - expected) > threshold + explained
    confidence, notes = 1.0, []
    if explained:
        confidence = max(0.0, 1.0 - explained / documents)
        notes.append(f"{explained} documents set aside or read tolerantly may explain a difference.")
    if any(reads[name].mode is ReadMode.INCREMENTAL for name in counter.sources):
        confidence = min(confidence, CONFIDENCE_OF_CHANGES)
        notes.append("Read by changes: what was tolerated in unchanged documents is not counted.")
    note = " ".join(notes)
    return DriftMetric(
        counter.path, "firestore", expected, observed, is_drift, confidence=round(confidence, 4), note=note
    )


def _explained(counter: Counter, read: SourceRead) -> int:
    """Return how many documents of a read the server may count differently, at most."""
    columns = {path.partition(".")[2] for path in counter.columns if path.startswith(f"{read.name}.")}
    tolerated = sum(times for what, times in read.warnings.items() if what.partition(":")[0] in columns)
    return len(read.quarantined) + tolerated
