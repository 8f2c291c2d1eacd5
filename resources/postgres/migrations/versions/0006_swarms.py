"""What swarms and the people who watch them leave behind: pauses, dispositions, drafts, reviews, triage.

Whatever a person decides has an audit event of the same transaction, and is a person's.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

_STUDIO_ID = r"studio_id text NOT NULL CHECK (studio_id ~ '^[a-z][a-z0-9_]{1,40}$')"
_NAME = "~ '^[a-z][a-z0-9_]{0,62}$'"
_ID = "~ '^[^[:space:][:cntrl:]@]{1,200}$'"
_HASH = "~ '^[0-9a-f]{64}$'"
_FINDING = "finding_id text NOT NULL CHECK (finding_id ~ '^fnd_[0-9a-hjkmnp-tv-z]{26}$')"
_STATUS = "IN ('draft', 'needs_review', 'approved_for_publish', 'rejected')"
_SEVERITY = "IN ('low', 'medium', 'high', 'critical')"
_REVISION = """revision integer NOT NULL CHECK (revision >= 1),
    previous_revision integer GENERATED ALWAYS AS (NULLIF(revision - 1, 0)) STORED"""
_RECORDED = "recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()"
_DECISION = f"""by text NOT NULL CHECK (by <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL,
    audit_seq bigint NOT NULL,
    {_RECORDED}"""

_TABLES = {
    "swarm_controls": f"""
    {_STUDIO_ID},
    department text NOT NULL CHECK (department {_NAME}),
    kind text NOT NULL CHECK (kind IN ('paused', 'resumed')),
    {_DECISION}""",
    "finding_dispositions": f"""
    {_STUDIO_ID},
    {_FINDING},
    revision integer NOT NULL CHECK (revision >= 1),
    verdict text NOT NULL CHECK (verdict IN ('useful', 'noise', 'wrong')),
    {_DECISION}""",
    "marketing_drafts": f"""
    {_STUDIO_ID},
    draft_id text NOT NULL CHECK (draft_id {_NAME}),
    {_REVISION},
    channel text NOT NULL CHECK (channel {_NAME}),
    variant text NOT NULL CHECK (variant {_NAME}),
    status text NOT NULL CHECK (status {_STATUS}),
    subject text CHECK (subject <> ''),
    body text NOT NULL CHECK (body <> ''),
    facts jsonb NOT NULL CHECK (jsonb_typeof(facts) IN ('array', 'object')),
    template text NOT NULL CHECK (template {_NAME}),
    template_version text NOT NULL CHECK (template_version <> ''),
    content_hash text NOT NULL CHECK (content_hash {_HASH}),
    snapshot_date date NOT NULL,
    snapshot_revision integer NOT NULL CHECK (snapshot_revision >= 1),
    at timestamptz NOT NULL,
    run_id text NOT NULL CHECK (run_id <> ''),
    code_version text NOT NULL CHECK (code_version <> ''),
    {_RECORDED}""",
    "draft_reviews": f"""
    {_STUDIO_ID},
    draft_id text NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    from_status text NOT NULL CHECK (from_status {_STATUS}),
    to_status text NOT NULL CHECK (to_status {_STATUS}),
    subject text CHECK (subject <> ''),
    body text CHECK (body <> ''),
    before_hash text NOT NULL CHECK (before_hash {_HASH}),
    after_hash text NOT NULL CHECK (after_hash {_HASH}),
    {_DECISION},
    CONSTRAINT draft_reviews_words CHECK (
        (before_hash = after_hash) = (subject IS NULL AND body IS NULL))""",
    "triage_suggestions": f"""
    {_STUDIO_ID},
    report_id text NOT NULL CHECK (report_id {_ID}),
    {_REVISION},
    category text CHECK (category {_NAME}),
    severity text CHECK (severity {_SEVERITY}),
    reason_code text NOT NULL CHECK (reason_code {_NAME}),
    confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    is_abstained boolean NOT NULL,
    classifier text NOT NULL CHECK (classifier <> ''),
    text_hash text NOT NULL CHECK (text_hash {_HASH}),
    at timestamptz NOT NULL,
    run_id text NOT NULL CHECK (run_id <> ''),
    {_RECORDED},
    CONSTRAINT triage_suggestions_or_none CHECK (
        is_abstained OR (category IS NOT NULL AND severity IS NOT NULL))""",
    "triage_decisions": f"""
    {_STUDIO_ID},
    report_id text NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    category text NOT NULL CHECK (category {_NAME}),
    severity text NOT NULL CHECK (severity {_SEVERITY}),
    verdict text NOT NULL CHECK (verdict IN ('confirmed', 'edited')),
    {_DECISION}""",
}

# Primary keys last, as in the migration before this one.
_DRAFT = "(studio_id, draft_id, revision)"
_TRIAGE = "(studio_id, report_id, revision)"
_KEYS = (
    "swarm_controls: swarm_controls_pkey PRIMARY KEY (studio_id, department, audit_seq)",
    "finding_dispositions: finding_dispositions_pkey PRIMARY KEY (studio_id, finding_id, audit_seq)",
    f"marketing_drafts: marketing_drafts_pkey PRIMARY KEY {_DRAFT}",
    f"draft_reviews: draft_reviews_pkey PRIMARY KEY {_DRAFT}",
    f"triage_suggestions: triage_suggestions_pkey PRIMARY KEY {_TRIAGE}",
    "triage_decisions: triage_decisions_pkey PRIMARY KEY (studio_id, report_id, audit_seq)",
    (
        "finding_dispositions: finding_dispositions_finding FOREIGN KEY (studio_id, finding_id, revision) "
        "REFERENCES studio.findings (studio_id, finding_id, revision)"
    ),
    (
        "marketing_drafts: marketing_drafts_no_gap FOREIGN KEY (studio_id, draft_id, previous_revision) "
        f"REFERENCES studio.marketing_drafts {_DRAFT}"
    ),
    f"draft_reviews: draft_reviews_draft FOREIGN KEY {_DRAFT} REFERENCES studio.marketing_drafts {_DRAFT}",
    (
        "triage_suggestions: triage_suggestions_no_gap "
        "FOREIGN KEY (studio_id, report_id, previous_revision) "
        f"REFERENCES studio.triage_suggestions {_TRIAGE}"
    ),
    (
        f"triage_decisions: triage_decisions_suggestion FOREIGN KEY {_TRIAGE} "
        f"REFERENCES studio.triage_suggestions {_TRIAGE}"
    ),
)
_INDEXES = (
    "marketing_drafts_by_time ON studio.marketing_drafts (studio_id, at)",
    "finding_dispositions_by_time ON studio.finding_dispositions (studio_id, at)",
    # What a swarm asks at every tick: what is new for its department, and what it has proposed already.
    "findings_of_department ON studio.findings (department, number, studio_id)",
    "proposals_by_dedupe ON studio.proposals (studio_id, dedupe_key) WHERE dedupe_key IS NOT NULL",
)

# Money in whole units of the smallest coin, never in the columns that hold measured numbers.
_MONEY = """
ALTER TABLE studio.findings
    ADD COLUMN expected_cents bigint,
    ADD COLUMN observed_cents bigint,
    ADD COLUMN currency text CHECK (currency ~ '^[a-z]{3}$'),
    ADD CONSTRAINT findings_money_has_a_currency CHECK (
        (expected_cents IS NULL AND observed_cents IS NULL) = (currency IS NULL)),
    ADD CONSTRAINT findings_money_apart CHECK (currency IS NULL OR (
        jsonb_typeof(expected) IS DISTINCT FROM 'number'
        AND jsonb_typeof(observed) IS DISTINCT FROM 'number'))
"""

_RULES = {
    "swarm_controls": """
    last text;
BEGIN
    PERFORM studio.require_decision(NEW.studio_id, NEW.audit_seq, 'swarm', NEW.department, NEW.kind,
        concat('swarm:', NEW.department, ':', NEW.kind), NEW."by", NEW.at);
    SELECT t.kind INTO last FROM studio.swarm_controls AS t
    WHERE t.studio_id = NEW.studio_id AND t.department = NEW.department ORDER BY t.audit_seq DESC LIMIT 1;
    IF NEW.kind = coalesce(last, 'resumed') THEN
        PERFORM studio.refuse('swarm-control-step', format('The swarm is %s already.', NEW.kind), 'SO001');
    END IF;""",
    "finding_dispositions": """
BEGIN
    PERFORM studio.require_decision(NEW.studio_id, NEW.audit_seq, 'finding', NEW.finding_id, NULL,
        concat('finding:', NEW.verdict, ':marked'), NEW."by", NEW.at);""",
    # INVARIANT: nothing is approved or rejected by a machine. Such a revision follows from a review, and
    # so does whatever comes after it, unless its words are new ones that wait for a review again.
    "marketing_drafts": """
    previous studio.marketing_drafts%ROWTYPE;
    is_reviewed boolean;
BEGIN
    SELECT * INTO previous FROM studio.marketing_drafts AS t
    WHERE t.studio_id = NEW.studio_id AND t.draft_id = NEW.draft_id AND t.revision = NEW.revision - 1;
    is_reviewed := EXISTS (SELECT FROM studio.draft_reviews AS r
        WHERE r.studio_id = NEW.studio_id AND r.draft_id = NEW.draft_id AND r.revision = NEW.revision - 1
            AND r.to_status = NEW.status AND r.after_hash = NEW.content_hash);
    IF NOT is_reviewed AND NEW.status NOT IN ('draft', 'needs_review') THEN
        PERFORM studio.refuse('draft-reviewed', 'Only a review makes a draft approved or rejected.');
    END IF;
    IF NOT is_reviewed AND previous.content_hash = NEW.content_hash AND
        (previous.status, NEW.status) <> ('draft', 'needs_review')
    THEN
        PERFORM studio.refuse('draft-says-something-new',
            'The revision says what the one before it says, and no review changed its status.');
    END IF;
    IF previous.at > NEW.at OR previous.channel <> NEW.channel THEN
        PERFORM studio.refuse('draft-follows',
            'The revision is older than the one before it, or of another channel.');
    END IF;""",
    "draft_reviews": """
    reviewed studio.marketing_drafts%ROWTYPE;
BEGIN
    PERFORM studio.require_decision(NEW.studio_id, NEW.audit_seq, 'draft', NEW.draft_id, NEW.to_status,
        concat('draft:', NEW.to_status, ':reviewed'), NEW."by", NEW.at);
    SELECT * INTO reviewed FROM studio.marketing_drafts AS t
    WHERE t.studio_id = NEW.studio_id AND t.draft_id = NEW.draft_id ORDER BY t.revision DESC LIMIT 1;
    IF (reviewed.revision = NEW.revision AND reviewed.status = NEW.from_status
        AND reviewed.content_hash = NEW.before_hash) IS NOT TRUE
    THEN
        PERFORM studio.refuse('draft-as-seen', 'The draft was changed by somebody else.', 'SO001');
    END IF;
    IF NOT (CASE NEW.from_status
        WHEN 'draft' THEN NEW.to_status IN ('needs_review', 'rejected')
        WHEN 'needs_review' THEN true
        WHEN 'approved_for_publish' THEN NEW.to_status IN ('needs_review', 'rejected')
        ELSE NEW.to_status = 'needs_review'
    END) OR (NEW.from_status = NEW.to_status AND NEW.before_hash = NEW.after_hash)
    THEN
        PERFORM studio.refuse('draft-step',
            format('A draft that is %s cannot become %s.', NEW.from_status, NEW.to_status));
    END IF;""",
    "triage_suggestions": """
    previous studio.triage_suggestions%ROWTYPE;
BEGIN
    SELECT * INTO previous FROM studio.triage_suggestions AS t
    WHERE t.studio_id = NEW.studio_id AND t.report_id = NEW.report_id AND t.revision = NEW.revision - 1;
    IF previous.at > NEW.at OR (previous.revision IS NOT NULL
        AND (previous.category, previous.severity, previous.reason_code, previous.confidence,
            previous.is_abstained, previous.classifier, previous.text_hash)
        IS NOT DISTINCT FROM (NEW.category, NEW.severity, NEW.reason_code, NEW.confidence, NEW.is_abstained,
            NEW.classifier, NEW.text_hash))
    THEN
        PERFORM studio.refuse('triage-says-something-new',
            'The suggestion says the same as the one before it, or is older.');
    END IF;""",
    # Which suggestion was judged, and whether it was right, is the database's to say.
    "triage_decisions": """
    judged studio.triage_suggestions%ROWTYPE;
BEGIN
    PERFORM studio.require_decision(NEW.studio_id, NEW.audit_seq, 'triage', NEW.report_id, NULL,
        concat('triage:', NEW.verdict, ':decided'), NEW."by", NEW.at);
    SELECT * INTO judged FROM studio.triage_suggestions AS t
    WHERE t.studio_id = NEW.studio_id AND t.report_id = NEW.report_id ORDER BY t.revision DESC LIMIT 1;
    IF NOT FOUND THEN
        PERFORM studio.refuse('triage-suggested', 'There is no suggestion for this report.');
    END IF;
    IF (NEW.verdict = 'confirmed') <> ((judged.category, judged.severity)
        IS NOT DISTINCT FROM (NEW.category, NEW.severity))
    THEN
        PERFORM studio.refuse('triage-as-seen', 'The suggestion is another by now.', 'SO001');
    END IF;
    NEW.revision := judged.revision;""",
}

_DECISION_RULE = """
-- A person's decision: an event of this transaction, about this subject, of this name, by them.
CREATE FUNCTION studio.require_decision(
    of_studio text, event_seq bigint, about_kind text, about_id text, new_state text, named text,
    by_whom text, at_instant timestamptz
) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event studio.audit_events;
BEGIN
    event := studio.require_event(of_studio, event_seq, 0, about_kind, about_id, new_state);
    IF event.actor_id <> by_whom OR event.at <> at_instant OR event.name <> named THEN
        PERFORM studio.refuse('decision-event', 'The decision is not the act the audit event tells of.');
    END IF;
    IF event.actor_kind NOT IN ('human', 'staff') THEN
        PERFORM studio.refuse('decision-people', 'Only people decide this.');
    END IF;
END
$$
"""

# The reviewed words are the next revision, whoever wrote the review and however.
_NEXT_DRAFT = """
CREATE FUNCTION studio.draft_reviews_next() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO studio.marketing_drafts (studio_id, draft_id, revision, channel, variant, status, subject,
        body, facts, template, template_version, content_hash, snapshot_date, snapshot_revision, at, run_id,
        code_version)
    SELECT t.studio_id, t.draft_id, t.revision + 1, t.channel, t.variant, NEW.to_status,
        coalesce(NEW.subject, t.subject), coalesce(NEW.body, t.body), t.facts, t.template,
        t.template_version, NEW.after_hash, t.snapshot_date, t.snapshot_revision, NEW.at,
        'review ' || NEW.audit_seq, t.code_version
    FROM studio.marketing_drafts AS t
    WHERE t.studio_id = NEW.studio_id AND t.draft_id = NEW.draft_id AND t.revision = NEW.revision;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    """Create the tables; each append-only, one studio's rows only, no more rights than needed."""
    for name, body in _TABLES.items():
        _run(f"CREATE TABLE studio.{name} ({body}\n)")
        _protect(name)
    for index in _INDEXES:
        _run(f"CREATE INDEX {index}")
    for key in _KEYS:
        table, _, constraint = key.partition(": ")
        _run(f"ALTER TABLE studio.{table} ADD CONSTRAINT {constraint}")
    _run(_MONEY)
    _run(_DECISION_RULE)
    for name, body in _RULES.items():
        declare = "" if body.startswith("\nBEGIN") else "\nDECLARE"
        _run(
            f"CREATE FUNCTION studio.{name}_rule() RETURNS trigger LANGUAGE plpgsql "
            f"SET search_path = pg_catalog, pg_temp AS $${declare}{body}\n"
            "    NEW.recorded_at := clock_timestamp();\n    RETURN NEW;\nEND\n$$"
        )
        _trigger(name, f"{name}_rule", "BEFORE INSERT")
    _run(_NEXT_DRAFT)
    _trigger("draft_reviews", "draft_reviews_next", "AFTER INSERT")


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def _trigger(table: str, name: str, when: str) -> None:
    _run(f"CREATE TRIGGER {name} {when} ON studio.{table} FOR EACH ROW EXECUTE FUNCTION studio.{name}()")
    _run(f"ALTER TABLE studio.{table} ENABLE ALWAYS TRIGGER {name}")


def _protect(name: str) -> None:
    _run(
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON studio.{name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change()"
    )
    _run(f"ALTER TABLE studio.{name} ENABLE ALWAYS TRIGGER {name}_append_only")
    _run(f"ALTER TABLE studio.{name} ENABLE ROW LEVEL SECURITY")
    _run(f"ALTER TABLE studio.{name} FORCE ROW LEVEL SECURITY")
    _run(
        f"CREATE POLICY {name}_of_one_studio ON studio.{name} "
        "USING (studio_id = studio.current_studio_id()) "
        "WITH CHECK (studio_id = studio.current_studio_id())"
    )
    _run(f"GRANT SELECT, INSERT ON studio.{name} TO studio_app")


def downgrade() -> None:
    """Refuse: history is never taken back."""
    raise NotImplementedError("History is append-only; restore a backup instead.")
