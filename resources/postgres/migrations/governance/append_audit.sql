-- The log's one way in. Replaces the function of audit.sql: the same, but it also holds the studio's name to the
-- form that every table wants, because the log itself has no CHECKs any more.
--
-- INVARIANT: without gaps and without forks. The lock makes writers of one studio queue until each has
-- committed; under a snapshot older than the lock the head looks stale and the primary key refuses the entry.
--
-- Runs with the owner's rights because nobody else may insert. Bytes of an entry: see policies/audit.
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
BEGIN
    IF octet_length(payload) > 16384 THEN
        RAISE EXCEPTION 'an audit event may have 16 kB, this one has % bytes', octet_length(payload)
            USING ERRCODE = 'SO002', CONSTRAINT = 'audit-payload-size';
    END IF;
    event := payload::jsonb;
    actor := event -> 'actor';
    -- Each of these says something about a missing key, too: null is not true.
    IF (event ->> 'studio' = studio AND studio ~ '^[a-z][a-z0-9_]{1,40}$' AND event -> 'v' = '1'
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

    PERFORM pg_advisory_xact_lock(1398030677, hashtext(studio));
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
