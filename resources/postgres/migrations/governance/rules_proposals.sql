-- Proposals: who asked for what never changes; a state follows another only as the table of transitions says.

CREATE FUNCTION studio.check_proposal() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
    required integer;
    exemptable boolean;
    kinds text[];
    roles text[];
    longest interval;
BEGIN
    event := studio.require_event(NEW.studio_id, NEW.audit_seq, CASE WHEN TG_OP = 'UPDATE'
        THEN OLD.audit_seq ELSE 0 END, 'proposal', NEW.proposal_id, NEW.state);
    IF NOT starts_with(event.name, 'proposal:' || NEW.capability_id || ':') THEN
        PERFORM studio.refuse('event-of-this-capability', 'The audit event names another capability.');
    END IF;
    -- Instants of rows are those of the log, so that nobody can date a change as it suits.
    IF NEW.updated_at <> event.at THEN
        PERFORM studio.refuse('event-of-this-instant', 'updated_at is not the instant of the audit event.');
    END IF;

    -- INVARIANT: nothing outside the reviewed registry.
    SELECT c.approvals_required, c.is_exemptable, c.requester_kinds, c.approver_roles,
        make_interval(secs => c.proposal_ttl_seconds)
    INTO required, exemptable, kinds, roles, longest
    FROM studio.capabilities AS c WHERE c.capability_id = NEW.capability_id;
    IF NOT FOUND THEN
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
        IF NEW.requester_kind <> ALL (kinds) THEN
            PERFORM studio.refuse('proposal-requester-kind', 'This kind of actor may not propose this.');
        END IF;
        IF NEW.created_at <> event.at OR NEW.expires_at > NEW.created_at + longest THEN
            PERFORM studio.refuse('proposal-expiry', 'The proposal would wait longer than the registry lets it.');
        END IF;
        NEW.recorded_at := clock_timestamp();
        RETURN NEW;
    END IF;

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
        OR NEW.expires_at > NEW.updated_at + longest)
    THEN
        PERFORM studio.refuse('proposal-expiry', 'The proposal would wait longer than the registry lets it.');
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
        IF required > studio.live_approvals(NEW.studio_id, NEW.proposal_id, NEW.version, NEW.input_hash,
                'execute', roles, NEW.updated_at)
            AND NOT (exemptable AND studio.is_exempt(NEW.studio_id, NEW.capability_id, NEW.owner_id,
                NEW.updated_at, NULL))
        THEN
            PERFORM studio.refuse('proposal-quorum',
                format('%s different people must have approved this version.', required));
        END IF;
    END IF;
    RETURN NEW;
END
$$;

-- Keeps what people saw when they decided. With the owner's rights: the runtime may not write versions.
CREATE FUNCTION studio.keep_proposal_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO studio.proposal_versions (studio_id, proposal_id, version, rationale, predicted_effects,
        evidence, input, input_hash, intake, is_intake_blocked, intake_classifier, at, expires_at, audit_seq)
    VALUES (NEW.studio_id, NEW.proposal_id, NEW.version, NEW.rationale, NEW.predicted_effects, NEW.evidence,
        NEW.input, NEW.input_hash, NEW.intake, NEW.is_intake_blocked, NEW.intake_classifier, NEW.updated_at,
        NEW.expires_at, NEW.audit_seq);
    RETURN NULL;
END
$$;

-- At commit: a proposal and its attempts say the same. Rows of both come in any order before that.
CREATE FUNCTION studio.check_proposal_and_attempts() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now_state text;
    now_version integer;
    is_under_way boolean;
    is_done boolean;
    is_undone boolean;
    has_failed boolean;
BEGIN
    SELECT p.state, p.version INTO now_state, now_version
    FROM studio.proposals AS p WHERE p.studio_id = NEW.studio_id AND p.proposal_id = NEW.proposal_id;
    IF NOT FOUND THEN  -- the connection has moved to another studio meanwhile
        PERFORM studio.refuse('one-studio', 'The row is of another studio than the connection.');
    END IF;
    SELECT coalesce(bool_or(x.kind = 'execute' AND x.state = 'intent'), false),
        coalesce(bool_or(x.kind = 'execute' AND x.state = 'succeeded'), false),
        coalesce(bool_or(x.kind = 'rollback' AND x.state = 'succeeded'), false),
        coalesce(bool_or(x.kind = 'execute' AND x.state = 'failed' AND x.version = now_version), false)
    INTO is_under_way, is_done, is_undone, has_failed
    FROM studio.executions AS x WHERE x.studio_id = NEW.studio_id AND x.proposal_id = NEW.proposal_id;
    IF is_under_way <> (now_state = 'executing')
        OR is_done <> (now_state IN ('executed', 'rolled_back'))
        OR is_undone <> (now_state = 'rolled_back')
        OR (now_state = 'failed' AND NOT has_failed)
    THEN
        PERFORM studio.refuse('proposal-and-attempts',
            format('The proposal is %s, but its attempts say otherwise.', now_state));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER proposals_rule BEFORE INSERT OR UPDATE ON studio.proposals
    FOR EACH ROW EXECUTE FUNCTION studio.check_proposal();
CREATE TRIGGER proposals_version_first AFTER INSERT ON studio.proposals
    FOR EACH ROW EXECUTE FUNCTION studio.keep_proposal_version();
CREATE TRIGGER proposals_version_next AFTER UPDATE ON studio.proposals
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION studio.keep_proposal_version();
-- INSERT needs no such check: a new proposal is a draft or pending, and attempts need an approved one.
CREATE CONSTRAINT TRIGGER proposals_and_attempts AFTER UPDATE ON studio.proposals
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.state <> NEW.state
        AND ('executing' IN (OLD.state, NEW.state) OR NEW.state IN ('executed', 'failed', 'rolled_back')))
    EXECUTE FUNCTION studio.check_proposal_and_attempts();
