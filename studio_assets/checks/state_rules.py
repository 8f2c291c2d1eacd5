"""What must hold of a snapshot document, whatever the cloud says: pure rules over the stored payload."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from resources.clock import instant_text
from resources.rows import Completeness, SourceRead
from studio_assets.contracts import catalog
from studio_assets.studio_state.snapshot import REQUIRED, content_hash, flat_counters, hash_of

SOURCES_ARE_FRESH = "sources_are_fresh"
SOURCES_ARE_FRESH_SENTENCE = "Every source of a running day was read recently enough."
SOURCE_NAMES = {
    "firestore": tuple(contract.name for contract in catalog.FIRESTORE),
    "stripe": tuple(contract.name for contract in catalog.STRIPE),
}

PARTS_OF = (
    ("counts.loansOverdue", "counts.loansOut"),
    ("ops.highSeverityReports", "counts.reportsOpen"),
    ("ops.agentRequestsPending", "ops.agentRequestsActive"),
    ("finance.staleCarts", "finance.pendingOrders"),
)
"""Counters that count a part of what another counts."""


@dataclass(frozen=True, slots=True)
class StateRule:
    """A property of a snapshot; ``broken`` returns what breaks it, in words, or nothing."""

    name: str
    sentence: str
    broken: Callable[[Mapping[str, Any], str], list[str]]


def _unconserved(payload: Mapping[str, Any], _: str) -> list[str]:
    counts = payload["counts"]
    counted = counts["batchesActive"] + counts["batchesClosed"]
    documents = payload["sources"]["batches"]["documents"]
    if counted == documents:
        return []
    return [f"{counted} batches are active or closed, but {documents} were read"]


def _negative(payload: Mapping[str, Any], _: str) -> list[str]:
    return [f"{name} is {value}" for name, value in flat_counters(payload).items() if value < 0]


def _larger_parts(payload: Mapping[str, Any], _: str) -> list[str]:
    values = flat_counters(payload)
    return [f"{part} exceeds {whole}" for part, whole in PARTS_OF if values[part] > values[whole]]


def _mismatched(payload: Mapping[str, Any], stored_hash: str) -> list[str]:
    return [] if content_hash(payload) == stored_hash else ["the payload hashes to something else"]


def _not_full(payload: Mapping[str, Any], _: str) -> list[str]:
    sources = payload["sources"]
    absent = [f"{name} is missing" for name in REQUIRED if name not in sources]
    full = Completeness.FULL.value
    return absent + [f"{name} is not full" for name, s in sources.items() if s["completeness"] != full]


def _unstated(payload: Mapping[str, Any], _: str) -> list[str]:
    found = [
        f"{name} states no {what}"
        for name, source in payload["sources"].items()
        for what in ("readAt", "hash", "documents", "billedReads", "mode")
        if source.get(what) is None
    ]
    states = {name: source["hash"] for name, source in payload["sources"].items()}
    for source, names in SOURCE_NAMES.items():
        if payload["sourceHashes"].get(source) != hash_of({name: states.get(name) for name in names}):
            found.append(f"the hash of {source} is not that of its collections")
    return found


def stale_reads(reads: Iterable[SourceRead], now: datetime, stale_minutes: int) -> list[str]:
    """Return the reads of a running day that are too old; exactly as old as allowed is still fresh."""
    oldest = now - timedelta(minutes=stale_minutes)
    return [
        f"{read.name} was last read at {instant_text(read.read_at)}"
        for read in reads
        if read.read_at < oldest
    ]


STATE_RULES: tuple[StateRule, ...] = (
    StateRule("batches_are_conserved", "Every batch that was read is either active or closed.", _unconserved),
    StateRule("counters_are_not_negative", "No counter is below zero.", _negative),
    StateRule("parts_fit_their_whole", "A counter of a part is not above that of its whole.", _larger_parts),
    StateRule("hash_matches_payload", "The stored hash is that of the stored document.", _mismatched),
    StateRule(
        "provenance_is_stated",
        "Every source says when and how it was read, and the source hashes are those of its collections.",
        _unstated,
    ),
    StateRule("sources_are_full", "Every source is there and was read whole.", _not_full),
)
