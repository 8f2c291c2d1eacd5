"""Reading open reports' notes in memory and suggesting for each: the one place that sees members' words.

What is read here the contract of reports lists as ``in_memory``: what leaves this module is a classification,
hashes, and counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from resources.firestore.gateway import CollectionQuery, DocumentSource, ScanStats, Where
from resources.postgres.triage import NewSuggestion
from studio_assets.contracts.community import COMMUNITY_REPORTS
from studio_assets.studio_state.predicates import OPEN_REPORT
from studio_assets.trust_safety.rules import target_hash
from studio_assets.trust_safety.triage import Suggestion, Triage

FIELDS: Final = tuple(column.path for column in COMMUNITY_REPORTS.in_memory)


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a look at the open reports.

    Attributes:
        suggestions: One for each that says something in words.
        without_note: How many say nothing.
        targets: Report -> hash of the content it is about, where it says so.
    """

    suggestions: tuple[NewSuggestion, ...]
    without_note: int
    targets: Mapping[str, str] = field(default_factory=dict)


def suggest_for_open(documents: DocumentSource, triage: Triage, *, read_time: datetime) -> Looked:
    """Return suggestions for the reports that are open at ``read_time``, in document-id order.

    Raises:
        SourceUnreadableError: when the reports cannot be read whole; nothing is suggested then.
    """
    suggestions, without_note, targets = [], 0, {}
    for report_id, note, target in _words(documents, read_time):
        if isinstance(note, str) and note.strip():
            suggestions.append(to_keep(report_id, triage.suggest(note)))
        else:
            without_note += 1
        if isinstance(target, str) and target:
            targets[report_id] = target_hash(target)
    return Looked(tuple(suggestions), without_note, targets)


def to_keep(report_id: str, made: Suggestion) -> NewSuggestion:
    """Return what is kept of a suggestion; a guess that was abstained from is not."""
    return NewSuggestion(
        report_id=report_id,
        category=None if made.is_abstained else made.category.value,
        severity=None if made.is_abstained else made.severity.value,
        reason_code=made.reason_code,
        confidence=made.confidence,
        is_abstained=made.is_abstained,
        classifier=made.classifier,
        text_hash=made.text_hash,
    )


def _words(documents: DocumentSource, read_time: datetime) -> Iterator[tuple[str, Any, Any]]:
    is_open = Where("status", "in", list(OPEN_REPORT))
    query = CollectionQuery(COMMUNITY_REPORTS.path, FIELDS, (is_open,))
    for batch in documents.scan(query, read_time=read_time, stats=ScanStats()):
        for report_id, record in zip(batch.ids, batch.records, strict=True):
            about = record.get("targetRef")
            yield report_id, record.get("note"), about.get("id") if isinstance(about, Mapping) else None
