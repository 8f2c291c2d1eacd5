-- Executions: an intent only when everything allows it, one result, and a lease that is only taken over.

CREATE FUNCTION studio.check_intent() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
    proposal record;
    capability record;
    switch_kind text;
BEGIN
    event := studio.require_event(NEW.studio_id, NEW.audit_seq, 0, 'proposal', NEW.proposal_id,
        CASE NEW.kind WHEN 'execute' THEN 'executing' ELSE 'executed' END);
    IF NEW.state <> 'intent' OR NEW.fence <> 1 THEN
        PERFORM studio.refuse('execution-begins', 'An attempt begins with its intent.');
    END IF;
    IF NEW.started_at <> event.at OR event.actor_kind <> 'system' THEN
        PERFORM studio.refuse('execution-executor', 'The intent is not the act the audit event tells of.');
    END IF;
    SELECT p.capability_id, p.state, p.version, p.input_hash, p.owner_id, p.is_intake_blocked
    INTO proposal FROM studio.proposals AS p
    WHERE p.studio_id = NEW.studio_id AND p.proposal_id = NEW.proposal_id;
    IF NOT FOUND THEN
        PERFORM studio.refuse('proposal-known', 'There is no such proposal.');
    END IF;
    -- That it is executing when the transaction ends is checked at commit.
    IF (CASE NEW.kind WHEN 'execute' THEN proposal.state NOT IN ('approved', 'executing')
        ELSE proposal.state <> 'executed' END)
    THEN
        PERFORM studio.refuse('execution-state',
            format('The proposal is %s, so nothing can be done about it now.', proposal.state), 'SO001');
    END IF;
    IF (NEW.version, NEW.input_hash) <> (proposal.version, proposal.input_hash) THEN
        PERFORM studio.refuse('execution-version', 'The proposal has changed since it was approved.', 'SO001');
    END IF;
    IF proposal.is_intake_blocked THEN
        PERFORM studio.refuse('execution-intake', 'Screening wants a person''s override first.');
    END IF;
    SELECT c.approvals_required, c.approver_roles, c.is_exemptable, c.adapter INTO capability
    FROM studio.capabilities AS c WHERE c.capability_id = proposal.capability_id;
    IF NOT FOUND THEN
        PERFORM studio.refuse('capability-known', 'The registry does not know this capability.');
    END IF;
    IF capability.adapter IS NULL THEN
        PERFORM studio.refuse('execution-proposal-only', 'Nothing carries this capability out.');
    END IF;

    -- INVARIANT: kill switch on, or unreadable: no new external write begins.
    SELECT s.kind INTO switch_kind FROM studio.kill_switch_changes AS s
    WHERE s.studio_id = NEW.studio_id ORDER BY s.revision DESC LIMIT 1;
    IF switch_kind IS NULL OR switch_kind NOT IN ('opened', 'resumed') THEN
        PERFORM studio.refuse('execution-kill-switch', 'The kill switch is on.', 'SO001');
    END IF;
    -- A red check stops what is new; undoing may be just what is needed then.
    IF NEW.kind = 'execute' AND EXISTS (SELECT FROM studio.governance_checks AS red
        WHERE red.studio_id = NEW.studio_id AND NOT red.holds
            AND NOT EXISTS (SELECT FROM studio.governance_checks AS later
                WHERE later.studio_id = red.studio_id AND later.name = red.name
                    AND later.audit_seq > red.audit_seq))
    THEN
        PERFORM studio.refuse('execution-red-check', 'A governance check is red.', 'SO001');
    END IF;

    -- INVARIANT: no external write without a live quorum bound to its input hash, or a live exemption.
    -- A rollback takes one approval of its own; no exemption stands in for that.
    IF (CASE NEW.kind WHEN 'execute' THEN capability.approvals_required ELSE 1 END)
        > studio.live_approvals(NEW.studio_id, NEW.proposal_id, NEW.version, NEW.input_hash, NEW.kind,
            capability.approver_roles, NEW.started_at)
    THEN
        IF NEW.kind = 'rollback' OR NEW.exemption_id IS NULL OR NOT capability.is_exemptable
            OR NOT studio.is_exempt(NEW.studio_id, proposal.capability_id, proposal.owner_id, NEW.started_at,
                NEW.exemption_id)
        THEN
            PERFORM studio.refuse('execution-quorum',
                'There are not enough live approvals, and no live exemption is named.');
        END IF;
    END IF;
    -- INVARIANT: one effect per proposal; its target knows it by one key for ever.
    IF EXISTS (SELECT FROM studio.executions AS x WHERE x.studio_id = NEW.studio_id
        AND x.proposal_id = NEW.proposal_id AND x.kind = NEW.kind
        AND x.idempotency_key <> NEW.idempotency_key)
    THEN
        PERFORM studio.refuse('execution-key', 'All attempts at a proposal use the same idempotency key.');
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION studio.check_result() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
    is_forward constant boolean := OLD.kind = 'execute';
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
    event := studio.require_event(NEW.studio_id, NEW.audit_seq, OLD.audit_seq, 'proposal', NEW.proposal_id,
        CASE NEW.state
            WHEN 'intent' THEN CASE WHEN is_forward THEN 'executing' ELSE 'executed' END
            WHEN 'succeeded' THEN CASE WHEN is_forward THEN 'executed' ELSE 'rolled_back' END
            WHEN 'failed' THEN CASE WHEN is_forward THEN 'failed' ELSE 'executed' END
            ELSE CASE WHEN is_forward THEN 'approved' ELSE 'executed' END
        END);
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

CREATE TRIGGER executions_rule_intent BEFORE INSERT ON studio.executions
    FOR EACH ROW EXECUTE FUNCTION studio.check_intent();
CREATE TRIGGER executions_rule_result BEFORE UPDATE ON studio.executions
    FOR EACH ROW EXECUTE FUNCTION studio.check_result();
CREATE CONSTRAINT TRIGGER executions_and_proposal_intent AFTER INSERT ON studio.executions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION studio.check_proposal_and_attempts();
CREATE CONSTRAINT TRIGGER executions_and_proposal_result AFTER UPDATE ON studio.executions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.state <> NEW.state)
    EXECUTE FUNCTION studio.check_proposal_and_attempts();
