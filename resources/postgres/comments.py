"""One description of everything in the database, for ``COMMENT ON`` and for the data dictionary."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resources.postgres.tables_governance import ALL_TABLES
from resources.postgres.views import ANALYTICS, column_type
from resources.postgres.views_governance import ALL_VIEWS

_SCHEMAS = {
    "studio": "Studio OS: history of what the cloud said, append-only. Analysts use the schema analytics.",
    ANALYTICS: "Studio OS: documented read-only views for analysts.",
}


@dataclass(frozen=True, slots=True)
class DescribedColumn:
    """One column of a table or view; ``is_nullable`` is None for views, which do not say."""

    name: str
    type: str
    is_nullable: bool | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Relation:
    """One table or view; ``key`` names the primary key's columns, empty for views."""

    schema: str
    name: str
    kind: str
    meaning: str
    key: Sequence[str]
    columns: Sequence[DescribedColumn]


def describe() -> Sequence[Relation]:
    """Return every table and view of the house, tables first, each in its declared column order."""
    return (*_tables(), *_views())


def _tables() -> Iterator[Relation]:
    for table in ALL_TABLES:
        columns = [
            DescribedColumn(c.name, column_type(table, c.name), bool(c.nullable), str(c.comment))
            for c in table.columns
        ]
        key = [column.name for column in table.primary_key.columns]
        yield Relation(str(table.schema), table.name, "table", str(table.comment), key, columns)


def _views() -> Iterator[Relation]:
    for view in ALL_VIEWS:
        columns = [DescribedColumn(c.name, c.type, None, c.meaning) for c in view.columns]
        yield Relation(view.schema, view.name, "view", view.meaning, (), columns)


def comment_statements() -> Iterator[str]:
    """Yield the ``COMMENT ON`` statement of every schema, table, view and column."""
    for schema, meaning in _SCHEMAS.items():
        yield f"COMMENT ON SCHEMA {schema} IS {_literal(meaning)}"
    for relation in describe():
        full_name = f"{relation.schema}.{relation.name}"
        yield f"COMMENT ON {relation.kind.upper()} {full_name} IS {_literal(relation.meaning)}"
        for column in relation.columns:
            yield f"COMMENT ON COLUMN {full_name}.{column.name} IS {_literal(column.meaning)}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
