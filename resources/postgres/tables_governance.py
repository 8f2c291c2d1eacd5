"""The gateway's tables as they are now; same rules as ``tables.py``: only these comments describe a column.

Names are those of the dataclasses in ``policies``. What may be written when is enforced by triggers, see
``migrations/governance``.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from resources.postgres.table_parts import described, recorded_at_column, studio_column
from resources.postgres.tables import METADATA, SCHEMA
from resources.postgres.tables_connectors import CONNECTOR_BREAKERS
from resources.postgres.tables_findings import CONNECTOR_CONFIRMATIONS, CONNECTOR_READINGS, FINDINGS
from resources.postgres.tables_swarms import DRAFT_REVIEWS, SWARM_TABLES
from resources.postgres.values import ForeignText, Instant


def _seq(what: str, *, null: bool = False) -> Column[Any]:
    return described("audit_seq", BigInteger, f"Sequence number of the audit event {what}.", null=null)


def _proposal_key(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["studio_id", "proposal_id"],
        [f"{SCHEMA}.proposals.studio_id", f"{SCHEMA}.proposals.proposal_id"],
        name=f"{table}_proposal",
    )


CAPABILITIES = Table(
    "capabilities",
    METADATA,
    described("capability_id", Text, "Id of the capability, e.g. firestore.ops_note.append."),
    described("adapter", Text, "What carries it out; null: it can be proposed, never executed.", null=True),
    described("is_read_only", Boolean, "Whether it changes nothing outside."),
    described("requester_kinds", ARRAY(Text), "Kinds of actor that may propose it."),
    described("approvals_required", Integer, "Different people who must say yes; 0 only for reads."),
    described("approver_roles", ARRAY(Text), "Roles of which any one entitles to approve."),
    described("is_staff_required", Boolean, "Whether approvers must be staff, too."),
    described("is_four_eyes", Boolean, "Whether the requester may not approve."),
    described("is_exemptable", Boolean, "Whether an exemption may stand in for approvals."),
    described("longest_exemption_seconds", BigInteger, "Longest life of an exemption."),
    described("proposal_ttl_seconds", BigInteger, "How long a proposal may wait."),
    described("approval_ttl_seconds", BigInteger, "How long an approval stays good."),
    described("document", JSONB, "The whole capability as reviewed."),
    PrimaryKeyConstraint("capability_id", name="capabilities_pkey"),
    comment=(
        "One row per capability: copy of policies/capabilities.yaml made by the owner's migration, which the "
        "runtime cannot change. Triggers take quorum, roles and limits from here, never from a request."
    ),
)

CAPABILITY_QUOTAS = Table(
    "capability_quotas",
    METADATA,
    described("capability_id", Text, "Id of the capability."),
    described("scope", Text, "Whom use is counted for: actor, owner or capability."),
    described("limit_count", BigInteger, "Uses allowed in one window."),
    described("window_seconds", BigInteger, "Length of the window."),
    described("cooldown_seconds", BigInteger, "Least time between two uses; 0 for none."),
    PrimaryKeyConstraint("capability_id", "scope", name="capability_quotas_pkey"),
    ForeignKeyConstraint(
        ["capability_id"],
        [f"{SCHEMA}.capabilities.capability_id"],
        name="capability_quotas_capability_id_fkey",
        ondelete="CASCADE",
    ),
    comment="One row per quota of a capability; copied with it.",
)

AUDIT_EVENTS = Table(
    "audit_events",
    METADATA,
    studio_column(),
    described("seq", BigInteger, "Place in the studio's log; counts from 1 without gaps."),
    described("payload", Text, "The event, as canonical JSON text; hashed byte by byte. No free text."),
    described("prev_hash", LargeBinary, "hash of the entry before; 32 zero bytes in the first."),
    described("hash", LargeBinary, "SHA-256 over a zero byte and the entry; the leaf of the Merkle tree."),
    described("transaction_id", BigInteger, "PostgreSQL transaction that wrote it, with what it explains."),
    described("name", Text, "subject:object:action; copy from the payload, like the next seven."),
    described("at", Instant, "When it happened by the gateway's clock, UTC."),
    described("actor_id", Text, "Pseudonym of who did it."),
    described("actor_kind", Text, "human, staff, agent or system."),
    described("principal_id", Text, "Who answers for the actor: an agent's owner, else the actor."),
    described("subject_kind", Text, "What it is about: proposal, kill_switch, exemption, and so on."),
    described("subject_id", Text, "Which one it is about."),
    described("state", Text, "State of the subject afterwards; null if the event changes none.", null=True),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "seq", name="audit_events_pkey"),
    Index("audit_events_by_subject", "studio_id", "subject_kind", "subject_id", "seq"),
    comment=(
        "One row per audit event. Written only by append_audit_v1, in the transaction of the change it "
        "explains; the payload and the hashes are what counts, the other columns are for finding it."
    ),
)

_LIVE_STATES = "'draft', 'pending_approval', 'approved', 'executing', 'executed'"

PROPOSALS = Table(
    "proposals",
    METADATA,
    studio_column(),
    described("proposal_id", Text, "prp_ and 26 letters and digits, sortable by creation."),
    described("capability_id", Text, "What shall be done."),
    described(
        "state",
        Text,
        "draft, pending_approval, approved, rejected, executing, executed, failed, rolled_back or expired.",
    ),
    described("version", Integer, "Counts from 1; an edit or a reopening makes the next."),
    described("rationale", ForeignText, "Why, in the requester's words."),
    described("predicted_effects", JSONB, "What is expected to follow, a list of sentences."),
    described("evidence", JSONB, "What it rests on: a list of asset, revision and finding_id."),
    described("input", JSONB, "What the capability is asked to do; text in it is data, nothing else."),
    described("input_hash", Text, "SHA-256 over capability id and input; approvals bind to it."),
    described("requester_id", Text, "Pseudonym of who proposed it."),
    described("requester_kind", Text, "human, staff, agent or system."),
    described("requester_principal_id", Text, "Who answers for the requester: an agent's owner."),
    described("owner_id", Text, "Member whose things are touched; null where nobody's are.", null=True),
    described("dedupe_key", Text, "Two live proposals of a capability never share it.", null=True),
    described("dry_run", JSONB, "What the target said would happen; null before it was asked.", null=True),
    described("created_at", Instant, "When it was proposed, UTC."),
    described("updated_at", Instant, "When it became what it is, UTC."),
    described("expires_at", Instant, "After this instant nobody may approve it, UTC."),
    described("intake", Text, "Category found by screening, e.g. clear."),
    described("is_intake_blocked", Boolean, "Whether screening wants a person's override first."),
    described("intake_classifier", Text, "Which classifier said so, with its version."),
    described("state_reason", ForeignText, "Why it is in its state, in somebody's words.", null=True),
    _seq("that made the row what it is"),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "proposal_id", name="proposals_pkey"),
    Index(
        "proposals_live_dedupe",
        *("studio_id", "capability_id", "dedupe_key"),
        unique=True,
        postgresql_where=text(f"dedupe_key IS NOT NULL AND state IN ({_LIVE_STATES})"),
    ),
    Index("proposals_by_state", "studio_id", "state", "proposal_id"),
    Index(
        "proposals_by_dedupe",
        *("studio_id", "dedupe_key"),
        postgresql_where=text("dedupe_key IS NOT NULL"),
    ),
    comment="One row per proposal, as it stands now. Earlier versions are in proposal_versions.",
)

PROPOSAL_VERSIONS = Table(
    "proposal_versions",
    METADATA,
    studio_column(),
    described("proposal_id", Text, "The proposal."),
    described("version", Integer, "Its version."),
    described("rationale", ForeignText, "Rationale of the version."),
    described("predicted_effects", JSONB, "Predicted effects of the version."),
    described("evidence", JSONB, "Evidence of the version."),
    described("input", JSONB, "Input of the version."),
    described("input_hash", Text, "Hash of that input."),
    described("intake", Text, "What screening found in the version."),
    described("is_intake_blocked", Boolean, "Whether screening held the version back."),
    described("intake_classifier", Text, "Which classifier screened it."),
    described("at", Instant, "When the version was made, UTC."),
    described("expires_at", Instant, "When the version was to expire, UTC."),
    _seq("that made the version"),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "proposal_id", "version", name="proposal_versions_pkey"),
    _proposal_key("proposal_versions"),
    comment="One row per version of a proposal: what people saw when they decided. A trigger writes it.",
)

APPROVALS = Table(
    "approvals",
    METADATA,
    studio_column(),
    described("approval_id", Text, "Id of the approval."),
    described("proposal_id", Text, "What was approved."),
    described("version", Integer, "Which version; others are not approved by it."),
    described("kind", Text, "execute, or rollback of what was executed."),
    described("input_hash", Text, "Hash the person saw."),
    described("approver_id", Text, "Pseudonym of the person."),
    described("role", Text, "The role that entitled the person."),
    described("reason", ForeignText, "Why, in the person's words."),
    described("at", Instant, "When it was done, UTC."),
    described("expires_at", Instant, "From this instant on it counts no more, UTC."),
    _seq("that recorded it"),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "approval_id", name="approvals_pkey"),
    _proposal_key("approvals"),
    Index("approvals_by_proposal", "studio_id", "proposal_id", "version"),
    comment="One row per person's yes to one version of a proposal; never changed, only outlived.",
)

EXECUTIONS = Table(
    "executions",
    METADATA,
    studio_column(),
    described("execution_id", Text, "Id of the attempt."),
    described("proposal_id", Text, "What is carried out."),
    described("version", Integer, "Version of the proposal."),
    described("kind", Text, "execute or rollback."),
    described("state", Text, "intent (committed before the call), succeeded, failed or released."),
    described("input_hash", Text, "Hash of the input that is carried out."),
    described("idempotency_key", Text, "Same for all attempts: the target acts on it once."),
    described("executor_id", Text, "Who holds the lease, such as a run id."),
    described("fence", Integer, "Counts take-overs of the lease from 1; never falls."),
    described("lease_until", Instant, "From then on another executor may look up what happened, UTC."),
    described("started_at", Instant, "When the intent was recorded, UTC."),
    described("finished_at", Instant, "When the result was recorded, UTC; null before.", null=True),
    described("pointer", JSONB, "Where the effect is; null unless succeeded.", null=True),
    described("failure_code", Text, "Stable code of the failure; null without one.", null=True),
    described("failure", ForeignText, "The failure for a person; null without one.", null=True),
    described("exemption_id", Text, "Exemption that stood in for approvals; null when none.", null=True),
    _seq("that made the row what it is"),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "execution_id", name="executions_pkey"),
    _proposal_key("executions"),
    Index(
        "executions_one_live",
        *("studio_id", "proposal_id", "kind"),
        unique=True,
        postgresql_where=text("state IN ('intent', 'succeeded')"),
    ),
    Index("executions_by_proposal", "studio_id", "proposal_id", "started_at"),
    Index("executions_in_flight", "studio_id", "lease_until", postgresql_where=text("state = 'intent'")),
    comment="One row per attempt to carry a proposal out or to roll it back; at most one of each is live.",
)

KILL_SWITCH_CHANGES = Table(
    "kill_switch_changes",
    METADATA,
    studio_column(),
    described("revision", Integer, "Counts from 1 without gaps; a trigger gives it."),
    described("kind", Text, "opened (the first, off), halted, resume_requested (still on) or resumed."),
    described("actor_id", Text, "Pseudonym of who did it."),
    described("reason", ForeignText, "Why, in the person's words."),
    described("at", Instant, "When it was done, UTC."),
    _seq("that recorded it"),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "revision", name="kill_switch_changes_pkey"),
    comment="One row per change of the kill switch. The newest decides; without any row the switch is on.",
)

EXEMPTIONS = Table(
    "exemptions",
    METADATA,
    studio_column(),
    described("exemption_id", Text, "Id of the exemption."),
    described("capability_id", Text, "What may be done without approval."),
    described("owner_id", Text, "For whose things; null: anybody's.", null=True),
    described("justification", ForeignText, "Why, in words."),
    described("granted_by", Text, "Pseudonym of who granted it."),
    described("granted_at", Instant, "From when, UTC."),
    described("expires_at", Instant, "Until when, UTC."),
    _seq("that recorded it"),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "exemption_id", name="exemptions_pkey"),
    Index("exemptions_by_capability", "studio_id", "capability_id", "expires_at"),
    comment="One row per exemption granted; its end, if it has one, is in exemption_ends.",
)

EXEMPTION_ENDS = Table(
    "exemption_ends",
    METADATA,
    studio_column(),
    described("exemption_id", Text, "The exemption that ended."),
    described("kind", Text, "revoked by somebody, or expired."),
    described("by", Text, "Pseudonym of who ended it."),
    described("reason", ForeignText, "Why, in words; may be empty when it expired."),
    described("at", Instant, "When it was done, UTC."),
    _seq("that recorded it"),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "exemption_id", name="exemption_ends_pkey"),
    ForeignKeyConstraint(
        ["studio_id", "exemption_id"],
        [f"{SCHEMA}.exemptions.studio_id", f"{SCHEMA}.exemptions.exemption_id"],
        name="exemption_ends_exemption",
    ),
    comment="One row per exemption that was revoked or seen to have expired.",
)

QUOTA_BUCKETS = Table(
    "quota_buckets",
    METADATA,
    studio_column(),
    described("capability_id", Text, "What is counted."),
    described("scope", Text, "actor, owner or capability."),
    described("subject_id", Text, "Whose use: pseudonym, or the capability id."),
    described("limit_count", BigInteger, "Uses allowed in the window, as in the registry."),
    described("window_seconds", BigInteger, "Length of the window, as in the registry."),
    described("used", BigInteger, "Uses in the window; never above limit_count."),
    described("window_started_at", Instant, "First use in the window, UTC; null if none.", null=True),
    described("last_used_at", Instant, "Newest use, UTC; null if none.", null=True),
    _seq("of the newest reset; null if never reset", null=True),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "capability_id", "scope", "subject_id", name="quota_buckets_pkey"),
    comment="One row per quota that was ever used: how much of it is used now.",
)

INTAKE_OVERRIDES = Table(
    "intake_overrides",
    METADATA,
    studio_column(),
    described("proposal_id", Text, "The proposal that may go on."),
    described("version", Integer, "Its version; a later one is screened anew."),
    described("reason_code", Text, "Stable code of the reason."),
    described("reason", ForeignText, "Why, in words."),
    described("by", Text, "Pseudonym of who overrode."),
    described("at", Instant, "When it was done, UTC."),
    _seq("that recorded it"),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "proposal_id", "version", name="intake_overrides_pkey"),
    _proposal_key("intake_overrides"),
    comment="One row per person's word that a proposal held back by screening may go on.",
)

GOVERNANCE_CHECKS = Table(
    "governance_checks",
    METADATA,
    studio_column(),
    described("name", Text, "Name of the check."),
    described("holds", Boolean, "False: red; executions wait until it holds again."),
    described("at", Instant, "When it turned, UTC."),
    _seq("that recorded it"),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "name", "audit_seq", name="governance_checks_pkey"),
    Index("governance_checks_red", "studio_id", "name", "audit_seq", postgresql_where=text("NOT holds")),
    comment="One row per turn of a governance check; the newest of each name is what holds now.",
)

AUDIT_CHECKPOINTS = Table(
    "audit_checkpoints",
    METADATA,
    studio_column(),
    described("tree_size", BigInteger, "Entries of the log it covers: those up to this seq."),
    described("root_hash", LargeBinary, "Root of the Merkle tree over those entries."),
    described("note", Text, "The signed checkpoint as text, in C2SP form."),
    described("signed_at", Instant, "When it was signed, UTC."),
    _seq("that announced it; null when none did", null=True),
    recorded_at_column(),
    PrimaryKeyConstraint("studio_id", "tree_size", "signed_at", name="audit_checkpoints_pkey"),
    comment="One row per signed checkpoint; copies lie outside the database.",
)

GOVERNANCE_TABLES: Final = (
    *(CAPABILITIES, CAPABILITY_QUOTAS, AUDIT_EVENTS, PROPOSALS, PROPOSAL_VERSIONS, APPROVALS, EXECUTIONS),
    *(KILL_SWITCH_CHANGES, EXEMPTIONS, EXEMPTION_ENDS, QUOTA_BUCKETS, INTAKE_OVERRIDES, GOVERNANCE_CHECKS),
    AUDIT_CHECKPOINTS,
)
REGISTRY_TABLES: Final = (CAPABILITIES, CAPABILITY_QUOTAS)  # of all studios; only the owner writes
# Rows change by the rules, none is removed.
CHANGING_TABLES: Final = (PROPOSALS, EXECUTIONS, QUOTA_BUCKETS, CONNECTOR_BREAKERS)
WRITTEN_BY_DATABASE: Final = (AUDIT_EVENTS, PROPOSAL_VERSIONS)  # by functions only
# Those of the other modules, too; by name, whichever of the modules was imported first.
ALL_TABLES: Final = tuple(METADATA.tables[name] for name in sorted(METADATA.tables))
# Triggers that hold the rules, by table; without one of them the database is not to be relied on.
RULES: Final[Mapping[str, tuple[str, ...]]] = {
    "proposals": (
        "proposals_rule",
        "proposals_version_first",
        "proposals_version_next",
        "proposals_and_attempts",
    ),
    "approvals": ("approvals_rule",),
    "executions": (
        "executions_rule_intent",
        "executions_rule_result",
        "executions_and_proposal_intent",
        "executions_and_proposal_result",
    ),
    "kill_switch_changes": ("kill_switch_changes_rule",),
    "exemptions": ("exemptions_rule",),
    "exemption_ends": ("exemption_ends_rule",),
    "quota_buckets": ("quota_buckets_rule",),
    "intake_overrides": ("intake_overrides_rule",),
    "governance_checks": ("governance_checks_rule",),
    "audit_checkpoints": ("audit_checkpoints_rule",),
    **{
        table.name: (f"{table.name}_rule",)
        for table in (CONNECTOR_READINGS, CONNECTOR_CONFIRMATIONS, FINDINGS, *SWARM_TABLES)
    },
    DRAFT_REVIEWS.name: ("draft_reviews_rule", "draft_reviews_next"),
}
