"""The views of swarms, of drafts and of triage, and of what people make of them.

INVARIANT: no free text for analysts. Reasons and the words of drafts stay in the schema ``studio``.
"""

# ruff: noqa: S608 - the SQL is made of this module's names

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Table

from resources.postgres.tables import SCHEMA
from resources.postgres.tables_findings import FINDINGS
from resources.postgres.tables_swarms import (
    DRAFT_REVIEWS,
    FINDING_DISPOSITIONS,
    MARKETING_DRAFTS,
    SWARM_CONTROLS,
    TRIAGE_DECISIONS,
    TRIAGE_SUGGESTIONS,
)
from resources.postgres.views import ANALYTICS, View, ViewColumn, columns_from, select_from

_WORDS: Final = ("reason", "subject", "body", "previous_revision")


def _columns(table: Table, *without: str) -> list[ViewColumn]:
    return [column for column in columns_from(table) if column.name not in {"previous_revision", *without}]


def _newest(table: Table, key: str, order: str) -> View:
    """Return the view of the newest row per ``key``."""
    columns = _columns(table)
    newer = (
        f"SELECT FROM {table.fullname} AS newer WHERE newer.studio_id = t.studio_id "
        f"AND newer.{key} = t.{key} AND newer.{order} > t.{order}"
    )
    sql = select_from(columns, table.fullname, f"WHERE NOT EXISTS ({newer})")
    return View(SCHEMA, f"{table.name}_current", f"One row per {key}: the newest.", columns, sql)


def _wordless(name: str, meaning: str, table: Table, source: str) -> View:
    columns = _columns(table, *_WORDS)
    return View(ANALYTICS, name, meaning, columns, select_from(columns, source))


_INTERNAL: Final = (
    _newest(SWARM_CONTROLS, "department", "audit_seq"),
    _newest(FINDING_DISPOSITIONS, "finding_id", "audit_seq"),
    _newest(MARKETING_DRAFTS, "draft_id", "revision"),
    _newest(TRIAGE_SUGGESTIONS, "report_id", "revision"),
    _newest(TRIAGE_DECISIONS, "report_id", "audit_seq"),
)

_OF_FINDING: Final = columns_from(FINDINGS, "department", "detector", "kind")
_COUNT: Final = (
    ViewColumn("marked", "bigint", "Findings that a person has marked."),
    ViewColumn("useful", "bigint", "Of these, useful by the newest mark."),
    ViewColumn("noise", "bigint", "Of these, noise: true, and not worth a look."),
    ViewColumn("wrong", "bigint", "Of these, wrong: not true."),
    ViewColumn("acceptance_rate", "numeric", "useful / marked, 0 to 1, four places."),
)
_ACCEPTANCE_SQL: Final = """
SELECT d.studio_id, f.department, f.detector, f.kind, count(*) AS marked,
    count(*) FILTER (WHERE d.verdict = 'useful') AS useful,
    count(*) FILTER (WHERE d.verdict = 'noise') AS noise,
    count(*) FILTER (WHERE d.verdict = 'wrong') AS wrong,
    round(count(*) FILTER (WHERE d.verdict = 'useful')::numeric / count(*), 4) AS acceptance_rate
FROM studio.finding_dispositions_current AS d
JOIN studio.findings AS f USING (studio_id, finding_id, revision)
GROUP BY d.studio_id, f.department, f.detector, f.kind"""

_JUDGED: Final = (
    ViewColumn("decided_category", "text", "What a person said; null while nobody did."),
    ViewColumn("decided_severity", "text", "How bad a person said it is; null while nobody did."),
    ViewColumn("verdict", "text", "confirmed or edited; null while nobody decided."),
    ViewColumn("decided_revision", "integer", "Revision of the suggestion the person saw; null if none."),
)
_SUGGESTION: Final = _columns(TRIAGE_SUGGESTIONS)
_TRIAGE_SQL: Final = (
    f"SELECT {', '.join(f't.{column.name}' for column in _SUGGESTION)}, d.category AS decided_category, "
    "d.severity AS decided_severity, d.verdict, d.revision AS decided_revision "
    "FROM studio.triage_suggestions_current AS t "
    "LEFT JOIN studio.triage_decisions_current AS d USING (studio_id, report_id)"
)

_ANALYTICS: Final = (
    _wordless(
        "swarm_controls",
        "One row per pause or resumption of a swarm; the highest audit_seq of a department holds.",
        SWARM_CONTROLS,
        SWARM_CONTROLS.fullname,
    ),
    View(
        ANALYTICS,
        "finding_dispositions",
        "One row per word of a person on a finding, with what kind of finding it is.",
        [*_columns(FINDING_DISPOSITIONS, *_WORDS), *_OF_FINDING],
        f"SELECT {', '.join(f't.{column.name}' for column in _columns(FINDING_DISPOSITIONS, *_WORDS))}, "
        "f.department, f.detector, f.kind FROM studio.finding_dispositions AS t "
        "JOIN studio.findings AS f USING (studio_id, finding_id, revision)",
    ),
    View(
        ANALYTICS,
        "finding_acceptance",
        "One row per department, detector and kind that people have marked: how many were worth it.",
        [*columns_from(FINDINGS, "studio_id"), *_OF_FINDING, *_COUNT],
        _ACCEPTANCE_SQL,
    ),
    _wordless(
        "marketing_drafts",
        "One row per draft as it is now, without its words.",
        MARKETING_DRAFTS,
        "studio.marketing_drafts_current",
    ),
    _wordless(
        "draft_reviews",
        "One row per review of a draft by a person.",
        DRAFT_REVIEWS,
        DRAFT_REVIEWS.fullname,
    ),
    View(
        ANALYTICS,
        "triage",
        "One row per report: the newest suggestion, and what a person decided.",
        [*_SUGGESTION, *_JUDGED],
        _TRIAGE_SQL,
    ),
)

SWARM_VIEWS: Final[Sequence[View]] = (*_INTERNAL, *_ANALYTICS)
