"""What connectors read, and what detectors find: two histories that say nothing twice."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STUDIO_ID = r"studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$')"
_NAME = r"~ '^[a-z][a-z0-9_]{0,62}$'"
_HASH = r"~ '^[0-9a-f]{64}$'"
_SENTENCE = "~ '^[^[:cntrl:]]+$'"
_REVISION = """revision integer NOT NULL CHECK (revision >= 1),
    previous_revision integer GENERATED ALWAYS AS (NULLIF(revision - 1, 0)) STORED"""
_PROVENANCE = """run_id text NOT NULL CHECK (run_id <> ''),
    code_version text NOT NULL CHECK (code_version <> ''),
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()"""

_TABLES = {
    "connector_readings": f"""
    {_STUDIO_ID},
    connector_id text NOT NULL CHECK (connector_id {_NAME}),
    {_REVISION},
    content_hash text NOT NULL CHECK (content_hash {_HASH}),
    read_at timestamptz NOT NULL,
    devices jsonb NOT NULL CHECK (jsonb_typeof(devices) = 'array'),
    failures jsonb NOT NULL CHECK (jsonb_typeof(failures) = 'array'),
    mode text,
    security text,
    worked_around text[] NOT NULL,
    {_PROVENANCE},
    PRIMARY KEY (studio_id, connector_id, revision),
    CONSTRAINT connector_readings_no_gap FOREIGN KEY (studio_id, connector_id, previous_revision)
        REFERENCES studio.connector_readings (studio_id, connector_id, revision)""",
    "connector_confirmations": f"""
    {_STUDIO_ID},
    connector_id text NOT NULL CHECK (connector_id {_NAME}),
    revision integer NOT NULL CHECK (revision >= 1),
    read_at timestamptz NOT NULL,
    observed jsonb NOT NULL CHECK (jsonb_typeof(observed) = 'object'),
    {_PROVENANCE},
    PRIMARY KEY (studio_id, connector_id, revision, read_at),
    CONSTRAINT connector_confirmations_reading FOREIGN KEY (studio_id, connector_id, revision)
        REFERENCES studio.connector_readings (studio_id, connector_id, revision)""",
    "findings": f"""
    {_STUDIO_ID},
    finding_id text NOT NULL CHECK (finding_id ~ '^fnd_[0-9a-hjkmnp-tv-z]{{26}}$'),
    {_REVISION},
    number bigint NOT NULL CHECK (number >= 1),
    department text NOT NULL CHECK (department {_NAME}),
    detector text NOT NULL CHECK (detector {_NAME}),
    kind text NOT NULL CHECK (kind {_NAME}),
    subject_kind text NOT NULL CHECK (subject_kind {_NAME}),
    subject_id text NOT NULL CHECK (subject_id ~ '^[^[:space:][:cntrl:]@]{{1,200}}$'),
    severity text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    state text NOT NULL CHECK (state IN ('open', 'resolved')),
    since timestamptz NOT NULL,
    expected jsonb CHECK (jsonb_typeof(expected) IN ('number', 'string')),
    observed jsonb CHECK (jsonb_typeof(observed) IN ('number', 'string')),
    unit text CHECK (unit ~ '^[^[:space:][:cntrl:]@]{{1,200}}$'),
    likely_cause text NOT NULL CHECK (likely_cause {_SENTENCE} AND char_length(likely_cause) <= 500),
    next_step text NOT NULL CHECK (next_step {_SENTENCE} AND char_length(next_step) <= 500),
    capability_id text CHECK (capability_id ~ '^[^[:space:][:cntrl:]@]{{1,200}}$'),
    evidence jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'array' AND jsonb_array_length(evidence) <= 50),
    content_hash text NOT NULL CHECK (content_hash {_HASH}),
    observed_at timestamptz NOT NULL,
    {_PROVENANCE},
    PRIMARY KEY (studio_id, finding_id, revision),
    CONSTRAINT findings_number_key UNIQUE (studio_id, number),
    CONSTRAINT findings_no_gap FOREIGN KEY (studio_id, finding_id, previous_revision)
        REFERENCES studio.findings (studio_id, finding_id, revision),
    CONSTRAINT findings_begin_open CHECK (revision > 1 OR state = 'open')""",
}

_INDEXES = (
    "connector_readings_by_time ON studio.connector_readings (studio_id, connector_id, read_at)",
    (
        "findings_of_detector ON studio.findings (studio_id, department, detector, finding_id, revision) "
        "INCLUDE (state, content_hash, subject_id, since, observed_at)"
    ),
    "findings_by_department ON studio.findings (studio_id, department, number)",
    "findings_open ON studio.findings (studio_id, department, finding_id, revision) WHERE state = 'open'",
)

_RULES = {
    # Time only goes forward, and the same content is not written twice.
    "connector_readings": """
        IF EXISTS (
            SELECT FROM studio.connector_readings AS previous
            WHERE previous.studio_id = NEW.studio_id AND previous.connector_id = NEW.connector_id
              AND previous.revision = NEW.revision - 1
              AND (previous.content_hash = NEW.content_hash OR previous.read_at >= NEW.read_at
                OR EXISTS (
                    SELECT FROM studio.connector_confirmations AS c
                    WHERE c.studio_id = NEW.studio_id AND c.connector_id = NEW.connector_id
                      AND c.revision = previous.revision AND c.read_at >= NEW.read_at))
        ) THEN
            RAISE EXCEPTION 'revision % says the same as the one before it, or is older', NEW.revision
                USING ERRCODE = 'restrict_violation';
        END IF;""",
    "connector_confirmations": """
        IF EXISTS (
            SELECT FROM studio.connector_readings AS r
            WHERE r.studio_id = NEW.studio_id AND r.connector_id = NEW.connector_id
              AND (r.revision > NEW.revision OR (r.revision = NEW.revision AND r.read_at >= NEW.read_at))
        ) THEN
            RAISE EXCEPTION 'only the newest reading is confirmed, by a later read'
                USING ERRCODE = 'restrict_violation';
        END IF;""",
    # INVARIANT: whoever sees a number sees all smaller ones. The lock is held until the commit; 1398031950
    # is FINDINGS_LOCK of findings.py. Earlier rows of the same statement are visible here.
    "findings": """
        PERFORM pg_catalog.pg_advisory_xact_lock(1398031950, pg_catalog.hashtext(NEW.studio_id));
        NEW.number := COALESCE(
            (SELECT f.number FROM studio.findings AS f WHERE f.studio_id = NEW.studio_id
             ORDER BY f.number DESC LIMIT 1), 0) + 1;
        IF EXISTS (
            SELECT FROM studio.findings AS previous
            WHERE previous.studio_id = NEW.studio_id AND previous.finding_id = NEW.finding_id
              AND previous.revision = NEW.revision - 1
              AND (previous.content_hash = NEW.content_hash
                OR (previous.state = 'resolved' AND NEW.state = 'resolved')
                OR previous.observed_at > NEW.observed_at
                OR (previous.department, previous.detector, previous.kind, previous.subject_kind,
                    previous.subject_id)
                    <> (NEW.department, NEW.detector, NEW.kind, NEW.subject_kind, NEW.subject_id))
        ) THEN
            RAISE EXCEPTION 'revision % says the same as the one before it, is older, or is of another thing',
                NEW.revision USING ERRCODE = 'restrict_violation';
        END IF;""",
}


def upgrade() -> None:
    """Create the tables; each append-only, one studio's rows only, no more rights than needed."""
    for name, body in _TABLES.items():
        op.execute(f"CREATE TABLE studio.{name} ({body}\n)")
        _protect(name)
    for index in _INDEXES:
        op.execute(f"CREATE INDEX {index}")
    for name, body in _RULES.items():
        op.execute(
            f"CREATE FUNCTION studio.{name}_rule() RETURNS trigger LANGUAGE plpgsql AS $$\n"
            f"BEGIN{body}\n        RETURN NEW;\nEND\n$$"
        )
        op.execute(
            f"CREATE TRIGGER {name}_rule BEFORE INSERT ON studio.{name} "
            f"FOR EACH ROW EXECUTE FUNCTION studio.{name}_rule()"
        )
        op.execute(f"ALTER TABLE studio.{name} ENABLE ALWAYS TRIGGER {name}_rule")


def _protect(name: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON studio.{name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change()"
    )
    op.execute(f"ALTER TABLE studio.{name} ENABLE ALWAYS TRIGGER {name}_append_only")
    op.execute(f"ALTER TABLE studio.{name} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE studio.{name} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {name}_of_one_studio ON studio.{name} "
        "USING (studio_id = studio.current_studio_id()) "
        "WITH CHECK (studio_id = studio.current_studio_id())"
    )
    op.execute(f"GRANT SELECT, INSERT ON studio.{name} TO studio_app")


def downgrade() -> None:
    """Refuse: history is never taken back."""
    raise NotImplementedError("History is append-only; restore a backup instead.")
