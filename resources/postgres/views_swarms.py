"""The views of swarms, of drafts and of triage, and of what people make of them.

INVARIANT: no free text for analysts. Reasons and the words of drafts stay in the schema ``studio``.
"""

# ruff: noqa: S608 - the SQL is made of this module's names

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Table

from policies.marks import TickEvent
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
from resources.postgres.views import ANALYTICS, View, ViewColumn, columns_from, newest_of_each, select_from

_WORDS: Final = ("reason", "subject", "body", "previous_revision")


def _columns(table: Table, *without: str) -> list[ViewColumn]:
    return [column for column in columns_from(table) if column.name not in {"previous_revision", *without}]


def _newest(table: Table, key: str, order: str) -> View:
    """Return the view of the newest row per ``key``."""
    columns = _columns(table)
    sql = newest_of_each(table, key, order, columns)
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

_SCORES: Final = (
    ViewColumn("department", "text", "Whose findings and swarm."),
    ViewColumn("findings", "bigint", "Findings there ever were."),
    *_COUNT[:-1],
    ViewColumn("acceptance_rate", "numeric", "useful / marked, 0 to 1, four places; null without marks."),
    ViewColumn("proposed", "bigint", "Findings its swarm has proposed something about."),
    ViewColumn("approved", "bigint", "Of these, approved by as many people as it takes, at first decision."),
    ViewColumn("rejected", "bigint", "Of these, rejected at first decision."),
    ViewColumn("suppressed", "jsonb", "Reason -> revisions of findings the swarm passed over for it."),
    ViewColumn(
        "hours_to_proposal", "double precision", "Median from first seen to proposed; null without any."
    ),
    ViewColumn(
        "hours_to_decision", "double precision", "Median from proposed to first decided; null without any."
    ),
)
# Events say what a swarm did in a tick; the cursor, which says the same, is Dagster's and not here.
_OF_TICKS: Final = ", ".join(f"'swarm:%:{event}'" for event in TickEvent)
_SCORES_SQL: Final = f"""
WITH seen AS (
    SELECT studio_id, department, finding_id, min(observed_at) AS at
    FROM studio.findings GROUP BY studio_id, department, finding_id
), proposed AS (
    SELECT DISTINCT ON (studio_id, dedupe_key) studio_id, dedupe_key AS finding_id, proposal_id,
        created_at AS at
    FROM studio.proposals WHERE requester_kind = 'system' AND dedupe_key LIKE 'fnd@_%' ESCAPE '@'
    ORDER BY studio_id, dedupe_key, created_at
), decided AS (
    SELECT DISTINCT ON (studio_id, subject_id) studio_id, subject_id AS proposal_id, state, at
    FROM studio.audit_events
    WHERE subject_kind = 'proposal' AND state IN ('approved', 'rejected')
    ORDER BY studio_id, subject_id, seq
), passed AS (
    SELECT e.studio_id, e.subject_id AS department, s.key AS why, sum(s.value::bigint) AS times
    FROM studio.audit_events AS e
    CROSS JOIN LATERAL jsonb_each_text(e.payload::jsonb -> 'details' -> 'suppressed') AS s
    WHERE e.subject_kind = 'swarm' AND e.name LIKE ANY (ARRAY[{_OF_TICKS}])
    GROUP BY e.studio_id, e.subject_id, s.key
)
SELECT f.studio_id, f.department, count(*) AS findings, count(m.verdict) AS marked,
    count(*) FILTER (WHERE m.verdict = 'useful') AS useful,
    count(*) FILTER (WHERE m.verdict = 'noise') AS noise,
    count(*) FILTER (WHERE m.verdict = 'wrong') AS wrong,
    round(count(*) FILTER (WHERE m.verdict = 'useful')::numeric / nullif(count(m.verdict), 0), 4)
        AS acceptance_rate,
    count(p.proposal_id) AS proposed, count(*) FILTER (WHERE d.state = 'approved') AS approved,
    count(*) FILTER (WHERE d.state = 'rejected') AS rejected,
    coalesce((SELECT jsonb_object_agg(why, times) FROM passed AS s
        WHERE s.studio_id = f.studio_id AND s.department = f.department), '{{}}'::jsonb) AS suppressed,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM p.at - f.at)::double precision / 3600)
        AS hours_to_proposal,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.at - p.at)::double precision / 3600)
        AS hours_to_decision
FROM seen AS f
LEFT JOIN studio.finding_dispositions_current AS m USING (studio_id, finding_id)
LEFT JOIN proposed AS p USING (studio_id, finding_id)
LEFT JOIN decided AS d USING (studio_id, proposal_id)
GROUP BY f.studio_id, f.department"""

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
    View(
        ANALYTICS,
        "swarm_scorecard",
        "One row per department: how findings were received, what was proposed and passed over, how fast.",
        [*columns_from(FINDINGS, "studio_id"), *_SCORES],
        _SCORES_SQL,
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
