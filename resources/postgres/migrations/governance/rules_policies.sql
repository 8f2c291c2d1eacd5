-- The kill switch, quotas, governance checks and checkpoints.

CREATE FUNCTION studio.check_switch_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
    last record;
BEGIN
    event := studio.require_event(NEW.studio_id, NEW.audit_seq, 0, 'kill_switch', NEW.studio_id,
        CASE WHEN NEW.kind IN ('opened', 'resumed') THEN 'off' ELSE 'on' END);
    IF NEW.actor_id <> event.actor_id OR NEW.at <> event.at
        OR event.name <> 'kill_switch:' || NEW.studio_id || ':' || NEW.kind
    THEN
        PERFORM studio.refuse('switch-person', 'The change is not the act the audit event tells of.');
    END IF;
    SELECT s.revision, s.kind, s.actor_id INTO last FROM studio.kill_switch_changes AS s
    WHERE s.studio_id = NEW.studio_id ORDER BY s.revision DESC LIMIT 1;
    IF NOT (CASE
        WHEN last.kind IS NULL THEN NEW.kind = 'opened'
        WHEN last.kind IN ('opened', 'resumed') THEN NEW.kind = 'halted'
        WHEN last.kind = 'halted' THEN NEW.kind = 'resume_requested'
        ELSE NEW.kind IN ('resumed', 'halted')
    END)
    THEN
        PERFORM studio.refuse('switch-step',
            format('The kill switch was %s, so it cannot be %s now.', coalesce(last.kind, 'never set'), NEW.kind),
            'SO001');
    END IF;
    -- Going on takes a second person, and both are people.
    IF NEW.kind IN ('resume_requested', 'resumed') AND event.actor_kind NOT IN ('human', 'staff') THEN
        PERFORM studio.refuse('switch-people', 'Only people let writes go on.');
    END IF;
    IF NEW.kind = 'resumed' AND last.actor_id = NEW.actor_id THEN
        PERFORM studio.refuse('switch-second-person', 'Another person confirms a request to resume.');
    END IF;
    NEW.revision := coalesce(last.revision, 0) + 1;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

-- INVARIANT: quotas hold under concurrency. The row's CHECK bounds use; here: it counts up by one in a
-- window, starts again only in the next, and falls otherwise only with an audited reset.
CREATE FUNCTION studio.check_quota() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    quota record;
BEGIN
    IF (NEW.studio_id = studio.current_studio_id()) IS NOT TRUE THEN
        PERFORM studio.refuse('one-studio', 'The row is of another studio than the connection.');
    END IF;
    SELECT q.limit_count, q.window_seconds, q.cooldown_seconds INTO quota FROM studio.capability_quotas AS q
    WHERE q.capability_id = NEW.capability_id AND q.scope = NEW.scope;
    IF NOT FOUND OR (NEW.limit_count, NEW.window_seconds) <> (quota.limit_count, quota.window_seconds) THEN
        PERFORM studio.refuse('quota-registry', 'The registry has another quota, or none.');
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.studio_id, NEW.capability_id, NEW.scope, NEW.subject_id)
        <> (OLD.studio_id, OLD.capability_id, OLD.scope, OLD.subject_id)
    THEN
        PERFORM studio.refuse('quota-origin', 'Whose use a quota counts never changes.');
    END IF;
    IF NEW.audit_seq IS DISTINCT FROM (CASE WHEN TG_OP = 'UPDATE' THEN OLD.audit_seq END) THEN
        PERFORM studio.require_event(NEW.studio_id, NEW.audit_seq, CASE WHEN TG_OP = 'UPDATE'
            THEN OLD.audit_seq END, 'quota',
            concat(NEW.capability_id, '|', NEW.scope, '|', NEW.subject_id), NULL);
        IF NEW.used <> 0 THEN
            PERFORM studio.refuse('quota-reset', 'A reset sets the use to none.');
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' OR OLD.window_started_at IS NULL
        OR NEW.window_started_at >= OLD.window_started_at + make_interval(secs => quota.window_seconds)
    THEN
        IF (NEW.used = 1 AND NEW.window_started_at = NEW.last_used_at) IS NOT TRUE THEN
            PERFORM studio.refuse('quota-window', 'A window begins with its first use.');
        END IF;
    ELSIF (NEW.used = OLD.used + 1 AND NEW.window_started_at = OLD.window_started_at
        AND NEW.last_used_at IS NOT NULL) IS NOT TRUE
    THEN
        PERFORM studio.refuse('quota-counts-up', 'Use counts up by one.');
    END IF;
    IF TG_OP = 'UPDATE' AND quota.cooldown_seconds > 0
        AND NEW.last_used_at < OLD.last_used_at + make_interval(secs => quota.cooldown_seconds)
    THEN
        PERFORM studio.refuse('quota-cooldown', 'The last use is too recent.', 'SO001');
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION studio.check_governance_check() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
BEGIN
    event := studio.require_event(NEW.studio_id, NEW.audit_seq, 0, 'check', NEW.name, NULL);
    IF event.name <> concat('check:', NEW.name, ':', CASE WHEN NEW.holds THEN 'green' ELSE 'red' END)
        OR NEW.at <> event.at
    THEN
        PERFORM studio.refuse('check-event', 'The check is not what the audit event tells of.');
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION studio.check_checkpoint() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (NEW.studio_id = studio.current_studio_id()) IS NOT TRUE THEN
        PERFORM studio.refuse('one-studio', 'The row is of another studio than the connection.');
    END IF;
    IF NEW.audit_seq IS NOT NULL THEN
        PERFORM studio.require_event(NEW.studio_id, NEW.audit_seq, 0, 'audit', NEW.studio_id, NULL);
    END IF;
    IF NOT EXISTS (SELECT FROM studio.audit_events AS e
        WHERE e.studio_id = NEW.studio_id AND e.seq = NEW.tree_size)
    THEN
        PERFORM studio.refuse('checkpoint-size', 'The log has no entry that the checkpoint ends with.');
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE TRIGGER kill_switch_changes_rule BEFORE INSERT ON studio.kill_switch_changes
    FOR EACH ROW EXECUTE FUNCTION studio.check_switch_change();
CREATE TRIGGER quota_buckets_rule BEFORE INSERT OR UPDATE ON studio.quota_buckets
    FOR EACH ROW EXECUTE FUNCTION studio.check_quota();
CREATE TRIGGER governance_checks_rule BEFORE INSERT ON studio.governance_checks
    FOR EACH ROW EXECUTE FUNCTION studio.check_governance_check();
CREATE TRIGGER audit_checkpoints_rule BEFORE INSERT ON studio.audit_checkpoints
    FOR EACH ROW EXECUTE FUNCTION studio.check_checkpoint();
