-- Approvals, overrides of screening, and exemptions: what people decide.
-- ("by" is quoted: it is a word of PL/pgSQL.)

CREATE FUNCTION studio.check_approval() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
    proposal record;
    roles text[];
    is_for_staff boolean;
    longest interval;
    wanted_state constant text := CASE NEW.kind WHEN 'execute' THEN 'pending_approval' ELSE 'executed' END;
BEGIN
    event := studio.require_event(NEW.studio_id, NEW.audit_seq, 0, 'proposal', NEW.proposal_id, wanted_state);
    SELECT p.capability_id, p.state, p.version, p.input_hash, p.requester_id, p.requester_principal_id,
        p.expires_at
    INTO proposal FROM studio.proposals AS p
    WHERE p.studio_id = NEW.studio_id AND p.proposal_id = NEW.proposal_id;
    IF NOT FOUND THEN
        PERFORM studio.refuse('proposal-known', 'There is no such proposal.');
    END IF;
    -- Concurrent decisions: the first wins, the second is told.
    IF proposal.state <> wanted_state THEN
        PERFORM studio.refuse('approval-state',
            format('The proposal is %s, so this cannot be approved now.', proposal.state), 'SO001');
    END IF;
    IF (NEW.version, NEW.input_hash) <> (proposal.version, proposal.input_hash) THEN
        PERFORM studio.refuse('approval-version', 'The proposal has changed since it was looked at.', 'SO001');
    END IF;
    -- The person is who the log says acted; no agent and no system says yes.
    IF NEW.approver_id <> event.actor_id OR event.actor_kind NOT IN ('human', 'staff') THEN
        PERFORM studio.refuse('approval-person', 'The approver is not the person the audit event names.');
    END IF;
    -- INVARIANT: nobody approves their own proposal, directly or through their agent.
    IF NEW.kind = 'execute' AND NEW.approver_id IN (proposal.requester_id, proposal.requester_principal_id) THEN
        PERFORM studio.refuse('approval-four-eyes', 'Nobody approves what they or their agent asked for.');
    END IF;
    SELECT c.approver_roles, c.is_staff_required, make_interval(secs => c.approval_ttl_seconds)
    INTO roles, is_for_staff, longest
    FROM studio.capabilities AS c WHERE c.capability_id = proposal.capability_id;
    IF NOT FOUND THEN
        PERFORM studio.refuse('capability-known', 'The registry does not know this capability.');
    END IF;
    IF is_for_staff AND event.actor_kind <> 'staff' THEN
        PERFORM studio.refuse('approval-staff', 'Only staff approve this.');
    END IF;
    IF NEW.role <> ALL (roles) THEN
        PERFORM studio.refuse('approval-role', 'This role does not entitle to approve this.');
    END IF;
    IF NEW.at <> event.at THEN
        PERFORM studio.refuse('event-of-this-instant', 'at is not the instant of the audit event.');
    END IF;
    IF NEW.expires_at > NEW.at + longest THEN
        PERFORM studio.refuse('approval-expiry', 'The approval would be good for longer than the registry lets it.');
    END IF;
    IF NEW.kind = 'execute' AND NEW.at >= proposal.expires_at THEN
        PERFORM studio.refuse('approval-too-late', 'The proposal has expired.');
    END IF;
    IF NEW.kind = 'execute' AND EXISTS (SELECT FROM studio.approvals AS a
        WHERE a.studio_id = NEW.studio_id AND a.proposal_id = NEW.proposal_id AND a.version = NEW.version
            AND a.kind = 'execute' AND a.approver_id = NEW.approver_id
            AND a.at <= NEW.at AND NEW.at < a.expires_at)
    THEN
        PERFORM studio.refuse('approval-once', 'This person has approved this version already.');
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION studio.check_intake_override() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
    proposal record;
BEGIN
    event := studio.require_event(NEW.studio_id, NEW.audit_seq, 0, 'proposal', NEW.proposal_id, NULL);
    SELECT p.version, p.is_intake_blocked INTO proposal FROM studio.proposals AS p
    WHERE p.studio_id = NEW.studio_id AND p.proposal_id = NEW.proposal_id;
    IF NOT FOUND THEN
        PERFORM studio.refuse('proposal-known', 'There is no such proposal.');
    END IF;
    IF NEW.version <> proposal.version OR NOT proposal.is_intake_blocked THEN
        PERFORM studio.refuse('override-version', 'Screening does not hold this version back.', 'SO001');
    END IF;
    IF NEW."by" <> event.actor_id OR event.actor_kind NOT IN ('human', 'staff') OR NEW.at <> event.at THEN
        PERFORM studio.refuse('override-person', 'The override is not the act the audit event tells of.');
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION studio.check_exemption() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
    longest interval;
BEGIN
    event := studio.require_event(NEW.studio_id, NEW.audit_seq, 0, 'exemption', NEW.exemption_id, 'live');
    SELECT make_interval(secs => c.longest_exemption_seconds) INTO longest
    FROM studio.capabilities AS c WHERE c.capability_id = NEW.capability_id AND c.is_exemptable;
    IF NOT FOUND THEN
        PERFORM studio.refuse('exemption-allowed', 'This capability is never exempt from approval.');
    END IF;
    IF NEW.expires_at > NEW.granted_at + longest THEN
        PERFORM studio.refuse('exemption-expiry', 'The exemption would last longer than the registry lets it.');
    END IF;
    IF NEW.granted_by <> event.actor_id OR event.actor_kind NOT IN ('human', 'staff')
        OR NEW.granted_at <> event.at OR NOT starts_with(event.name, 'exemption:' || NEW.capability_id || ':')
    THEN
        PERFORM studio.refuse('exemption-person', 'The exemption is not the act the audit event tells of.');
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION studio.check_exemption_end() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
BEGIN
    event := studio.require_event(NEW.studio_id, NEW.audit_seq, 0, 'exemption', NEW.exemption_id, NEW.kind);
    IF NEW."by" <> event.actor_id OR NEW.at <> event.at THEN
        PERFORM studio.refuse('exemption-person', 'The end is not the act the audit event tells of.');
    END IF;
    IF NEW.kind = 'expired' AND NOT EXISTS (SELECT FROM studio.exemptions AS x
        WHERE x.studio_id = NEW.studio_id AND x.exemption_id = NEW.exemption_id AND x.expires_at <= NEW.at)
    THEN
        PERFORM studio.refuse('exemption-expired', 'The exemption has not expired.');
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE TRIGGER approvals_rule BEFORE INSERT ON studio.approvals
    FOR EACH ROW EXECUTE FUNCTION studio.check_approval();
CREATE TRIGGER intake_overrides_rule BEFORE INSERT ON studio.intake_overrides
    FOR EACH ROW EXECUTE FUNCTION studio.check_intake_override();
CREATE TRIGGER exemptions_rule BEFORE INSERT ON studio.exemptions
    FOR EACH ROW EXECUTE FUNCTION studio.check_exemption();
CREATE TRIGGER exemption_ends_rule BEFORE INSERT ON studio.exemption_ends
    FOR EACH ROW EXECUTE FUNCTION studio.check_exemption_end();
