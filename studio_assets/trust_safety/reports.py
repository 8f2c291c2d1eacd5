"""Reading open reports' notes in memory and suggesting for each: the one place that sees members' words.

The note is not a column of the contract of reports and is never stored: what leaves this module is a
classification, a hash of the text, and counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from resources.firestore.gateway import CollectionQuery, DocumentSource, ScanStats, Where
from resources.postgres.triage import NewSuggestion
from studio_assets.contracts.community import COMMUNITY_REPORTS
from studio_assets.trust_safety.triage import Suggestion, Triage

NOTE: Final = "note"
"""Field read in memory only, besides the contract's columns."""
OPEN: Final = ("open", "triaged")


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a look at the open reports. ``without_note`` counts those that say nothing in words."""

    suggestions: tuple[NewSuggestion, ...]
    without_note: int


def suggest_for_open(documents: DocumentSource, triage: Triage, *, read_time: datetime) -> Looked:
    """Return suggestions for the reports that are open at ``read_time``, in document-id order.

    Raises:
        SourceUnreadableError: when the reports cannot be read whole; nothing is suggested then.
    """
    suggestions, without_note = [], 0
    for report_id, note in _notes(documents, read_time):
        if isinstance(note, str) and note.strip():
            suggestions.append(to_keep(report_id, triage.suggest(note)))
        else:
            without_note += 1
    return Looked(tuple(suggestions), without_note)


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


def _notes(documents: DocumentSource, read_time: datetime) -> Iterator[tuple[str, Any]]:
    query = CollectionQuery(COMMUNITY_REPORTS.path, (NOTE,), (Where("status", "in", list(OPEN)),))
    for batch in documents.scan(query, read_time=read_time, stats=ScanStats()):
        for report_id, record in zip(batch.ids, batch.records, strict=True):
            yield report_id, record.get(NOTE)
