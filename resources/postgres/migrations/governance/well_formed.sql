-- What a row says by itself, in one CHECK for a table: PostgreSQL reads the text of every CHECK again for every
-- statement that writes, and of these tables had up to 17. A broken rule is told by the name and the SQLSTATE
-- (check_violation) it had as a CHECK of its own. Null breaks none, as before: NOT NULL is the columns' own.
--
-- Each function first asks everything at once, and looks for what is broken only then. The long forms are
-- written so that a match is found in few steps: how long a text is, is asked beside what it is made of.

CREATE FUNCTION studio.break_check(of_table text, rule text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Null: nothing known is broken, and yet it did not hold as a whole; then the one CHECK itself refuses.
    IF rule IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "%" violates check constraint "%"', of_table, rule
            USING ERRCODE = 'check_violation', SCHEMA = 'studio', TABLE = of_table, CONSTRAINT = rule;
    END IF;
    RETURN false;
END
$$;

CREATE FUNCTION studio.is_proposal(
    studio_id text, proposal_id text, state text, version integer, predicted_effects jsonb, evidence jsonb,
    input jsonb, input_hash text, requester_id text, requester_principal_id text, owner_id text,
    dedupe_key text, dry_run jsonb, created_at timestamptz, expires_at timestamptz, intake text,
    intake_classifier text, state_reason text
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (length(studio_id) <= 41 AND studio_id ~ '^[a-z][a-z0-9_]+$'
        AND length(proposal_id) = 30 AND proposal_id ~ '^prp_[0-9a-z]+$'
        AND state IN ('draft', 'pending_approval', 'approved', 'rejected', 'executing', 'executed', 'failed',
            'rolled_back', 'expired')
        AND version >= 1 AND jsonb_typeof(predicted_effects) = 'array' AND jsonb_typeof(evidence) = 'array'
        AND jsonb_typeof(input) = 'object' AND length(input_hash) = 64 AND input_hash ~ '^[0-9a-f]+$'
        AND requester_id <> '' AND requester_principal_id <> '' AND owner_id <> '' AND dedupe_key <> ''
        AND jsonb_typeof(dry_run) = 'object' AND intake <> '' AND intake_classifier <> ''
        AND expires_at > created_at
        AND (state <> 'rejected' OR coalesce(state_reason, '') <> '')) IS NOT FALSE
    THEN
        RETURN true;
    END IF;
    RETURN studio.break_check('proposals', 'proposals_' || CASE
        WHEN NOT (dedupe_key <> '') THEN 'dedupe_key_check'
        WHEN NOT (jsonb_typeof(dry_run) = 'object') THEN 'dry_run_check'
        WHEN NOT (jsonb_typeof(evidence) = 'array') THEN 'evidence_check'
        WHEN NOT (expires_at > created_at) THEN 'expire_later'
        WHEN NOT (jsonb_typeof(input) = 'object') THEN 'input_check'
        WHEN NOT (input_hash ~ '^[0-9a-f]{64}$') THEN 'input_hash_check'
        WHEN NOT (intake <> '') THEN 'intake_check'
        WHEN NOT (intake_classifier <> '') THEN 'intake_classifier_check'
        WHEN NOT (owner_id <> '') THEN 'owner_id_check'
        WHEN NOT (jsonb_typeof(predicted_effects) = 'array') THEN 'predicted_effects_check'
        WHEN NOT (proposal_id ~ '^prp_[0-9a-z]{26}$') THEN 'proposal_id_check'
        WHEN NOT (state <> 'rejected' OR coalesce(state_reason, '') <> '') THEN 'rejected_has_reason'
        WHEN NOT (requester_id <> '') THEN 'requester_id_check'
        WHEN NOT (requester_principal_id <> '') THEN 'requester_principal_id_check'
        WHEN NOT (state IN ('draft', 'pending_approval', 'approved', 'rejected', 'executing', 'executed',
            'failed', 'rolled_back', 'expired')) THEN 'state_check'
        WHEN NOT (studio_id ~ '^[a-z][a-z0-9_]{1,40}$') THEN 'studio_id_check'
        WHEN NOT (version >= 1) THEN 'version_check'
    END);
END
$$;

CREATE FUNCTION studio.is_approval(
    studio_id text, approval_id text, version integer, kind text, input_hash text, approver_id text, role text,
    reason text, given_at timestamptz, expires_at timestamptz
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (length(studio_id) <= 41 AND studio_id ~ '^[a-z][a-z0-9_]+$'
        AND length(approval_id) <= 60 AND approval_id ~ '^[a-z0-9_]+$'
        AND version >= 1 AND kind IN ('execute', 'rollback')
        AND length(input_hash) = 64 AND input_hash ~ '^[0-9a-f]+$'
        AND approver_id <> '' AND role <> '' AND reason <> '' AND expires_at > given_at) IS NOT FALSE
    THEN
        RETURN true;
    END IF;
    RETURN studio.break_check('approvals', 'approvals_' || CASE
        WHEN NOT (approval_id ~ '^[a-z0-9_]{1,60}$') THEN 'approval_id_check'
        WHEN NOT (approver_id <> '') THEN 'approver_id_check'
        WHEN NOT (expires_at > given_at) THEN 'expire_later'
        WHEN NOT (input_hash ~ '^[0-9a-f]{64}$') THEN 'input_hash_check'
        WHEN NOT (kind IN ('execute', 'rollback')) THEN 'kind_check'
        WHEN NOT (reason <> '') THEN 'reason_check'
        WHEN NOT (role <> '') THEN 'role_check'
        WHEN NOT (studio_id ~ '^[a-z][a-z0-9_]{1,40}$') THEN 'studio_id_check'
        WHEN NOT (version >= 1) THEN 'version_check'
    END);
END
$$;

CREATE FUNCTION studio.is_execution(
    studio_id text, execution_id text, proposal_id text, version integer, kind text, state text,
    input_hash text, idempotency_key text, executor_id text, fence integer, lease_until timestamptz,
    started_at timestamptz, finished_at timestamptz, pointer jsonb, failure_code text
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (length(studio_id) <= 41 AND studio_id ~ '^[a-z][a-z0-9_]+$'
        AND length(execution_id) <= 60 AND execution_id ~ '^[a-z0-9_]+$'
        AND version >= 1 AND kind IN ('execute', 'rollback')
        AND state IN ('intent', 'succeeded', 'failed', 'released')
        AND length(input_hash) = 64 AND input_hash ~ '^[0-9a-f]+$'
        AND starts_with(idempotency_key, proposal_id) AND executor_id <> '' AND fence >= 1
        AND jsonb_typeof(pointer) = 'object' AND failure_code <> '' AND lease_until > started_at
        AND (state = 'intent') = (finished_at IS NULL)
        AND (pointer IS NULL OR state = 'succeeded')) IS NOT FALSE
    THEN
        RETURN true;
    END IF;
    RETURN studio.break_check('executions', 'executions_' || CASE
        WHEN NOT starts_with(idempotency_key, proposal_id) THEN 'check'
        WHEN NOT (execution_id ~ '^[a-z0-9_]{1,60}$') THEN 'execution_id_check'
        WHEN NOT (executor_id <> '') THEN 'executor_id_check'
        WHEN NOT (failure_code <> '') THEN 'failure_code_check'
        WHEN NOT (fence >= 1) THEN 'fence_check'
        WHEN NOT ((state = 'intent') = (finished_at IS NULL)) THEN 'finished_or_not'
        WHEN NOT (input_hash ~ '^[0-9a-f]{64}$') THEN 'input_hash_check'
        WHEN NOT (kind IN ('execute', 'rollback')) THEN 'kind_check'
        WHEN NOT (lease_until > started_at) THEN 'lease_later'
        WHEN NOT (pointer IS NULL OR state = 'succeeded') THEN 'only_effects_have_pointer'
        WHEN NOT (jsonb_typeof(pointer) = 'object') THEN 'pointer_check'
        WHEN NOT (state IN ('intent', 'succeeded', 'failed', 'released')) THEN 'state_check'
        WHEN NOT (studio_id ~ '^[a-z][a-z0-9_]{1,40}$') THEN 'studio_id_check'
        WHEN NOT (version >= 1) THEN 'version_check'
    END);
END
$$;

CREATE FUNCTION studio.is_quota_bucket(
    studio_id text, scope text, subject_id text, limit_count bigint, window_seconds bigint, used bigint,
    window_started_at timestamptz
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (length(studio_id) <= 41 AND studio_id ~ '^[a-z][a-z0-9_]+$'
        AND scope IN ('actor', 'owner', 'capability') AND subject_id <> '' AND limit_count >= 0
        AND window_seconds > 0 AND used >= 0 AND used <= limit_count
        AND (used = 0 OR window_started_at IS NOT NULL)) IS NOT FALSE
    THEN
        RETURN true;
    END IF;
    RETURN studio.break_check('quota_buckets', 'quota_buckets_' || CASE
        WHEN NOT (limit_count >= 0) THEN 'limit_count_check'
        WHEN NOT (scope IN ('actor', 'owner', 'capability')) THEN 'scope_check'
        WHEN NOT (studio_id ~ '^[a-z][a-z0-9_]{1,40}$') THEN 'studio_id_check'
        WHEN NOT (subject_id <> '') THEN 'subject_id_check'
        WHEN NOT (used = 0 OR window_started_at IS NOT NULL) THEN 'used_since'
        WHEN NOT (window_seconds > 0) THEN 'window_seconds_check'
        WHEN NOT (used >= 0 AND used <= limit_count) THEN 'within_limit'
    END);
END
$$;

ALTER TABLE studio.proposals
    ADD CONSTRAINT proposals_well_formed CHECK (studio.is_proposal(studio_id, proposal_id, state, version,
        predicted_effects, evidence, input, input_hash, requester_id, requester_principal_id, owner_id,
        dedupe_key, dry_run, created_at, expires_at, intake, intake_classifier, state_reason));
ALTER TABLE studio.approvals
    ADD CONSTRAINT approvals_well_formed CHECK (studio.is_approval(studio_id, approval_id, version, kind,
        input_hash, approver_id, role, reason, at, expires_at));
ALTER TABLE studio.executions
    ADD CONSTRAINT executions_well_formed CHECK (studio.is_execution(studio_id, execution_id, proposal_id,
        version, kind, state, input_hash, idempotency_key, executor_id, fence, lease_until, started_at,
        finished_at, pointer, failure_code));
ALTER TABLE studio.quota_buckets
    ADD CONSTRAINT quota_buckets_well_formed CHECK (studio.is_quota_bucket(studio_id, scope, subject_id,
        limit_count, window_seconds, used, window_started_at));
-- Every row was read by the new CHECKs just now; only then do the old ones go.
DO $$ DECLARE old record; BEGIN
    FOR old IN SELECT conrelid::regclass AS of_table, conname FROM pg_constraint
        WHERE contype = 'c' AND conname !~ '_well_formed$' AND conrelid IN ('studio.proposals'::regclass,
            'studio.approvals'::regclass, 'studio.executions'::regclass, 'studio.quota_buckets'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', old.of_table, old.conname);
    END LOOP;
END $$;
