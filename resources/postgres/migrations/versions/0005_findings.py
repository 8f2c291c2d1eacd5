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
    {_PROVENANCE}""",
    "connector_confirmations": f"""
    {_STUDIO_ID},
    connector_id text NOT NULL CHECK (connector_id {_NAME}),
    revision integer NOT NULL CHECK (revision >= 1),
    read_at timestamptz NOT NULL,
    observed jsonb NOT NULL CHECK (jsonb_typeof(observed) = 'object'),
    {_PROVENANCE}""",
    "findings": f"""
    {_STUDIO_ID},
    finding_id text NOT NULL CHECK (finding_id ~ '^fnd_[0-9a-hjkmnp-tv-z]{{26}}$'),
    {_REVISION},
    number bigint NOT NULL CHECK (number >= 1),
    previous_number bigint GENERATED ALWAYS AS (NULLIF(number - 1, 0)) STORED,
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
    CONSTRAINT findings_begin_open CHECK (revision > 1 OR state = 'open')""",
}

# Primary keys come last, and rules look up by plain values, on purpose: where a table has no statistics yet
# and indexes look equal, PostgreSQL takes the newest and simplest. Any other would cost a pass over all rows
# for every row of the first big write.
_INDEXES = (
    "connector_readings_by_time ON studio.connector_readings (studio_id, connector_id, read_at)",
    (
        "findings_of_detector ON studio.findings (studio_id, department, detector, finding_id, revision) "
        "INCLUDE (state, content_hash, subject_id, since, observed_at)"
    ),
    "findings_open ON studio.findings (studio_id, department, finding_id, revision) WHERE state = 'open'",
)
_READING = "(studio_id, connector_id, revision)"
_KEYS = (
    "findings: findings_number_key UNIQUE (studio_id, number)",
    "findings: findings_pkey PRIMARY KEY (studio_id, finding_id, revision)",
    f"connector_readings: connector_readings_pkey PRIMARY KEY {_READING}",
    (
        "connector_confirmations: connector_confirmations_pkey "
        "PRIMARY KEY (studio_id, connector_id, revision, read_at)"
    ),
    (
        "connector_readings: connector_readings_no_gap "
        "FOREIGN KEY (studio_id, connector_id, previous_revision) "
        f"REFERENCES studio.connector_readings {_READING}"
    ),
    (
        f"connector_confirmations: connector_confirmations_reading FOREIGN KEY {_READING} "
        f"REFERENCES studio.connector_readings {_READING}"
    ),
    (
        "findings: findings_no_gap FOREIGN KEY (studio_id, finding_id, previous_revision) "
        "REFERENCES studio.findings (studio_id, finding_id, revision)"
    ),
    # INVARIANT: whoever sees a number sees all smaller ones. The one before it has to be committed, or of the
    # same transaction, whatever locks a client takes.
    (
        "findings: findings_number_follows FOREIGN KEY (studio_id, previous_number) "
        "REFERENCES studio.findings (studio_id, number)"
    ),
)

_RULES = {
    # Time only goes forward, and the same content is not written twice.
    "connector_readings": """
    SELECT * INTO previous FROM studio.connector_readings AS t
        WHERE t.studio_id = NEW.studio_id AND t.connector_id = NEW.connector_id AND t.revision = one_before;
    IF previous.content_hash = NEW.content_hash OR previous.read_at >= NEW.read_at OR EXISTS (
        SELECT FROM studio.connector_confirmations AS t
        WHERE t.studio_id = NEW.studio_id AND t.connector_id = NEW.connector_id AND t.revision = one_before
          AND t.read_at >= NEW.read_at)
    THEN
        RAISE EXCEPTION 'revision % says the same as the one before it, or is older', NEW.revision
            USING ERRCODE = 'restrict_violation';
    END IF;""",
    "connector_confirmations": """
    IF EXISTS (
        SELECT FROM studio.connector_readings AS t
        WHERE t.studio_id = NEW.studio_id AND t.connector_id = NEW.connector_id
          AND (t.revision > NEW.revision OR (t.revision = NEW.revision AND t.read_at >= NEW.read_at)))
    THEN
        RAISE EXCEPTION 'only the newest reading is confirmed, by a later read'
            USING ERRCODE = 'restrict_violation';
    END IF;""",
    "findings": """
    SELECT * INTO previous FROM studio.findings AS t
        WHERE t.studio_id = NEW.studio_id AND t.finding_id = NEW.finding_id AND t.revision = one_before;
    IF previous.content_hash = NEW.content_hash
        OR (previous.state = 'resolved' AND NEW.state = 'resolved')
        OR previous.observed_at > NEW.observed_at
        OR (previous.department, previous.detector, previous.kind, previous.subject_kind,
            previous.subject_id)
            <> (NEW.department, NEW.detector, NEW.kind, NEW.subject_kind, NEW.subject_id)
    THEN
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
    for key in _KEYS:
        table, _, constraint = key.partition(": ")
        op.execute(f"ALTER TABLE studio.{table} ADD CONSTRAINT {constraint}")
    for name, body in _RULES.items():
        op.execute(
            f"CREATE FUNCTION studio.{name}_rule() RETURNS trigger LANGUAGE plpgsql AS $$\n"
            f"DECLARE\n    one_before integer := NEW.revision - 1;\n    previous studio.{name}%ROWTYPE;\n"
            f"BEGIN{body}\n    RETURN NEW;\nEND\n$$"
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
