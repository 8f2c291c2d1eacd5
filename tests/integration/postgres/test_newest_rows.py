"""The views of newest rows take as long as there are rows, however many revisions one thing has."""

import pytest
from sqlalchemy import text

pytestmark = pytest.mark.integration

VIEWS = (
    *("swarm_controls", "finding_dispositions", "marketing_drafts", "triage_suggestions"),
    *("triage_decisions", "findings"),
)


@pytest.mark.parametrize("name", VIEWS)
def test_newest_rows_are_found_in_one_walk(app_engine, name):
    """No row is held against another: that was the square of the revisions where statistics were old."""
    with app_engine.connect() as connection:
        plan = "\n".join(connection.scalars(text(f"EXPLAIN SELECT * FROM studio.{name}_current")))  # noqa: S608 - names of our own views
    assert "Unique" in plan
    assert "Join" not in plan
    assert "Nested Loop" not in plan
    assert "SubPlan" not in plan


@pytest.mark.parametrize("name", VIEWS)
def test_the_index_that_every_walk_goes_along_is_there(app_engine, name):
    """Without sorting: the order is that of the primary key."""
    with app_engine.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join(connection.scalars(text(f"EXPLAIN SELECT * FROM studio.{name}_current")))  # noqa: S608 - names of our own views
    assert f"Index Scan Backward using {name}_pkey" in plan
    assert "Sort" not in plan
