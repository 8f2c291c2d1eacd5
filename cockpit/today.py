"""The state page as plain data: what to show, decided here so that the template only lays it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cockpit import words
from cockpit.facts import Facts
from cockpit.health import judge
from resources.rows import Completeness
from studio_assets.devices.section import ConnectorRead, ReadingStatus

CHECKED_AGAINST = 1.0  # confidence at which both sides were read at one instant


class Mood(StrEnum):
    """Which of the states the page is in; each looks and reads different."""

    STARTING = "starting"
    EMPTY = "empty"
    FRESH = "fresh"
    STALE = "stale"
    PARTIAL = "partial"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Tile:
    """One counter on the page."""

    path: str
    label: str
    value: str
    change: str
    wants_attention: bool


@dataclass(frozen=True, slots=True)
class Source:
    """One row of the table of sources: the newest read of one collection."""

    system: str
    name: str
    documents: str
    completeness: str
    quarantined: int
    read_at: str
    read_at_iso: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceGroup:
    """The devices of one connector; ``counts`` is empty unless they are up to date."""

    name: str
    status: str
    status_words: str
    notes: Sequence[str]
    counts: Sequence[Tile]
    read_at: str
    read_at_iso: str
    age: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the template shows. Every text is final; the template only escapes and places it."""

    mood: Mood
    headline: str
    explanation: str
    day: str
    as_of: str
    as_of_iso: str
    age: str
    timezone: str
    posture: str
    content_hash: str
    revision: int
    groups: Sequence[tuple[str, Sequence[Tile]]]
    devices: Sequence[DeviceGroup]
    changes_since: str
    changes: Sequence[tuple[str, str, str, str]]
    drift: str
    warnings: Sequence[str]
    sources: Sequence[Source]
    parts: Sequence[dict[str, Any]]
    history: str
    history_done: int
    history_total: int
    is_ready: bool
    reasons: Sequence[str]
    governance: str


def build(facts: Facts) -> Page:
    """Return the page for these facts; pure."""
    readiness = judge(facts)
    mood = mood_of(facts)
    headline, explanation = _banner(facts, mood)
    snapshot = facts.snapshot
    done, total = int(facts.history.get("done", 0)), int(facts.history.get("total", 0))
    return Page(
        mood=mood,
        headline=headline,
        explanation=explanation,
        day=f"{snapshot.snapshot_date:%A}, {snapshot.snapshot_date.day} {snapshot.snapshot_date:%B %Y}"
        if snapshot
        else "",
        as_of=words.local_time(facts.as_of, facts.timezone) if facts.as_of else "",
        as_of_iso=facts.as_of.isoformat() if facts.as_of else "",
        age=words.ago((facts.age_minutes or 0) * 60),
        timezone=facts.timezone,
        posture=facts.posture,
        content_hash=snapshot.content_hash if snapshot else "",
        revision=snapshot.revision if snapshot else 0,
        groups=_groups(facts),
        devices=tuple(_devices(facts, read) for read in facts.devices),
        changes_since=_changes_since(facts),
        changes=_changes(facts),
        drift=_drift(facts),
        warnings=tuple(snapshot.payload.get("diagnostics", {}).get("warnings", ())) if snapshot else (),
        sources=_sources(facts),
        parts=[dict(part) for part in facts.parts],
        history=_history(facts, done, total),
        history_done=done,
        history_total=total,
        is_ready=readiness.is_ready,
        reasons=readiness.reasons,
        governance=facts.governance,
    )


def mood_of(facts: Facts) -> Mood:
    """Return which state the page is in; the gravest one wins."""
    if facts.problem:
        is_starting = any(part.get("phase") in {"waiting", "starting"} for part in facts.parts)
        return Mood.STARTING if is_starting and facts.snapshot is None else Mood.ERROR
    if facts.snapshot is None:
        return Mood.STARTING
    if facts.broken_reads:
        return Mood.PARTIAL
    if facts.is_stale:
        return Mood.STALE
    documents = [source["documents"] for source in facts.snapshot.payload.get("sources", {}).values()]
    return Mood.FRESH if any(documents) else Mood.EMPTY


def _banner(facts: Facts, mood: Mood) -> tuple[str, str]:
    broken = ", ".join(words.source_name(read.name) for read in facts.broken_reads)
    return {
        Mood.STARTING: (
            "Starting",
            "The first snapshot is being made. This page shows it as soon as it is there.",
        ),
        Mood.EMPTY: (
            "Nothing in the studio yet",
            "Every source was read whole, and every one of them is empty. This is not an error.",
        ),
        Mood.FRESH: ("Up to date", f"Every source was read whole.{_unknown_devices(facts)}"),
        Mood.STALE: (
            "Stale",
            (
                f"These numbers are older than {facts.stale_minutes} minutes. They were right then;"
                " the studio may have moved on. The next refresh replaces them."
            ),
        ),
        Mood.PARTIAL: (
            "Not all sources could be read",
            (
                f"The last read of {broken} did not see everything, so no new numbers were derived."
                " Below is the last good snapshot."
            ),
        ),
        Mood.ERROR: (
            "The database does not answer",
            (
                "Nothing can be shown for the moment and nothing was lost."
                " ./studio status says which part is affected."
            ),
        ),
    }[mood]


def _unknown_devices(facts: Facts) -> str:
    """Return a sentence that names the connectors whose devices nobody knows now; empty for none."""
    names = [
        words.connector_name(read.connector_id)
        for read in facts.devices
        if read.status(facts.now, facts.device_stale_minutes) in {ReadingStatus.OLD, ReadingStatus.NEVER}
    ]
    return f" But how these devices are is not known now: {', '.join(names)}." if names else ""


def _groups(facts: Facts) -> list[tuple[str, list[Tile]]]:
    if facts.snapshot is None:
        return []
    payload = facts.snapshot.payload
    values = {
        f"{section}.{name}": int(value)
        for section in ("counts", "ops", "finance")
        for name, value in payload.get(section, {}).items()
    }
    changed = {item.counter: item.delta for item in facts.diff.changes} if facts.diff else {}
    known = {path for _, group in words.GROUPS for path, _ in group}
    rest = tuple((path, words.label(path)) for path in values if path not in known)
    return [
        (
            title,
            [
                Tile(
                    path,
                    text,
                    words.number(path, values[path]),
                    words.change(path, changed[path]) if changed.get(path) else "",
                    path in words.WANT_ATTENTION and values[path] > 0,
                )
                for path, text in group
                if path in values
            ],
        )
        for title, group in (*words.GROUPS, *((("Other", rest),) if rest else ()))
    ]


def _devices(facts: Facts, read: ConnectorRead) -> DeviceGroup:
    status = read.status(facts.now, facts.device_stale_minutes)
    is_read = read.read_at is not None and status is not ReadingStatus.NOT_CONFIGURED
    age = (facts.now - read.read_at).total_seconds() if is_read and read.read_at else 0.0
    is_current = status is ReadingStatus.CURRENT
    return DeviceGroup(
        name=words.connector_name(read.connector_id),
        status=status.value,
        status_words=words.DEVICE_STATUS[status.value],
        notes=tuple(note for note in _device_notes(facts, read, status) if note),
        counts=tuple(
            Tile(
                f"devices.{read.connector_id}.{name}",
                label,
                f"{read.counts[name]:,}",
                "",
                name in words.DEVICES_WANT_ATTENTION and read.counts[name] > 0,
            )
            for name, label in words.DEVICE_COUNTS
            if is_current and name in read.counts
        ),
        read_at=words.local_time(read.read_at, facts.timezone) if is_read and read.read_at else "",
        read_at_iso=read.read_at.isoformat() if is_read and read.read_at else "",
        age=words.ago(age) if is_read else "",
    )


def _device_notes(facts: Facts, read: ConnectorRead, status: ReadingStatus) -> tuple[str, ...]:
    said = words.device_status(status.value)
    if status is ReadingStatus.NOT_CONFIGURED:
        return (said,)
    retry = read.next_retry_at
    again = (
        ""
        if retry is None or retry <= facts.now
        else f"Asked again from {words.local_time(retry, facts.timezone)}."
    )
    return (said, words.fault(read.fault.value if read.fault else None), again)


def _changes_since(facts: Facts) -> str:
    diff = facts.diff
    if diff is None:
        return ""
    if diff.from_read_at is None:
        return "This is the first snapshot; there is nothing to compare it with yet."
    return f"since {words.local_time(diff.from_read_at, facts.timezone)}"


def _changes(facts: Facts) -> list[tuple[str, str, str, str]]:
    if facts.diff is None or facts.diff.from_date is None:
        return []
    return [
        (
            words.label(item.counter),
            words.number(item.counter, item.old),
            words.number(item.counter, item.new),
            words.change(item.counter, item.delta),
        )
        for item in facts.diff.changes
    ]


def _drift(facts: Facts) -> str:
    compared = [metric for metric in facts.drift if metric.confidence >= CHECKED_AGAINST]
    if not compared:
        return ""
    off = [metric for metric in compared if metric.is_drift]
    if not off:
        return f"{len(compared)} of these numbers were counted again by the source itself, and agree."
    told = ", ".join(
        f"{words.label(metric.metric)} ({metric.observed}, the source says {metric.expected})"
        for metric in off
    )
    return f"The source itself counts differently: {told}."


def _sources(facts: Facts) -> list[Source]:
    return [
        Source(
            read.source,
            words.source_name(read.name),
            f"{read.documents:,}" if read.completeness is Completeness.FULL else "not known",
            read.completeness.value,
            len(read.quarantined),
            words.local_time(read.read_at, facts.timezone),
            read.read_at.isoformat(),
            read.reason or "",
        )
        for read in facts.newest_reads
    ]


def _history(facts: Facts, done: int, total: int) -> str:
    if not total:
        return ""
    if problem := facts.history.get("problem"):
        return f"{done} of {total} past days are rebuilt. {problem}"
    if done >= total:
        return "1 past day is in the history." if total == 1 else f"{total} past days are in the history."
    return f"{done} of {total} past days are rebuilt; the rest follows, newest first."
