"""What the runtime's own login cannot do to swarms' tables, whatever SQL it is made to send."""

# ruff: noqa: S608 - the SQL is made of tests' own names

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from resources.postgres.tables_swarms import SWARM_TABLES
from tests.integration.postgres import swarm_rows as rows
from tests.integration.postgres.governance_desk import Desk
from tests.integration.postgres.samples import sha

pytestmark = pytest.mark.integration
NOT_ALLOWED = "42501"
UNCOPIED = {"studio_id", "previous_revision"}


@pytest.fixture
def desk(app_engine):
    return Desk(app_engine, None)


def _refused(desk, statement):
    with pytest.raises(DBAPIError) as refused, desk.engine.begin() as connection:
        connection.execute(text(statement))
    return refused.value.orig


def _count(desk, table):
    with desk.engine.connect() as connection:
        return connection.scalar(text(f"SELECT count(*) FROM {table.fullname}"))


def test_no_row_is_changed_taken_away_or_given_to_another_studio(desk):
    """Neither plainly, nor by an upsert, nor by a copy of a lawful row under another studio's name."""
    rows.fill(desk)
    for table in SWARM_TABLES:
        before, name = _count(desk, table), table.fullname
        columns = ", ".join(column.name for column in table.columns if column.name not in UNCOPIED)
        copied = f"INSERT INTO {name} (studio_id, {columns}) SELECT {{}}, {columns} FROM {name}"
        upsert = f"ON CONFLICT ON CONSTRAINT {table.name}_pkey DO UPDATE SET recorded_at = now()"
        for statement in (
            f"UPDATE {name} SET studio_id = studio_id",
            f"DELETE FROM {name}",
            f"TRUNCATE {name} CASCADE",
            f"ALTER TABLE {name} DISABLE TRIGGER ALL",
            f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY",
            f"{copied.format('studio_id')} {upsert}",
            "SET session_replication_role = replica",
        ):
            assert _refused(desk, statement).pgcode == NOT_ALLOWED, statement
        _refused(desk, copied.format("'otherstudio'"))
        _refused(desk, copied.format("studio_id"))
        assert _count(desk, table) == before > 0


def test_one_event_explains_one_review(desk):
    """The second review by it is not the act it tells of."""
    rows.insert(desk, "marketing_drafts", rows.DRAFT)
    told = {"by": "ann", "reason": "Because.", "draft_id": "drf_1", "to_status": "needs_review"}
    first = {"revision": 1, "from_status": "draft", "before_hash": sha("words"), "after_hash": sha("words")}
    second = first | {"revision": 2, "from_status": "needs_review", "after_hash": sha("o"), "body": "Others."}
    with desk.engine.connect() as connection:
        seq = desk.event(connection, "draft:needs_review:reviewed", "draft/drf_1", "needs_review")
        told |= {"at": desk.now, "audit_seq": seq}
        desk.insert(connection, "draft_reviews", **told, **first)
        with pytest.raises(DBAPIError) as refused:
            desk.insert(connection, "draft_reviews", **told, **second)
    assert refused.value.orig.diag.constraint_name == "draft_reviews_one_event"
