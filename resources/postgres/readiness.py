"""Whether the database can be relied on now: for ``/readyz`` and for ``./studio doctor``."""

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, RowMapping, Table, text
from sqlalchemy.exc import DBAPIError

from resources.postgres.engine import unreachable
from resources.postgres.errors import DatabaseRefusedError
from resources.postgres.migrate import (
    HEAD,
    applied_fingerprint,
    fingerprint,
    installed_revision,
    refuse_unusable,
)
from resources.postgres.roles import APP
from resources.postgres.tables import SCHEMA
from resources.postgres.tables_governance import (
    ALL_TABLES,
    CHANGING_TABLES,
    REGISTRY_TABLES,
    RULES,
    WRITTEN_BY_DATABASE,
)

_OLDEST_SERVER = 150000

# One row per table of the schema: what protects it.
_PROTECTION = """
SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS is_walled,
    EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid
            AND t.tgname = c.relname || '_append_only' AND t.tgenabled = 'A') AS is_append_only,
    EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid
            AND t.tgname = c.relname || '_kept' AND t.tgenabled = 'A') AS is_kept,
    ARRAY(SELECT t.tgname::text FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgenabled = 'A') AS rules,
    has_table_privilege(:app, c.oid, 'SELECT') AS is_readable,
    has_table_privilege(:app, c.oid, 'INSERT') AS is_appendable,
    has_any_column_privilege(:app, c.oid, 'UPDATE') AS is_changing,
    has_table_privilege(:app, c.oid, 'UPDATE') OR has_table_privilege(:app, c.oid, 'DELETE')
        OR has_table_privilege(:app, c.oid, 'TRUNCATE') AS is_changeable
FROM pg_class AS c
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind = 'r'
"""


def database_problems(engine: Engine) -> list[str]:
    """Return every reason not to rely on the database, each with its remedy; empty when it is sound.

    Takes the engine the runtime uses. Never raises for a state of the database, and changes nothing.
    """
    try:
        with engine.connect() as connection:
            return _problems(connection)
    except DatabaseRefusedError as error:
        return [str(error)]
    except DBAPIError as error:
        return [str(unreachable(str(engine.url), error))]


def _problems(connection: Connection) -> list[str]:
    version = int(connection.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    if version < _OLDEST_SERVER:
        return [f"PostgreSQL {version // 10000} is too old; 15 or later is needed."]
    try:
        present = installed_revision(connection)
        refuse_unusable(connection, present)
    except DatabaseRefusedError as error:
        return [str(error)]
    if present is None:
        return ["The database has no tables of Studio OS yet. Start once with: ./studio up"]
    found = []
    if present != HEAD:
        found.append(f"The database is at version {present}, {HEAD} is needed. Start again: ./studio up")
    elif applied_fingerprint(connection) != fingerprint():
        found.append("The analysts' views are of another version. Start again: ./studio up")
    if connection.scalar(text("SELECT pg_is_in_recovery()")):
        found.append("The database is a read-only copy, so no history can be kept. Use the primary server.")
    return found + _protection_problems(connection)


def _protection_problems(connection: Connection) -> list[str]:
    rows = connection.execute(text(_PROTECTION), {"app": APP, "schema": SCHEMA}).mappings()
    state = {row["name"]: row for row in rows}
    found = []
    for table in ALL_TABLES:
        row = state.get(table.name)
        name = f"{SCHEMA}.{table.name}"
        if row is None:
            found.append(f"The table {name} is missing. Restore a backup, or use an empty database.")
        else:
            found.extend(_table_problems(table, name, row))
    return found


def _table_problems(table: Table, name: str, row: RowMapping) -> Iterator[str]:
    """Yield what is wrong with one table's protection."""
    is_ours_to_append = table not in (*REGISTRY_TABLES, *WRITTEN_BY_DATABASE)
    if not row["is_walled"]:
        yield f"{name} has no row-level security: studios could see each other. Turn it on again."
    if table in CHANGING_TABLES:
        if not row["is_kept"]:
            yield f"{name} has no trigger that keeps its rows: they could be removed. Turn it on again."
    elif table not in REGISTRY_TABLES and not row["is_append_only"]:
        yield f"{name} has no append-only trigger: history could be changed. Turn it on again."
    for rule in set(RULES.get(table.name, ())) - set(row["rules"]):
        yield f"{name} lacks the rule {rule}, or it is turned off. Turn it on again: ENABLE ALWAYS TRIGGER."
    if row["is_changeable"] or (row["is_changing"] and table not in CHANGING_TABLES):
        yield f"The role {APP} may change {name}. Revoke UPDATE, DELETE and TRUNCATE from it."
    if not row["is_readable"] or (is_ours_to_append and not row["is_appendable"]):
        yield f"The role {APP} may not read and append to {name}. Grant SELECT and INSERT to it."
    if not is_ours_to_append and row["is_appendable"]:
        yield f"The role {APP} may write {name} itself. Revoke INSERT from it."
