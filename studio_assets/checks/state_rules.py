"""What must hold of a snapshot document, whatever the cloud says: pure rules over the stored payload."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resources.rows import Completeness
from studio_assets.studio_state.snapshot import REQUIRED, content_hash, flat_counters

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


STATE_RULES: tuple[StateRule, ...] = (
    StateRule("batches_are_conserved", "Every batch that was read is either active or closed.", _unconserved),
    StateRule("counters_are_not_negative", "No counter is below zero.", _negative),
    StateRule("parts_fit_their_whole", "A counter of a part is not above that of its whole.", _larger_parts),
    StateRule("hash_matches_payload", "The stored hash is that of the stored document.", _mismatched),
    StateRule("sources_are_full", "Every source is there and was read whole.", _not_full),
)
