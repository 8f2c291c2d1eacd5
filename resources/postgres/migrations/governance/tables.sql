-- The gateway's tables. Columns are named as the fields of policies/proposals.py and policies/decisions.py.
-- What may be written when is in the rules_*.sql files; rights and row-level security are in 0003.

CREATE TABLE studio.capabilities (
    capability_id text NOT NULL CHECK (capability_id ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$'),
    adapter text CHECK (adapter <> ''),
    is_read_only boolean NOT NULL,
    requester_kinds text[] NOT NULL,
    approvals_required integer NOT NULL CHECK (approvals_required >= 0),
    approver_roles text[] NOT NULL,
    is_staff_required boolean NOT NULL,
    is_four_eyes boolean NOT NULL,
    is_exemptable boolean NOT NULL,
    longest_exemption_seconds bigint NOT NULL CHECK (longest_exemption_seconds >= 0),
    proposal_ttl_seconds bigint NOT NULL CHECK (proposal_ttl_seconds > 0),
    approval_ttl_seconds bigint NOT NULL CHECK (approval_ttl_seconds > 0),
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
    PRIMARY KEY (capability_id),
    CONSTRAINT capabilities_write_needs_approval CHECK (is_read_only OR approvals_required >= 1),
    CONSTRAINT capabilities_never_exempt CHECK (NOT is_exemptable OR (document ->> 'risk' <> 'critical'
        AND document ->> 'hazard' = 'none')),
    CONSTRAINT capabilities_approvals_need_other_eyes CHECK (approvals_required = 0 OR is_four_eyes)
);

CREATE TABLE studio.capability_quotas (
    capability_id text NOT NULL REFERENCES studio.capabilities ON DELETE CASCADE,
    scope text NOT NULL CHECK (scope IN ('actor', 'owner', 'capability')),
    limit_count bigint NOT NULL CHECK (limit_count >= 0),
    window_seconds bigint NOT NULL CHECK (window_seconds > 0),
    cooldown_seconds bigint NOT NULL CHECK (cooldown_seconds >= 0),
    PRIMARY KEY (capability_id, scope)
);

CREATE TABLE studio.audit_events (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    seq bigint NOT NULL CHECK (seq >= 1),
    payload text NOT NULL CHECK (octet_length(payload) <= 16384),
    prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    transaction_id bigint NOT NULL,
    name text NOT NULL,
    at timestamptz NOT NULL,
    actor_id text NOT NULL,
    actor_kind text NOT NULL,
    principal_id text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    state text,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, seq)
);
CREATE INDEX audit_events_by_subject ON studio.audit_events (studio_id, subject_kind, subject_id, seq);

CREATE TABLE studio.proposals (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    proposal_id text NOT NULL CHECK (proposal_id ~ '^prp_[0-9a-z]{26}$'),
    capability_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'pending_approval', 'approved', 'rejected', 'executing',
        'executed', 'failed', 'rolled_back', 'expired')),
    version integer NOT NULL CHECK (version >= 1),
    rationale text NOT NULL,
    predicted_effects jsonb NOT NULL CHECK (jsonb_typeof(predicted_effects) = 'array'),
    evidence jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'array'),
    input jsonb NOT NULL CHECK (jsonb_typeof(input) = 'object'),
    input_hash text NOT NULL CHECK (input_hash ~ '^[0-9a-f]{64}$'),
    requester_id text NOT NULL CHECK (requester_id <> ''),
    requester_kind text NOT NULL,
    requester_principal_id text NOT NULL CHECK (requester_principal_id <> ''),
    owner_id text CHECK (owner_id <> ''),
    dedupe_key text CHECK (dedupe_key <> ''),
    dry_run jsonb CHECK (jsonb_typeof(dry_run) = 'object'),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    intake text NOT NULL CHECK (intake <> ''),
    is_intake_blocked boolean NOT NULL,
    intake_classifier text NOT NULL CHECK (intake_classifier <> ''),
    state_reason text,
    audit_seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, proposal_id),
    CONSTRAINT proposals_expire_later CHECK (expires_at > created_at),
    CONSTRAINT proposals_rejected_has_reason CHECK (state <> 'rejected' OR coalesce(state_reason, '') <> '')
);
-- Two live proposals never share a dedupe key. Executed ones stay in the way: a repeated sensor tick must
-- not propose again what was just done.
CREATE UNIQUE INDEX proposals_live_dedupe ON studio.proposals (studio_id, capability_id, dedupe_key)
    WHERE dedupe_key IS NOT NULL
    AND state IN ('draft', 'pending_approval', 'approved', 'executing', 'executed');
CREATE INDEX proposals_by_state ON studio.proposals (studio_id, state, proposal_id);

CREATE TABLE studio.proposal_versions (
    studio_id text NOT NULL,
    proposal_id text NOT NULL,
    version integer NOT NULL,
    rationale text NOT NULL,
    predicted_effects jsonb NOT NULL,
    evidence jsonb NOT NULL,
    input jsonb NOT NULL,
    input_hash text NOT NULL,
    intake text NOT NULL,
    is_intake_blocked boolean NOT NULL,
    intake_classifier text NOT NULL,
    at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    audit_seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, proposal_id, version),
    CONSTRAINT proposal_versions_proposal FOREIGN KEY (studio_id, proposal_id) REFERENCES studio.proposals
);

CREATE TABLE studio.approvals (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    approval_id text NOT NULL CHECK (approval_id ~ '^[a-z0-9_]{1,60}$'),
    proposal_id text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    kind text NOT NULL CHECK (kind IN ('execute', 'rollback')),
    input_hash text NOT NULL CHECK (input_hash ~ '^[0-9a-f]{64}$'),
    approver_id text NOT NULL CHECK (approver_id <> ''),
    role text NOT NULL CHECK (role <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    audit_seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, approval_id),
    CONSTRAINT approvals_proposal FOREIGN KEY (studio_id, proposal_id) REFERENCES studio.proposals,
    CONSTRAINT approvals_expire_later CHECK (expires_at > at)
);
CREATE INDEX approvals_by_proposal ON studio.approvals (studio_id, proposal_id, version);

CREATE TABLE studio.executions (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    execution_id text NOT NULL CHECK (execution_id ~ '^[a-z0-9_]{1,60}$'),
    proposal_id text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    kind text NOT NULL CHECK (kind IN ('execute', 'rollback')),
    state text NOT NULL CHECK (state IN ('intent', 'succeeded', 'failed', 'released')),
    input_hash text NOT NULL CHECK (input_hash ~ '^[0-9a-f]{64}$'),
    idempotency_key text NOT NULL CHECK (starts_with(idempotency_key, proposal_id)),
    executor_id text NOT NULL CHECK (executor_id <> ''),
    fence integer NOT NULL CHECK (fence >= 1),
    lease_until timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    pointer jsonb CHECK (jsonb_typeof(pointer) = 'object'),
    failure_code text CHECK (failure_code <> ''),
    failure text,
    exemption_id text,
    audit_seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, execution_id),
    CONSTRAINT executions_proposal FOREIGN KEY (studio_id, proposal_id) REFERENCES studio.proposals,
    CONSTRAINT executions_lease_later CHECK (lease_until > started_at),
    CONSTRAINT executions_finished_or_not CHECK ((state = 'intent') = (finished_at IS NULL)),
    CONSTRAINT executions_only_effects_have_pointer CHECK (pointer IS NULL OR state = 'succeeded')
);
-- At most one effect: of one kind of attempt, one is under way or has succeeded, never two.
CREATE UNIQUE INDEX executions_one_live ON studio.executions (studio_id, proposal_id, kind)
    WHERE state IN ('intent', 'succeeded');
CREATE INDEX executions_by_proposal ON studio.executions (studio_id, proposal_id, started_at);
CREATE INDEX executions_in_flight ON studio.executions (studio_id, lease_until) WHERE state = 'intent';

CREATE TABLE studio.kill_switch_changes (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    revision integer NOT NULL CHECK (revision >= 1),
    kind text NOT NULL CHECK (kind IN ('opened', 'halted', 'resume_requested', 'resumed')),
    actor_id text NOT NULL CHECK (actor_id <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL,
    audit_seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, revision)
);

CREATE TABLE studio.exemptions (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    exemption_id text NOT NULL CHECK (exemption_id ~ '^[a-z0-9_]{1,60}$'),
    capability_id text NOT NULL,
    owner_id text CHECK (owner_id <> ''),
    justification text NOT NULL CHECK (justification <> ''),
    granted_by text NOT NULL CHECK (granted_by <> ''),
    granted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    audit_seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, exemption_id),
    CONSTRAINT exemptions_expire_later CHECK (expires_at > granted_at)
);
CREATE INDEX exemptions_by_capability ON studio.exemptions (studio_id, capability_id, expires_at);

CREATE TABLE studio.exemption_ends (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    exemption_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('revoked', 'expired')),
    by text NOT NULL CHECK (by <> ''),
    reason text NOT NULL,
    at timestamptz NOT NULL,
    audit_seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, exemption_id),
    CONSTRAINT exemption_ends_exemption FOREIGN KEY (studio_id, exemption_id) REFERENCES studio.exemptions
);

CREATE TABLE studio.quota_buckets (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    capability_id text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('actor', 'owner', 'capability')),
    subject_id text NOT NULL CHECK (subject_id <> ''),
    limit_count bigint NOT NULL CHECK (limit_count >= 0),
    window_seconds bigint NOT NULL CHECK (window_seconds > 0),
    used bigint NOT NULL,
    window_started_at timestamptz,
    last_used_at timestamptz,
    audit_seq bigint,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, capability_id, scope, subject_id),
    CONSTRAINT quota_buckets_within_limit CHECK (used >= 0 AND used <= limit_count),
    CONSTRAINT quota_buckets_used_since CHECK (used = 0 OR window_started_at IS NOT NULL)
);

CREATE TABLE studio.intake_overrides (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    proposal_id text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    reason_code text NOT NULL CHECK (reason_code <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    by text NOT NULL CHECK (by <> ''),
    at timestamptz NOT NULL,
    audit_seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, proposal_id, version),
    CONSTRAINT intake_overrides_proposal FOREIGN KEY (studio_id, proposal_id) REFERENCES studio.proposals
);

CREATE TABLE studio.governance_checks (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    name text NOT NULL CHECK (name <> ''),
    holds boolean NOT NULL,
    at timestamptz NOT NULL,
    audit_seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, name, audit_seq)
);
CREATE INDEX governance_checks_red ON studio.governance_checks (studio_id, name, audit_seq) WHERE NOT holds;

CREATE TABLE studio.audit_checkpoints (
    studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$'),
    tree_size bigint NOT NULL CHECK (tree_size >= 1),
    root_hash bytea NOT NULL CHECK (octet_length(root_hash) = 32),
    note text NOT NULL CHECK (note <> ''),
    signed_at timestamptz NOT NULL,
    audit_seq bigint,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (studio_id, tree_size, signed_at)
);

-- Every decision about an execution asks how fresh the state is: the newest confirmation of one snapshot.
CREATE INDEX operational_events_confirmations ON studio.operational_events
    (studio_id, at)
    WHERE name = 'studio_state:snapshot:confirmed';
