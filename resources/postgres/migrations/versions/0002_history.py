"""The history tables of the cloud reads and of StudioState, with the rules that survive a bad client."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STUDIO_ID = r"studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$')"
_NAME = r"~ '^[a-z][a-z0-9_]{0,62}$'"
_HASH = r"~ '^[0-9a-f]{64}$'"
_REVISION = "revision integer NOT NULL CHECK (revision >= 1)"
_PREVIOUS = "previous_revision integer GENERATED ALWAYS AS (NULLIF(revision - 1, 0)) STORED"
_RECORDED_AT = "recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()"
_PROVENANCE = f"""run_id text NOT NULL CHECK (run_id <> ''),
        code_version text NOT NULL CHECK (code_version <> ''),
        {_RECORDED_AT}"""

_TABLES = {
    "source_reads": f"""
        {_STUDIO_ID},
        source text NOT NULL CHECK (source {_NAME}),
        name text NOT NULL CHECK (name {_NAME}),
        read_at timestamptz NOT NULL,
        {_REVISION},
        {_PREVIOUS},
        snapshot_date date NOT NULL,
        mode text NOT NULL CHECK (mode IN ('full', 'incremental')),
        completeness text NOT NULL CHECK (completeness IN ('full', 'partial', 'failed')),
        documents bigint NOT NULL CHECK (documents >= 0),
        expected_documents bigint CHECK (expected_documents >= 0),
        quarantined bigint NOT NULL CHECK (quarantined >= 0),
        warnings jsonb NOT NULL CHECK (jsonb_typeof(warnings) = 'object'),
        billed_reads bigint NOT NULL CHECK (billed_reads >= 0),
        resumes integer NOT NULL CHECK (resumes >= 0),
        newest_source_at timestamptz,
        watermark_at timestamptz,
        content_hash text CHECK (content_hash {_HASH}),
        raw_url text CHECK (raw_url <> ''),
        seconds double precision NOT NULL CHECK (seconds >= 0),
        reason text CHECK (reason <> ''),
        {_PROVENANCE},
        PRIMARY KEY (studio_id, source, name, read_at, revision),
        CONSTRAINT source_reads_no_gap FOREIGN KEY (studio_id, source, name, read_at, previous_revision)
            REFERENCES studio.source_reads (studio_id, source, name, read_at, revision),
        CONSTRAINT source_reads_only_full_has_hash
            CHECK ((completeness = 'full') = (content_hash IS NOT NULL)),
        CONSTRAINT source_reads_only_full_has_raw CHECK (completeness = 'full' OR raw_url IS NULL),
        CONSTRAINT source_reads_not_full_has_reason CHECK ((completeness = 'full') = (reason IS NULL))""",
    "quarantined_documents": f"""
        {_STUDIO_ID},
        source text NOT NULL,
        name text NOT NULL,
        read_at timestamptz NOT NULL,
        {_REVISION},
        position integer NOT NULL CHECK (position >= 1),
        document_id text NOT NULL,
        field_path text NOT NULL,
        reason text NOT NULL CHECK (reason <> ''),
        PRIMARY KEY (studio_id, source, name, read_at, revision, position),
        CONSTRAINT quarantined_documents_read FOREIGN KEY (studio_id, source, name, read_at, revision)
            REFERENCES studio.source_reads (studio_id, source, name, read_at, revision)""",
    "studio_state_snapshots": f"""
        {_STUDIO_ID},
        snapshot_date date NOT NULL,
        {_REVISION},
        {_PREVIOUS},
        content_hash text NOT NULL CHECK (content_hash {_HASH}),
        payload jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
        observed_at timestamptz NOT NULL,
        {_PROVENANCE},
        PRIMARY KEY (studio_id, snapshot_date, revision),
        CONSTRAINT studio_state_snapshots_no_gap FOREIGN KEY (studio_id, snapshot_date, previous_revision)
            REFERENCES studio.studio_state_snapshots (studio_id, snapshot_date, revision)""",
    "studio_state_counters": f"""
        {_STUDIO_ID},
        snapshot_date date NOT NULL,
        {_REVISION},
        counter text NOT NULL CHECK (counter <> ''),
        value bigint NOT NULL,
        unit text NOT NULL CHECK (unit <> ''),
        PRIMARY KEY (studio_id, snapshot_date, revision, counter),
        CONSTRAINT studio_state_counters_snapshot FOREIGN KEY (studio_id, snapshot_date, revision)
            REFERENCES studio.studio_state_snapshots (studio_id, snapshot_date, revision)""",
    "studio_state_diffs": f"""
        {_STUDIO_ID},
        to_date date NOT NULL,
        to_revision integer NOT NULL,
        {_REVISION},
        {_PREVIOUS},
        to_read_at timestamptz NOT NULL,
        from_date date,
        from_revision integer,
        from_read_at timestamptz,
        sources_changed text[] NOT NULL,
        content_hash text NOT NULL CHECK (content_hash {_HASH}),
        observed_at timestamptz NOT NULL,
        {_PROVENANCE},
        PRIMARY KEY (studio_id, to_date, to_revision, revision),
        CONSTRAINT studio_state_diffs_no_gap FOREIGN KEY (studio_id, to_date, to_revision, previous_revision)
            REFERENCES studio.studio_state_diffs (studio_id, to_date, to_revision, revision),
        CONSTRAINT studio_state_diffs_to FOREIGN KEY (studio_id, to_date, to_revision)
            REFERENCES studio.studio_state_snapshots (studio_id, snapshot_date, revision),
        CONSTRAINT studio_state_diffs_from FOREIGN KEY (studio_id, from_date, from_revision)
            REFERENCES studio.studio_state_snapshots (studio_id, snapshot_date, revision),
        CONSTRAINT studio_state_diffs_from_whole_or_absent
            CHECK (num_nulls(from_date, from_revision, from_read_at) IN (0, 3)),
        CONSTRAINT studio_state_diffs_from_before_to
            CHECK (from_date IS NULL OR (from_date, from_revision) < (to_date, to_revision))""",
    "studio_state_diff_changes": f"""
        {_STUDIO_ID},
        to_date date NOT NULL,
        to_revision integer NOT NULL,
        {_REVISION},
        counter text NOT NULL CHECK (counter <> ''),
        old_value bigint NOT NULL,
        new_value bigint NOT NULL,
        delta bigint NOT NULL GENERATED ALWAYS AS (new_value - old_value) STORED,
        PRIMARY KEY (studio_id, to_date, to_revision, revision, counter),
        CONSTRAINT studio_state_diff_changes_diff FOREIGN KEY (studio_id, to_date, to_revision, revision)
            REFERENCES studio.studio_state_diffs (studio_id, to_date, to_revision, revision),
        CONSTRAINT studio_state_diff_changes_differ CHECK (old_value <> new_value)""",
    "studio_state_drift": f"""
        {_STUDIO_ID},
        snapshot_date date NOT NULL,
        snapshot_revision integer NOT NULL,
        {_REVISION},
        metric text NOT NULL CHECK (metric <> ''),
        source text NOT NULL CHECK (source {_NAME}),
        expected bigint NOT NULL,
        observed bigint NOT NULL,
        delta bigint NOT NULL GENERATED ALWAYS AS (observed - expected) STORED,
        is_drift boolean NOT NULL,
        confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
        note text NOT NULL,
        content_hash text NOT NULL CHECK (content_hash {_HASH}),
        observed_at timestamptz NOT NULL,
        {_PROVENANCE},
        PRIMARY KEY (studio_id, snapshot_date, snapshot_revision, revision, metric),
        CONSTRAINT studio_state_drift_snapshot FOREIGN KEY (studio_id, snapshot_date, snapshot_revision)
            REFERENCES studio.studio_state_snapshots (studio_id, snapshot_date, revision)""",
    "operational_events": f"""
        {_STUDIO_ID},
        event_id bigint GENERATED ALWAYS AS IDENTITY,
        name text NOT NULL CHECK (name ~ '^[A-Za-z0-9_./-]+:[A-Za-z0-9_./-]+:[A-Za-z0-9_./-]+$'),
        at timestamptz NOT NULL,
        payload jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
        run_id text CHECK (run_id <> ''),
        {_RECORDED_AT},
        PRIMARY KEY (studio_id, event_id)""",
}

_INDEXES = (
    "source_reads_by_day ON studio.source_reads (studio_id, snapshot_date, source, name)",
    "studio_state_snapshots_by_observed_at ON studio.studio_state_snapshots (studio_id, observed_at)",
    "studio_state_counters_by_counter ON studio.studio_state_counters (studio_id, counter, snapshot_date)",
    "operational_events_by_time ON studio.operational_events (studio_id, at)",
)


def upgrade() -> None:
    """Create the tables; protect each: append-only, one studio's rows only, no more rights than needed."""
    for name, body in _TABLES.items():
        op.execute(f"CREATE TABLE studio.{name} ({body}\n)")
        op.execute(
            f"""
            CREATE TRIGGER {name}_append_only
            BEFORE UPDATE OR DELETE OR TRUNCATE ON studio.{name}
            FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change()
            """
        )
        op.execute(f"ALTER TABLE studio.{name} ENABLE ALWAYS TRIGGER {name}_append_only")
        op.execute(f"ALTER TABLE studio.{name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE studio.{name} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"""
            CREATE POLICY {name}_of_one_studio ON studio.{name}
            USING (studio_id = studio.current_studio_id())
            WITH CHECK (studio_id = studio.current_studio_id())
            """
        )
        op.execute(f"GRANT SELECT, INSERT ON studio.{name} TO studio_app")
    for index in _INDEXES:
        op.execute(f"CREATE INDEX {index}")
    op.execute(
        """
        CREATE TRIGGER studio_state_snapshots_says_something_new
        BEFORE INSERT ON studio.studio_state_snapshots
        FOR EACH ROW EXECUTE FUNCTION studio.refuse_repeated_content()
        """
    )


def downgrade() -> None:
    """Refuse: history is never taken back."""
    raise NotImplementedError("History is append-only; restore a backup instead.")
