-- What the rules share. SQLSTATEs: SO001 somebody else was first (read again, decide again), SO002 a rule is
-- broken. The field CONSTRAINT of an error is the stable id of the rule; the message is for people.
--
-- Rule functions run with the caller's rights and a pinned search_path, so nobody's temporary objects stand
-- in for ours. They look things up by index only. Nothing passes because a row is invisible: each first asks
-- that the row is of the connection's studio.
--
-- Appending an event takes the log's lock, and every rule asks for an event first: so what a rule sees is all
-- that committed before. A transaction whose view is older than that is refused by the log's primary key.
--
-- What no database can know: who a person is, what a target did, what screening would say. The gateway does.

CREATE FUNCTION studio.refuse(rule text, sentence text, code text DEFAULT 'SO002') RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '%', sentence USING ERRCODE = code, CONSTRAINT = rule, HINT = CASE code
        WHEN 'SO001' THEN 'Nothing was changed. Read again, then decide again.'
        ELSE 'Nothing was changed.' END;
END
$$;

-- INVARIANT: a state change and its audit event commit together or not at all. Returns the event that
-- explains a row: of this transaction, about this subject, newer than the last, saying the new state
-- (null: the row has no states).
CREATE FUNCTION studio.require_event(
    of_studio text, event_seq bigint, older_seq bigint, about_kind text, about_id text, new_state text
) RETURNS studio.audit_events
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
BEGIN
    IF (of_studio = studio.current_studio_id()) IS NOT TRUE THEN
        PERFORM studio.refuse('one-studio', 'The row is of another studio than the connection.');
    END IF;
    SELECT * INTO event FROM studio.audit_events AS e WHERE e.studio_id = of_studio AND e.seq = event_seq;
    -- The time as well: after a restore into another server transaction numbers come again.
    IF NOT FOUND OR event.transaction_id <> pg_current_xact_id()::text::bigint
        OR event.recorded_at < transaction_timestamp()
    THEN
        PERFORM studio.refuse('event-of-this-transaction',
            'A change needs an audit event of its own, written in the same transaction.');
    END IF;
    IF event.seq <= older_seq THEN
        PERFORM studio.refuse('event-newer', 'The audit event has explained an earlier change already.');
    END IF;
    IF event.subject_kind <> about_kind OR event.subject_id <> about_id THEN
        PERFORM studio.refuse('event-of-this-subject', 'The audit event is about something else.');
    END IF;
    IF new_state IS NOT NULL AND event.state IS DISTINCT FROM new_state THEN
        PERFORM studio.refuse('event-of-this-state', format(
            'The audit event says the state is %s, the row says %s.', coalesce(event.state, 'none'), new_state));
    END IF;
    RETURN event;
END
$$;

-- The same table as TRANSITIONS in policies/proposals.py; a test compares every pair. Unknown states raise.
CREATE FUNCTION studio.may_become(before text, after text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_allowed boolean;
BEGIN
    IF (after IN ('draft', 'pending_approval', 'approved', 'rejected', 'executing', 'executed', 'failed',
        'rolled_back', 'expired')) IS NOT TRUE
    THEN
        PERFORM studio.refuse('proposal-state-known', format('%s is no state of a proposal.', after));
    END IF;
    is_allowed := CASE before
        WHEN 'draft' THEN after IN ('pending_approval', 'expired')
        WHEN 'pending_approval' THEN after IN ('pending_approval', 'approved', 'rejected', 'expired')
        WHEN 'approved' THEN after IN ('pending_approval', 'executing', 'rejected', 'expired')
        WHEN 'executing' THEN after IN ('executed', 'failed', 'approved')
        WHEN 'executed' THEN after = 'rolled_back'
        WHEN 'rejected' THEN after = 'pending_approval'
        WHEN 'failed' THEN after = 'pending_approval'
        WHEN 'expired' THEN after = 'pending_approval'
        WHEN 'rolled_back' THEN false
    END;
    IF is_allowed IS NULL THEN
        PERFORM studio.refuse('proposal-state-known', format('%s is no state of a proposal.', before));
    END IF;
    RETURN is_allowed;
END
$$;

-- How many different people with an entitling role have said yes to exactly this version, and still do.
CREATE FUNCTION studio.live_approvals(
    of_studio text, of_proposal text, of_version integer, of_hash text, of_kind text, roles text[],
    at_instant timestamptz
) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT count(DISTINCT a.approver_id) FROM studio.approvals AS a
        WHERE a.studio_id = of_studio AND a.proposal_id = of_proposal AND a.version = of_version
            AND a.kind = of_kind AND a.input_hash = of_hash AND a.role = ANY (roles)
            AND a.at <= at_instant AND at_instant < a.expires_at);
END
$$;

-- Whether an exemption stands in for approvals: that one where one is named, any otherwise.
CREATE FUNCTION studio.is_exempt(
    of_studio text, of_capability text, of_owner text, at_instant timestamptz, only_id text
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM studio.exemptions AS x
        WHERE x.studio_id = of_studio AND x.capability_id = of_capability
            AND x.granted_at <= at_instant AND at_instant < x.expires_at
            AND (x.owner_id IS NULL OR x.owner_id = of_owner)
            AND (only_id IS NULL OR x.exemption_id = only_id)
            AND NOT EXISTS (SELECT FROM studio.exemption_ends AS e
                WHERE e.studio_id = x.studio_id AND e.exemption_id = x.exemption_id));
END
$$;
