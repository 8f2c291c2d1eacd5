"""Every table, view and column is described, once and in a sentence."""

import pytest

from resources.postgres.comments import comment_statements, describe


@pytest.mark.parametrize("relation", describe(), ids=lambda relation: f"{relation.schema}.{relation.name}")
def test_every_relation_states_its_grain_and_every_column_its_meaning(relation):
    assert relation.meaning.startswith("One row per")
    for column in relation.columns:
        assert column.meaning.endswith("."), column.name
        assert len(column.meaning) > 10, column.name


def test_what_is_described_does_not_hang_on_what_was_imported_first():
    """Processes that import other modules first once took the same database for one of another version."""
    tables = [relation.name for relation in describe() if relation.kind == "table"]
    assert tables == sorted(tables)


def test_a_view_never_shows_a_column_twice():
    for relation in describe():
        names = [column.name for column in relation.columns]
        assert len(names) == len(set(names)), relation.name


def test_quotes_in_a_description_do_not_end_it():
    """A description is text, also inside SQL."""
    assert sum("''" in statement for statement in comment_statements()) > 0
    assert all(statement.count("'") % 2 == 0 for statement in comment_statements())
