"""The gateway's views: what is so now for the house, and ids, states, times and counts for analysts.

INVARIANT: no free text. Rationale, reasons, notes and inputs stay in the schema ``studio``.
"""

# ruff: noqa: S608 - the SQL is made of this module's names

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Table

from resources.postgres import tables_governance as tables
from resources.postgres.tables import SCHEMA
from resources.postgres.views import ANALYTICS, VIEWS, View, ViewColumn, columns_from, select_from
from resources.postgres.views_connectors import CONNECTOR_VIEWS
from resources.postgres.views_swarms import SWARM_VIEWS

_INSTANT: Final = "timestamp with time zone"
_OF_PROPOSAL: Final = ("studio_id", "proposal_id", "version")


def _plain(name: str, meaning: str, table: Table, *names: str) -> View:
    columns = columns_from(table, *names)
    return View(ANALYTICS, name, meaning, columns, select_from(columns, table.fullname))


_SWITCH_COLUMNS: Final = [
    *columns_from(tables.KILL_SWITCH_CHANGES, "studio_id", "revision", "kind"),
    ViewColumn("is_on", "boolean", "Whether new external writes are stopped."),
    *columns_from(tables.KILL_SWITCH_CHANGES, "actor_id", "reason", "at", "audit_seq"),
]
_SWITCH_SQL: Final = (
    "SELECT DISTINCT ON (t.studio_id) t.studio_id, t.revision, t.kind, "
    "t.kind NOT IN ('opened', 'resumed') AS is_on, t.actor_id, t.reason, t.at, t.audit_seq "
    "FROM studio.kill_switch_changes AS t ORDER BY t.studio_id DESC, t.revision DESC"
)
_ENDED: Final = (
    ViewColumn("ended_at", _INSTANT, "When it was ended, UTC; null if nobody did."),
    ViewColumn("ended_by_kind", "text", "revoked or expired; null while nobody ended it."),
)
_EXEMPTION_COLUMNS: Final = [*columns_from(tables.EXEMPTIONS), *_ENDED]
_EXEMPTION_JOIN: Final = (
    "FROM studio.exemptions AS t LEFT JOIN studio.exemption_ends AS e USING (studio_id, exemption_id)"
)
_SHOWN_EXEMPTION: Final = columns_from(
    tables.EXEMPTIONS,
    *("studio_id", "exemption_id", "capability_id", "owner_id", "granted_by", "granted_at", "expires_at"),
)
_CHECK_COLUMNS: Final = columns_from(
    tables.GOVERNANCE_CHECKS, "studio_id", "name", "holds", "at", "audit_seq"
)


def _names(columns: Sequence[ViewColumn]) -> str:
    return ", ".join(f"t.{column.name}" for column in columns)


_INTERNAL: Final = (
    View(
        SCHEMA,
        "kill_switch_current",
        "One row per studio: the kill switch now. No row: it was never set, which counts as on.",
        _SWITCH_COLUMNS,
        _SWITCH_SQL,
    ),
    View(
        SCHEMA,
        "exemptions_current",
        "One row per exemption, with its end if it has one.",
        _EXEMPTION_COLUMNS,
        f"SELECT {_names(columns_from(tables.EXEMPTIONS))}, e.at AS ended_at, e.kind AS ended_by_kind "
        f"{_EXEMPTION_JOIN}",
    ),
    View(
        SCHEMA,
        "governance_checks_current",
        "One row per governance check: whether it holds now.",
        _CHECK_COLUMNS,
        select_from(
            _CHECK_COLUMNS,
            "studio.governance_checks",
            "ORDER BY t.studio_id, t.name, t.audit_seq DESC",
            "DISTINCT ON (t.studio_id, t.name)",
        ),
    ),
)

_PROPOSAL_COLUMNS: Final = columns_from(
    tables.PROPOSALS,
    *("studio_id", "proposal_id", "capability_id", "state", "version", "input_hash", "requester_id"),
    *("requester_kind", "requester_principal_id", "owner_id", "created_at", "updated_at", "expires_at"),
    *("intake", "is_intake_blocked", "intake_classifier", "audit_seq"),
)
_EVENT_COLUMNS: Final = columns_from(
    tables.AUDIT_EVENTS,
    *("studio_id", "seq", "name", "at", "actor_id", "actor_kind", "principal_id", "subject_kind"),
    *("subject_id", "state", "payload"),
)
_QUOTA_COLUMNS: Final = columns_from(
    tables.QUOTA_BUCKETS,
    *("studio_id", "capability_id", "scope", "subject_id", "limit_count", "window_seconds", "used"),
    *("window_started_at", "last_used_at"),
)

_ANALYTICS: Final = (
    View(
        ANALYTICS,
        "proposals",
        "One row per proposal as it stands now, without what people wrote.",
        [
            *_PROPOSAL_COLUMNS,
            ViewColumn("evidence_count", "integer", "How many revisions or findings it rests on."),
            ViewColumn("has_dry_run", "boolean", "Whether the target was asked what would happen."),
            ViewColumn("approvals_given", "bigint", "People who have approved this version's execution."),
            ViewColumn("approvals_required", "integer", "People who must; null if no longer registered."),
        ],
        f"SELECT {_names(_PROPOSAL_COLUMNS)}, jsonb_array_length(t.evidence) AS evidence_count, "
        "t.dry_run IS NOT NULL AS has_dry_run, (SELECT count(DISTINCT a.approver_id) "
        "FROM studio.approvals AS a WHERE a.studio_id = t.studio_id AND a.proposal_id = t.proposal_id "
        "AND a.version = t.version AND a.kind = 'execute') AS approvals_given, c.approvals_required "
        "FROM studio.proposals AS t LEFT JOIN studio.capabilities AS c USING (capability_id)",
    ),
    _plain(
        "approvals",
        "One row per person's yes to one version of a proposal, without the reason.",
        tables.APPROVALS,
        *_OF_PROPOSAL,
        *("approval_id", "kind", "input_hash", "approver_id", "role", "at", "expires_at", "audit_seq"),
    ),
    _plain(
        "executions",
        "One row per attempt to carry a proposal out or to roll it back.",
        tables.EXECUTIONS,
        *_OF_PROPOSAL,
        *("execution_id", "kind", "state", "executor_id", "fence", "started_at", "finished_at"),
        *("failure_code", "exemption_id", "audit_seq"),
    ),
    View(
        ANALYTICS,
        "audit_events",
        "One row per audit event: who did what when, with the hashes that chain the log.",
        [
            *_EVENT_COLUMNS,
            ViewColumn("prev_hash", "text", "Hash of the entry before, in hex; 64 zeros in the first."),
            ViewColumn("hash", "text", "Hash of the entry, in hex."),
        ],
        f"SELECT {_names(_EVENT_COLUMNS)}, encode(t.prev_hash, 'hex') AS prev_hash, "
        "encode(t.hash, 'hex') AS hash FROM studio.audit_events AS t",
    ),
    View(
        ANALYTICS,
        "kill_switch",
        "One row per change of the kill switch; the highest revision is what holds.",
        [column for column in _SWITCH_COLUMNS if column.name != "reason"],
        "SELECT t.studio_id, t.revision, t.kind, t.kind NOT IN ('opened', 'resumed') AS is_on, t.actor_id, "
        "t.at, t.audit_seq FROM studio.kill_switch_changes AS t",
    ),
    View(
        ANALYTICS,
        "exemptions",
        "One row per exemption from approval, with its end if it has one.",
        [*_SHOWN_EXEMPTION, *_ENDED],
        f"SELECT {_names(_SHOWN_EXEMPTION)}, e.at AS ended_at, e.kind AS ended_by_kind {_EXEMPTION_JOIN}",
    ),
    View(
        ANALYTICS,
        "quotas",
        "One row per quota that was ever used. A window that is over counts as unused at the next use.",
        [
            *_QUOTA_COLUMNS,
            ViewColumn("window_ends_at", _INSTANT, "When the window ends, UTC; null if none began."),
        ],
        f"SELECT {_names(_QUOTA_COLUMNS)}, t.window_started_at + make_interval(secs => t.window_seconds) "
        "AS window_ends_at FROM studio.quota_buckets AS t",
    ),
    View(
        ANALYTICS,
        "governance_checks",
        "One row per turn of a governance check, red or green.",
        _CHECK_COLUMNS,
        select_from(_CHECK_COLUMNS, "studio.governance_checks"),
    ),
)

ALL_VIEWS: Final[Sequence[View]] = (*VIEWS, *_INTERNAL, *_ANALYTICS, *CONNECTOR_VIEWS, *SWARM_VIEWS)
