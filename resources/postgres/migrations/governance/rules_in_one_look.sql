-- The rules of the rows that every cycle of the gateway writes, each with one question to the database where
-- there were up to seven: starting a query costs more than looking a row up. What they ask for, in which order they
-- refuse, by which name and code, is unchanged.
--
-- Each asks for its event first, as require_event does, which is called only to say what is wrong with it. All
-- that a rule reads with the event is as new as the event: the log's lock, which the event's transaction holds,
-- was taken before.

CREATE OR REPLACE FUNCTION studio.check_proposal() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event record;
    step studio.proposals;
    older constant bigint := CASE WHEN TG_OP = 'UPDATE' THEN OLD.audit_seq ELSE 0 END;
BEGIN
    SELECT e.name, e.at, e.actor_id, e.actor_kind, e.principal_id, e.transaction_id, e.recorded_at,
        e.subject_kind, e.subject_id, e.state, c.capability_id, c.approvals_required, c.is_exemptable,
        c.requester_kinds, c.approver_roles, c.proposal_ttl_seconds
    INTO event FROM studio.audit_events AS e
    LEFT JOIN studio.capabilities AS c ON c.capability_id = NEW.capability_id
    WHERE e.studio_id = NEW.studio_id AND e.seq = NEW.audit_seq;
    IF (NEW.studio_id = studio.current_studio_id()
        AND event.transaction_id = pg_current_xact_id()::text::bigint
        AND event.recorded_at >= transaction_timestamp() AND NEW.audit_seq > older
        AND event.subject_kind = 'proposal' AND event.subject_id = NEW.proposal_id
        AND event.state = NEW.state) IS NOT TRUE
    THEN
        PERFORM studio.require_event(NEW.studio_id, NEW.audit_seq, older, 'proposal', NEW.proposal_id,
            NEW.state);
    END IF;
    IF NOT starts_with(event.name, 'proposal:' || NEW.capability_id || ':') THEN
        PERFORM studio.refuse('event-of-this-capability', 'The audit event names another capability.');
    END IF;
    -- Instants of rows are those of the log, so that nobody can date a change as it suits.
    IF NEW.updated_at <> event.at THEN
        PERFORM studio.refuse('event-of-this-instant', 'updated_at is not the instant of the audit event.');
    END IF;

    -- INVARIANT: nothing outside the reviewed registry.
    IF event.capability_id IS NULL THEN
        PERFORM studio.refuse('capability-known', 'The registry does not know this capability.');
    END IF;

    IF TG_OP = 'INSERT' THEN
        IF NEW.version <> 1 OR NEW.state NOT IN ('draft', 'pending_approval') THEN
            PERFORM studio.refuse('proposal-begins',
                'A proposal begins with version 1, as a draft or awaiting approval.');
        END IF;
        -- Who asked is who the log says acted: four eyes rest on it.
        IF (event.actor_id, event.actor_kind, event.principal_id)
            <> (NEW.requester_id, NEW.requester_kind, NEW.requester_principal_id)
        THEN
            PERFORM studio.refuse('proposal-requester', 'The requester is not who the audit event names.');
        END IF;
        IF NEW.requester_kind <> ALL (event.requester_kinds) THEN
            PERFORM studio.refuse('proposal-requester-kind', 'This kind of actor may not propose this.');
        END IF;
        IF NEW.created_at <> event.at
            OR NEW.expires_at > NEW.created_at + make_interval(secs => event.proposal_ttl_seconds)
        THEN
            PERFORM studio.refuse('proposal-expiry', 'The proposal would wait longer than the registry lets it.');
        END IF;
        NEW.recorded_at := clock_timestamp();
        RETURN NEW;
    END IF;

    -- A step changes nothing of what the next rules are about.
    step := NEW;
    step.state := OLD.state;
    step.state_reason := OLD.state_reason;
    step.updated_at := OLD.updated_at;
    step.audit_seq := OLD.audit_seq;
    IF step IS DISTINCT FROM OLD THEN
        IF (NEW.studio_id, NEW.proposal_id, NEW.capability_id, NEW.requester_id, NEW.requester_kind,
            NEW.requester_principal_id, NEW.owner_id, NEW.dedupe_key, NEW.created_at)
            IS DISTINCT FROM (OLD.studio_id, OLD.proposal_id, OLD.capability_id, OLD.requester_id,
            OLD.requester_kind, OLD.requester_principal_id, OLD.owner_id, OLD.dedupe_key, OLD.created_at)
        THEN
            PERFORM studio.refuse('proposal-origin', 'Who asked for what, for whom and when never changes.');
        END IF;

        IF NEW.version <> OLD.version THEN
            IF NEW.version <> OLD.version + 1 THEN
                PERFORM studio.refuse('proposal-version', 'Somebody else made this version.', 'SO001');
            END IF;
            -- INVARIANT: a changed payload voids approvals, so a new version always awaits them.
            IF NEW.state <> 'pending_approval' THEN
                PERFORM studio.refuse('proposal-version-awaits', 'A new version awaits approval.');
            END IF;
            -- INVARIANT: four eyes. Whoever edits could else approve their own words under another's name: only
            -- the requester's side edits, and reopening by somebody else changes nothing of the content.
            IF event.actor_id NOT IN (OLD.requester_id, OLD.requester_principal_id)
                AND (OLD.state IN ('draft', 'pending_approval', 'approved')
                    OR (NEW.input_hash, NEW.input, NEW.rationale)
                        IS DISTINCT FROM (OLD.input_hash, OLD.input, OLD.rationale))
            THEN
                PERFORM studio.refuse('proposal-editor', 'Only who asked for it changes what is asked for.');
            END IF;
        ELSE
            IF (NEW.input_hash, NEW.input, NEW.rationale, NEW.predicted_effects, NEW.evidence, NEW.intake,
                NEW.intake_classifier) IS DISTINCT FROM (OLD.input_hash, OLD.input, OLD.rationale,
                OLD.predicted_effects, OLD.evidence, OLD.intake, OLD.intake_classifier)
            THEN
                PERFORM studio.refuse('proposal-content', 'What is proposed changes only with a new version.');
            END IF;
            IF NEW.is_intake_blocked <> OLD.is_intake_blocked AND (NEW.is_intake_blocked
                OR NOT EXISTS (SELECT FROM studio.intake_overrides AS o WHERE o.studio_id = NEW.studio_id
                    AND o.proposal_id = NEW.proposal_id AND o.version = NEW.version))
            THEN
                PERFORM studio.refuse('proposal-intake', 'Only a person''s override lifts a block of screening.');
            END IF;
            IF NEW.dry_run IS DISTINCT FROM OLD.dry_run
                AND OLD.state NOT IN ('draft', 'pending_approval', 'approved')
            THEN
                PERFORM studio.refuse('proposal-dry-run', 'What was foreseen is not changed afterwards.');
            END IF;
        END IF;
        IF NEW.expires_at <> OLD.expires_at AND ((NEW.version = OLD.version AND OLD.state <> 'draft')
            OR NEW.expires_at > NEW.updated_at + make_interval(secs => event.proposal_ttl_seconds))
        THEN
            PERFORM studio.refuse('proposal-expiry', 'The proposal would wait longer than the registry lets it.');
        END IF;
    END IF;

    IF (NEW.state <> OLD.state OR NEW.version <> OLD.version) AND NOT studio.may_become(OLD.state, NEW.state)
    THEN
        PERFORM studio.refuse('proposal-transition',
            format('A proposal that is %s cannot become %s.', OLD.state, NEW.state));
    END IF;
    -- INVARIANT: approved only by enough different people, or by a live exemption.
    IF NEW.state = 'approved' AND OLD.state = 'pending_approval' THEN
        IF NEW.is_intake_blocked THEN
            PERFORM studio.refuse('proposal-intake-blocked', 'Screening wants a person''s override first.');
        END IF;
        IF event.approvals_required > studio.live_approvals(NEW.studio_id, NEW.proposal_id, NEW.version,
                NEW.input_hash, 'execute', event.approver_roles, NEW.updated_at)
            AND NOT (event.is_exemptable AND studio.is_exempt(NEW.studio_id, NEW.capability_id, NEW.owner_id,
                NEW.updated_at, NULL))
        THEN
            PERFORM studio.refuse('proposal-quorum',
                format('%s different people must have approved this version.', event.approvals_required));
        END IF;
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION studio.may_become(before text, after text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (CASE before
        WHEN 'draft' THEN after IN ('pending_approval', 'expired')
        WHEN 'pending_approval' THEN after IN ('pending_approval', 'approved', 'rejected', 'expired')
        WHEN 'approved' THEN after IN ('pending_approval', 'executing', 'rejected', 'expired')
        WHEN 'executing' THEN after IN ('executed', 'failed', 'approved')
        WHEN 'executed' THEN after = 'rolled_back'
        WHEN 'rejected' THEN after = 'pending_approval'
        WHEN 'failed' THEN after = 'pending_approval'
        WHEN 'expired' THEN after = 'pending_approval'
        WHEN 'rolled_back' THEN false
    END) THEN
        RETURN true;
    END IF;
    IF (after IN ('draft', 'pending_approval', 'approved', 'rejected', 'executing', 'executed', 'failed',
        'rolled_back', 'expired')) IS NOT TRUE
    THEN
        PERFORM studio.refuse('proposal-state-known', format('%s is no state of a proposal.', after));
    END IF;
    IF (before IN ('draft', 'pending_approval', 'approved', 'rejected', 'executing', 'executed', 'failed',
        'rolled_back', 'expired')) IS NOT TRUE
    THEN
        PERFORM studio.refuse('proposal-state-known', format('%s is no state of a proposal.', before));
    END IF;
    RETURN false;
END
$$;

CREATE OR REPLACE FUNCTION studio.check_result() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event record;
    is_forward constant boolean := OLD.kind = 'execute';
    wanted_state constant text := CASE NEW.state
        WHEN 'intent' THEN CASE WHEN is_forward THEN 'executing' ELSE 'executed' END
        WHEN 'succeeded' THEN CASE WHEN is_forward THEN 'executed' ELSE 'rolled_back' END
        WHEN 'failed' THEN CASE WHEN is_forward THEN 'failed' ELSE 'executed' END
        ELSE CASE WHEN is_forward THEN 'approved' ELSE 'executed' END
    END;
BEGIN
    IF (NEW.studio_id, NEW.execution_id, NEW.proposal_id, NEW.version, NEW.kind, NEW.input_hash,
        NEW.idempotency_key, NEW.started_at, NEW.exemption_id)
        IS DISTINCT FROM (OLD.studio_id, OLD.execution_id, OLD.proposal_id, OLD.version, OLD.kind,
        OLD.input_hash, OLD.idempotency_key, OLD.started_at, OLD.exemption_id)
    THEN
        PERFORM studio.refuse('execution-origin', 'What an attempt is for never changes.');
    END IF;
    IF OLD.state <> 'intent' THEN
        PERFORM studio.refuse('execution-finished', 'The attempt has its result already.', 'SO001');
    END IF;
    SELECT e.at, e.actor_kind, e.transaction_id, e.recorded_at, e.subject_kind, e.subject_id, e.state
    INTO event FROM studio.audit_events AS e WHERE e.studio_id = NEW.studio_id AND e.seq = NEW.audit_seq;
    IF (NEW.studio_id = studio.current_studio_id()
        AND event.transaction_id = pg_current_xact_id()::text::bigint
        AND event.recorded_at >= transaction_timestamp() AND NEW.audit_seq > OLD.audit_seq
        AND event.subject_kind = 'proposal' AND event.subject_id = NEW.proposal_id
        AND event.state = wanted_state) IS NOT TRUE
    THEN
        PERFORM studio.require_event(NEW.studio_id, NEW.audit_seq, OLD.audit_seq, 'proposal', NEW.proposal_id,
            wanted_state);
    END IF;
    IF event.actor_kind <> 'system' THEN
        PERFORM studio.refuse('execution-executor', 'The result is not the act the audit event tells of.');
    END IF;
    -- INVARIANT: two executors never act at once. A lease passes on when it has ended, with the next fence.
    IF NEW.fence NOT IN (OLD.fence, OLD.fence + 1) THEN
        PERFORM studio.refuse('execution-fence', 'Another executor has taken the attempt over.', 'SO001');
    END IF;
    IF NEW.fence = OLD.fence AND (NEW.executor_id, NEW.lease_until) <> (OLD.executor_id, OLD.lease_until) THEN
        PERFORM studio.refuse('execution-lease', 'A lease passes on only with the next fence.');
    END IF;
    IF NEW.fence > OLD.fence AND (event.at < OLD.lease_until OR NEW.lease_until <= OLD.lease_until) THEN
        PERFORM studio.refuse('execution-lease-ended', 'The lease of its executor has not ended.', 'SO001');
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION studio.append_audit_v1(payload text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    studio constant text := studio.current_studio_id();
    event jsonb;
    actor jsonb;
    next_seq bigint;
    previous bytea;
    is_locked boolean;
BEGIN
    IF octet_length(payload) > 16384 THEN
        RAISE EXCEPTION 'an audit event may have 16 kB, this one has % bytes', octet_length(payload)
            USING ERRCODE = 'SO002', CONSTRAINT = 'audit-payload-size';
    END IF;
    event := payload::jsonb;
    actor := event -> 'actor';
    -- Each of these says something about a missing key, too: null is not true.
    IF (event ->> 'studio' = studio AND length(studio) <= 41 AND studio ~ '^[a-z][a-z0-9_]+$'
        AND event -> 'v' = '1'
        AND event ?& '{actor,at,details,name,state,studio,subject,v}'::text[]
        AND event ->> 'name' ~ '^[a-z_]+:[A-Za-z0-9_./-]+:[a-z_]+$'
        AND event ->> 'at' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$'
        AND actor ->> 'id' <> '' AND actor ->> 'kind' IN ('human', 'staff', 'agent', 'system')
        AND actor ? 'owner' AND jsonb_typeof(event -> 'details') = 'object'
        AND event #>> '{subject,kind}' <> '' AND event #>> '{subject,id}' <> ''
        AND jsonb_typeof(event -> 'state') IN ('string', 'null')) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'the audit event is of another studio, or lacks something every event has'
            USING ERRCODE = 'SO002', CONSTRAINT = 'audit-payload-shape';
    END IF;

    -- As an expression: PERFORM would start a query for it.
    is_locked := pg_advisory_xact_lock(1398030677, hashtext(studio)) IS NOT NULL;
    SELECT head.seq + 1, head.hash INTO next_seq, previous
    FROM studio.audit_events AS head WHERE head.studio_id = studio ORDER BY head.seq DESC LIMIT 1;
    IF NOT FOUND THEN
        next_seq := 1;
        previous := decode(repeat('00', 32), 'hex');
    END IF;
    INSERT INTO studio.audit_events (studio_id, seq, payload, prev_hash, hash, transaction_id, name, at,
        actor_id, actor_kind, principal_id, subject_kind, subject_id, state)
    VALUES (studio, next_seq, payload, previous,
        sha256('\x00'::bytea
            || convert_to(next_seq || E'\n' || encode(previous, 'hex') || E'\n' || payload, 'UTF8')),
        pg_current_xact_id()::text::bigint, event ->> 'name', (event ->> 'at')::timestamptz,
        actor ->> 'id', actor ->> 'kind', coalesce(actor ->> 'owner', actor ->> 'id'),
        event #>> '{subject,kind}', event #>> '{subject,id}', event ->> 'state');
    RETURN next_seq;
END
$$;
