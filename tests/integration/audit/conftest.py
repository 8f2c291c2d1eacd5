"""Fixtures of the tests of the audit log: a real log, and hands that may change what nobody may."""

import io
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from policies.actors import Actor, ActorKind
from policies.audit import payload_of
from policies.ports import AuditDraft
from resources.audit_destinations import Destinations
from resources.audit_signing import signing_key
from resources.postgres.audit_log import AuditLog
from resources.postgres.engine import owner_engine

STUDIO = "monsoonfire"
COLUMNS = (
    "studio_id, seq, payload, prev_hash, hash, transaction_id, name, at, actor_id, actor_kind, principal_id, "
    "subject_kind, subject_id, state"
)
START = datetime(2026, 11, 21, 15, 30, 7, 120_000, tzinfo=UTC)
WORDS = ("plain", 'quo"te', "back\\slash", "tab\tand\nline", "ümlaut ✓", "100% _real_")


@pytest.fixture
def log(app_engine):
    """Return the audit log of the studio."""
    return AuditLog(app_engine, STUDIO)


@pytest.fixture
def append(app_engine):
    """Return a function that appends ``count`` events through the database's own function."""

    def act(count=1):
        with app_engine.begin() as connection:
            head = connection.scalar(text("SELECT coalesce(max(seq), 0) FROM studio.audit_events"))
            for number in range(head + 1, head + count + 1):
                word = WORDS[number % len(WORDS)]
                agent = number % 4 == 0
                draft = AuditDraft(
                    "proposal:firestore.ops_note.append:created",
                    START.replace(second=number % 60, microsecond=number * 1000 % 1_000_000),
                    Actor(
                        ActorKind.AGENT if agent else ActorKind.STAFF,
                        f"uid {word}",
                        STUDIO,
                        owner_id="own" if agent else None,
                    ),
                    "proposal",
                    f"prp {number} {word}",
                    None if number % 3 else "draft",
                    {"number": number, "words": word},
                )
                payload = payload_of(draft, STUDIO)
                connection.execute(text("SELECT studio.append_audit_v1(:payload)"), {"payload": payload})

    return act


@pytest.fixture
def tamper(owner_url):
    """Return a function that runs SQL with all rights and with every rule switched off."""

    def act(*statements):
        with owner_engine(owner_url).begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("ALTER TABLE studio.audit_events DISABLE TRIGGER ALL"))
            for statement in statements:
                connection.exec_driver_sql(statement)

    return act


@pytest.fixture
def put(owner_url):
    """Return a function that replaces all rows of the log by the given entries."""

    def act(entries):
        lines = io.StringIO(
            "".join(
                "\t".join(
                    str(part).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
                    if part is not None
                    else "\\N"
                    for part in (
                        STUDIO,
                        row.seq,
                        row.payload,
                        "\\x" + row.prev_hash.hex(),
                        "\\x" + row.hash.hex(),
                        1,
                        *row.columns,
                    )
                )
                + "\n"
                for row in entries
            )
        )
        with owner_engine(owner_url).begin() as connection:
            cursor = connection.connection.driver_connection.cursor()
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("ALTER TABLE studio.audit_events DISABLE TRIGGER ALL")
            cursor.execute("DELETE FROM studio.audit_events")
            cursor.copy_expert(f"COPY studio.audit_events ({COLUMNS}) FROM STDIN", lines)

    return act


@pytest.fixture
def key(tmp_path):
    """Return a signing key of a home of this test's own."""
    return signing_key(tmp_path / "home", STUDIO)


@pytest.fixture
def destinations(tmp_path):
    """Return two destinations in directories of this test's own."""
    return Destinations([str(tmp_path / "one"), str(tmp_path / "two")], STUDIO)
