"""The tables of swarms and of people's word on what they made; as in ``tables.py``, the comments describe.

Who decides what, and that an event of the same transaction tells of it, is held by triggers.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from resources.postgres.table_parts import described, recorded_at_column, studio_column
from resources.postgres.tables import METADATA, SCHEMA
from resources.postgres.tables_findings import FINDINGS, revision_columns
from resources.postgres.values import ForeignText, Instant


def _decision() -> tuple[Column[Any], ...]:
    return (
        described("by", Text, "Pseudonym of the person who decided."),
        described("reason", ForeignText, "Why, in the person's words."),
        described("at", Instant, "When it was decided, UTC."),
        described("audit_seq", BigInteger, "Sequence number of the audit event that recorded it."),
        recorded_at_column(),
    )


def _key(table: str, *columns: str) -> list[str]:
    return [f"{SCHEMA}.{table}.{column}" for column in columns]


SWARM_CONTROLS = Table(
    "swarm_controls",
    METADATA,
    studio_column(),
    described("department", Text, "Whose swarm, such as operations."),
    described("kind", Text, "paused or resumed; a swarm without any row runs."),
    *_decision(),
    PrimaryKeyConstraint("studio_id", "department", "audit_seq", name="swarm_controls_pkey"),
    comment="One row per pause or resumption of a department's swarm; the newest is what holds.",
)

_FINDING: Final = ("studio_id", "finding_id", "revision")

FINDING_DISPOSITIONS = Table(
    "finding_dispositions",
    METADATA,
    studio_column(),
    described("finding_id", Text, "The finding that was judged."),
    described("revision", Integer, "Its revision, as the person saw it."),
    described("verdict", Text, "useful, noise (true, not worth a look) or wrong (not true)."),
    *_decision(),
    PrimaryKeyConstraint("studio_id", "finding_id", "audit_seq", name="finding_dispositions_pkey"),
    ForeignKeyConstraint(list(_FINDING), _key(FINDINGS.name, *_FINDING), name="finding_dispositions_finding"),
    Index("finding_dispositions_by_time", "studio_id", "at"),
    comment="One row per word of a person on a finding; the newest of a finding is what counts.",
)

_DRAFT: Final = ("studio_id", "draft_id", "revision")

MARKETING_DRAFTS = Table(
    "marketing_drafts",
    METADATA,
    studio_column(),
    described("draft_id", Text, "drf_ and 20 hex digits; the same channel and topic always have the same."),
    *revision_columns("draft"),
    described("channel", Text, "Where it would be published, such as instagram."),
    described("variant", Text, "Which of several wordings."),
    described(
        "status", Text, "draft, needs_review, approved_for_publish or rejected; all but the first by people."
    ),
    described("subject", ForeignText, "Subject or headline; null where the channel has none.", null=True),
    described("body", ForeignText, "The words of the draft."),
    described(
        "facts", JSONB, "What each claim rests on: facts with their rows and values; no personal data."
    ),
    described("template", Text, "Template it was made from."),
    described("template_version", Text, "Version of the template."),
    described("content_hash", Text, "SHA-256 of the words and what they are for."),
    described("snapshot_date", Date, "Studio-local day of the snapshot its facts are from."),
    described("snapshot_revision", Integer, "Revision of that snapshot."),
    described("at", Instant, "When it was drafted, or reviewed, UTC."),
    described("run_id", Text, "Dagster run that wrote the row; review and a number where a review did."),
    described("code_version", Text, "Version of the code that drafted it."),
    recorded_at_column(),
    PrimaryKeyConstraint(*_DRAFT, name="marketing_drafts_pkey"),
    ForeignKeyConstraint(
        ["studio_id", "draft_id", "previous_revision"],
        _key("marketing_drafts", *_DRAFT),
        name="marketing_drafts_no_gap",
    ),
    Index("marketing_drafts_by_time", "studio_id", "at"),
    comment="One row per revision of a draft: drafted, drafted anew, reviewed. A review writes the next one.",
)

DRAFT_REVIEWS = Table(
    "draft_reviews",
    METADATA,
    studio_column(),
    described("draft_id", Text, "The draft that was reviewed."),
    described("revision", Integer, "Its revision before; the review made the next one."),
    described("from_status", Text, "Status before."),
    described("to_status", Text, "Status after."),
    described("subject", ForeignText, "The subject as edited; null when it was left as it was.", null=True),
    described("body", ForeignText, "The words as edited; null when they were left as they were.", null=True),
    described("before_hash", Text, "Content hash before."),
    described("after_hash", Text, "Content hash after; another one only when words were edited."),
    *_decision(),
    PrimaryKeyConstraint(*_DRAFT, name="draft_reviews_pkey"),
    UniqueConstraint("studio_id", "audit_seq", name="draft_reviews_one_event"),
    ForeignKeyConstraint(list(_DRAFT), _key("marketing_drafts", *_DRAFT), name="draft_reviews_draft"),
    comment="One row per review of a draft by a person.",
)

_TRIAGE: Final = ("studio_id", "report_id", "revision")

TRIAGE_SUGGESTIONS = Table(
    "triage_suggestions",
    METADATA,
    studio_column(),
    described("report_id", Text, "The report, by its document id."),
    *revision_columns("suggestion"),
    described("category", Text, "What it is about; null where nothing is suggested.", null=True),
    described("severity", Text, "low, medium, high or critical; null where nothing is suggested.", null=True),
    described("reason_code", Text, "Why, as a stable code; never words of the report."),
    described("confidence", Double, "0 to 1: how sure the classifier is."),
    described("is_abstained", Boolean, "Whether the classifier would rather not say; a person has to look."),
    described("classifier", Text, "What suggested it, with its version."),
    described("text_hash", Text, "SHA-256 of the text it looked at; the text is not kept."),
    described("at", Instant, "When it was suggested, UTC."),
    described("run_id", Text, "Dagster run that wrote the row."),
    recorded_at_column(),
    PrimaryKeyConstraint(*_TRIAGE, name="triage_suggestions_pkey"),
    ForeignKeyConstraint(
        ["studio_id", "report_id", "previous_revision"],
        _key("triage_suggestions", *_TRIAGE),
        name="triage_suggestions_no_gap",
    ),
    comment="One row per revision of what is suggested for a report; suggesting the same again writes none.",
)

TRIAGE_DECISIONS = Table(
    "triage_decisions",
    METADATA,
    studio_column(),
    described("report_id", Text, "The report that was decided on."),
    described("revision", Integer, "Revision of the suggestion that was there; a trigger gives it."),
    described("category", Text, "What the person says it is about."),
    described("severity", Text, "How bad the person says it is: low, medium, high or critical."),
    described("verdict", Text, "confirmed: as suggested; edited: something else."),
    *_decision(),
    PrimaryKeyConstraint("studio_id", "report_id", "audit_seq", name="triage_decisions_pkey"),
    ForeignKeyConstraint(
        list(_TRIAGE), _key("triage_suggestions", *_TRIAGE), name="triage_decisions_suggestion"
    ),
    comment="One row per decision of a person on a report; the newest of a report is what counts.",
)

SWARM_TABLES: Final = (
    *(SWARM_CONTROLS, FINDING_DISPOSITIONS, MARKETING_DRAFTS, DRAFT_REVIEWS),
    *(TRIAGE_SUGGESTIONS, TRIAGE_DECISIONS),
)
