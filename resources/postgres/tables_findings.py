"""The tables of what connectors read and detectors find; as in ``tables.py``, the comments describe them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from resources.postgres.table_parts import described, recorded_at_column, studio_column
from resources.postgres.tables import METADATA, SCHEMA
from resources.postgres.values import ForeignText, Instant


def revision_columns(of: str) -> tuple[Column[Any], ...]:
    """Return the columns of a history's count, without gaps, of revisions."""
    return (
        described("revision", Integer, f"Counts from 1 without gaps; the highest is the current {of}."),
        described(
            "previous_revision",
            Integer,
            "The revision before this one; null for the first. Lets the database refuse gaps.",
            Computed("NULLIF(revision - 1, 0)", persisted=True),
            null=True,
        ),
    )


def _provenance() -> tuple[Column[Any], ...]:
    return (
        described("run_id", Text, "Dagster run that wrote the row."),
        described("code_version", Text, "Version of the code that computed the row."),
        recorded_at_column(),
    )


_READING_KEY = ("studio_id", "connector_id", "revision")

CONNECTOR_READINGS = Table(
    "connector_readings",
    METADATA,
    studio_column(),
    described("connector_id", Text, "Which connector was read."),
    *revision_columns("reading of the connector"),
    described("content_hash", Text, "SHA-256 of what the devices said, without any time of reading."),
    described("read_at", Instant, "When the first read that said so was made, UTC."),
    described("devices", JSONB, "What each device said, in order of device_id: a list of objects."),
    described("failures", JSONB, "Known devices that said nothing, and why: a list of objects."),
    described("mode", ForeignText, "The hub's mode; null where it has none.", null=True),
    described("security", ForeignText, "The hub's safety monitor; null where it has none.", null=True),
    described("worked_around", ARRAY(Text), "Faults that cost no device, such as a refused login."),
    *_provenance(),
    PrimaryKeyConstraint(*_READING_KEY, name="connector_readings_pkey"),
    ForeignKeyConstraint(
        ["studio_id", "connector_id", "previous_revision"],
        [f"{SCHEMA}.connector_readings.{key}" for key in _READING_KEY],
        name="connector_readings_no_gap",
    ),
    Index("connector_readings_by_time", "studio_id", "connector_id", "read_at"),
    comment=(
        "One row per good read of a connector that said something else than the one before it. Reads that "
        "said the same are in connector_confirmations; failed ones only in connector_calls."
    ),
)

CONNECTOR_CONFIRMATIONS = Table(
    "connector_confirmations",
    METADATA,
    studio_column(),
    described("connector_id", Text, "Which connector was read."),
    described("revision", Integer, "Revision of connector_readings that the read said again."),
    described("read_at", Instant, "When the read was made, UTC."),
    described(
        "observed",
        JSONB,
        'Devices that spoke since that revision: {"device_id": "when the device said so, UTC"}.',
    ),
    *_provenance(),
    PrimaryKeyConstraint(*_READING_KEY, "read_at", name="connector_confirmations_pkey"),
    ForeignKeyConstraint(
        list(_READING_KEY),
        [f"{SCHEMA}.connector_readings.{key}" for key in _READING_KEY],
        name="connector_confirmations_reading",
    ),
    comment="One row per good read of a connector that said the same as the newest reading kept.",
)

_FINDING_KEY = ("studio_id", "finding_id", "revision")

FINDINGS = Table(
    "findings",
    METADATA,
    studio_column(),
    described("finding_id", Text, "fnd_ and 26 letters and digits; the same thing always has the same id."),
    *revision_columns("state of the finding"),
    described(
        "number",
        BigInteger,
        "Counts the studio's rows in the order of their commits: who reads after a number misses nothing.",
    ),
    described(
        "previous_number",
        BigInteger,
        "The number before this one; null for the first. Lets the database refuse gaps.",
        Computed("NULLIF(number - 1, 0)", persisted=True),
        null=True,
    ),
    described("department", Text, "Whose business it is, such as operations."),
    described("detector", Text, "What found it."),
    described("kind", Text, "What is wrong, such as battery_low."),
    described("subject_kind", Text, "What it is about, such as device."),
    described("subject_id", ForeignText, "Which one; a pseudonym where it is a person."),
    described("severity", Text, "low, medium, high or critical."),
    described("confidence", Double, "0 to 1: how sure the detector is."),
    described("state", Text, "open, or resolved once the detector no longer finds it."),
    described("since", Instant, "When it began, UTC: as the source says, else when it was first found."),
    described("expected", JSONB(none_as_null=True), "What should be: a number or words.", null=True),
    described("observed", JSONB(none_as_null=True), "What is instead: a number or words.", null=True),
    described("unit", Text, "Unit of expected and observed; null without numbers.", null=True),
    described("expected_cents", BigInteger, "Money that should be, in whole cents.", null=True),
    described("observed_cents", BigInteger, "Money that is instead, in whole cents.", null=True),
    described("currency", Text, "Of both, three lower-case letters; null unless money.", null=True),
    described("likely_cause", ForeignText, "The detector's explanation, one sentence."),
    described("next_step", ForeignText, "What a person does about it, one sentence."),
    described("capability_id", Text, "What could be proposed about it; null for nothing.", null=True),
    described("evidence", JSONB, "Rows that show it: a list of {asset, revision, row}; ids only."),
    described("content_hash", Text, "SHA-256 of what the row says, its state included, evidence not."),
    described("observed_at", Instant, "When it was found to be so, or no longer so, UTC."),
    *_provenance(),
    PrimaryKeyConstraint(*_FINDING_KEY, name="findings_pkey"),
    UniqueConstraint("studio_id", "number", name="findings_number_key"),
    ForeignKeyConstraint(
        ["studio_id", "finding_id", "previous_revision"],
        [f"{SCHEMA}.findings.{key}" for key in _FINDING_KEY],
        name="findings_no_gap",
    ),
    ForeignKeyConstraint(
        ["studio_id", "previous_number"],
        [f"{SCHEMA}.findings.{key}" for key in ("studio_id", "number")],
        name="findings_number_follows",
    ),
    Index(
        "findings_of_detector",
        *("studio_id", "department", "detector", "finding_id", "revision"),
        postgresql_include=["state", "content_hash", "subject_id", "since", "observed_at"],
    ),
    Index("findings_of_department", "department", "number", "studio_id"),
    Index(
        "findings_open",
        *("studio_id", "department", "finding_id", "revision"),
        postgresql_where=text("state = 'open'"),
    ),
    comment=(
        "One row per revision of a finding: opened, changed, resolved, opened again. A detector that finds "
        "the same again writes nothing."
    ),
)
