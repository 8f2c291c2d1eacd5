"""Is it alive, is it ready. Ready = database, daemon, and a fresh enough snapshot; reasons are listed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from cockpit.facts import Facts
from cockpit.words import source_name

# The daemon signs in every 30 seconds; three missed signs mean that it is gone or stuck.
HEARTBEAT_LIMIT: Final = timedelta(seconds=100)


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer of ``/readyz``. ``reasons`` holds one sentence per thing that is missing."""

    checks: Mapping[str, bool]
    reasons: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        """Whether everything that was asked for is there."""
        return all(self.checks.values())

    def describe(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"ready": self.is_ready, "reasons": list(self.reasons), "checks": dict(self.checks)}


def judge(facts: Facts) -> Readiness:
    """Return whether the house is ready, from the facts alone."""
    reasons = {
        "database": facts.problem,
        "daemon": _daemon(facts),
        "snapshot": _snapshot(facts),
    }
    checks = {name: not reason for name, reason in reasons.items()}
    return Readiness(checks, tuple(reason for reason in reasons.values() if reason))


def stale_reasons(facts: Facts) -> tuple[str, ...]:
    """Return why the current numbers may not be what the cloud says now, one sentence each; empty when fresh.

    A read that did not see everything makes no snapshot, so what is shown is the last good one.
    """
    broken = tuple(
        f"The last read of {source_name(read.name)} did not see everything ({read.completeness.value}), so no"
        f" new numbers were derived{f': {read.reason}' if read.reason else '.'}"
        for read in facts.broken_reads
    )
    age = _snapshot(facts)
    return (*((age,) if age else ()), *broken)


def _daemon(facts: Facts) -> str:
    if facts.problem:
        return "The daemon's sign of life is in the database, which does not answer."
    told = next((part for part in facts.parts if part.get("name") == "daemon"), None)
    if told is not None and told.get("phase") != "ready":
        return f"The daemon is {told.get('phase')}."
    if facts.heartbeat_at is None:
        return "The daemon has given no sign of life yet."
    silent = facts.now - facts.heartbeat_at
    if silent > HEARTBEAT_LIMIT:
        return f"The daemon has given no sign of life for {silent.total_seconds():.0f} s."
    return ""


def _snapshot(facts: Facts) -> str:
    if facts.problem:
        return "The snapshot is in the database, which does not answer."
    if facts.snapshot is None:
        return "There is no snapshot yet."
    if facts.is_stale:
        return (
            f"The snapshot shows the cloud as it was {facts.age_minutes:.0f} minutes ago;"
            f" it is stale after {facts.stale_minutes}."
        )
    return ""
