"""Brings a database to the shape this version needs, or refuses and changes nothing.

Everything happens in one transaction under one lock, so two starters do not race and a kill leaves the
database as it was. Views, grants, comments and the copy of the capability registry are made again whenever
their text changes.
"""

import hashlib
from pathlib import Path

from sqlalchemy import Connection, Engine, Text, column, select, table, text
from sqlalchemy.exc import DBAPIError, OperationalError

from policies.registry import default_registry
from resources.postgres.capability_mirror import mirror_registry, registry_file_version
from resources.postgres.comments import comment_statements
from resources.postgres.engine import unreachable
from resources.postgres.errors import DatabaseRefusedError
from resources.postgres.roles import (
    ANALYST,
    APP,
    become_owner,
    ensure_analyst_login,
    ensure_runtime_login,
    grant_schemas,
)
from resources.postgres.tables import SCHEMA, VERSION_TABLE
from resources.postgres.views import ANALYTICS
from resources.postgres.views_governance import ALL_VIEWS

MIGRATIONS = Path(__file__).with_name("migrations")
# Oldest first; a test keeps it equal to Alembic's own list.
KNOWN_REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011")
HEAD = KNOWN_REVISIONS[-1]
_MARK = " Views: "  # before the fingerprint, at the end of the schema's comment
_VERSIONS = table(VERSION_TABLE, schema=SCHEMA)
_LOCK = 0x5354_5544_494F  # "STUDIO": one migration at a time per database


def migrate(engine: Engine, *studio_ids: str, to: str = HEAD) -> None:
    """Bring the database up to ``to`` and make the logins of ``studio_ids``; repeating is harmless.

    Raises ``ServerUnreachableError``; or ``DatabaseRefusedError`` when the schema holds foreign tables, was
    made by a newer version, or a right is missing. Then nothing was changed.
    """
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            present = installed_revision(connection)
            refuse_unusable(connection, present)
            if present != to or applied_fingerprint(connection) != fingerprint():
                become_owner(connection)
                _apply(connection, present, to)
                connection.execute(text("RESET ROLE"))
            for studio_id in studio_ids:
                ensure_analyst_login(connection, studio_id)
                ensure_runtime_login(connection, studio_id)
    except OperationalError as error:
        raise unreachable(str(engine.url), error) from error
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()
        raise DatabaseRefusedError(
            f"The database could not be brought up to date: {said[0] if said else 'no reason given'}. "
            "Nothing was changed. If views of your own hang on the schema analytics, drop them, then start "
            "again."
        ) from error


def installed_revision(connection: Connection) -> str | None:
    """Return the migration the database is at; None for a database that has none of our tables yet.

    Raises ``DatabaseRefusedError`` when the version table does not hold exactly one revision.
    """
    if not connection.scalar(
        text("SELECT to_regclass(:name) IS NOT NULL"), {"name": f"{SCHEMA}.{VERSION_TABLE}"}
    ):
        return None
    found: list[str] = list(connection.scalars(select(column("version_num", Text)).select_from(_VERSIONS)))
    if len(found) != 1:
        raise DatabaseRefusedError(
            f"{SCHEMA}.{VERSION_TABLE} holds {len(found)} versions instead of one, so the database cannot "
            "be trusted. Nothing was changed. Restore a backup, or use another database; history is rebuilt "
            "from the cloud."
        )
    return found[0]


def refuse_unusable(connection: Connection, present: str | None) -> None:
    """Raise ``DatabaseRefusedError`` for a database that is not ours, or that a newer version made."""
    if present is not None and present not in KNOWN_REVISIONS:
        raise DatabaseRefusedError(
            f"The database is at version {present}, which this version of Studio OS ({HEAD}) does not know: "
            "a newer one made it. Nothing was changed. Update this checkout, or use another database."
        )
    if present is None:
        foreign = list(
            connection.scalars(
                text(
                    "SELECT relnamespace::regnamespace || '.' || relname FROM pg_class "
                    "WHERE relnamespace::regnamespace::text IN (:studio, :analytics) "
                    "AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') ORDER BY 1 LIMIT 5"
                ),
                {"studio": SCHEMA, "analytics": ANALYTICS},
            )
        )
        if foreign:
            raise DatabaseRefusedError(
                f"The database already holds {', '.join(foreign)}, which Studio OS did not make. Nothing was "
                "changed. Use an empty database, or move those schemas away (ALTER SCHEMA … RENAME TO …)."
            )


def fingerprint() -> str:
    """Return what identifies the views, grants, comments and capabilities of this version."""
    parts = [f"{view.schema}.{view.name}\n{view.sql}" for view in ALL_VIEWS]
    return hashlib.sha256(
        "\0".join([*parts, *comment_statements(), registry_file_version()]).encode()
    ).hexdigest()[:16]


def applied_fingerprint(connection: Connection) -> str | None:
    """Return the fingerprint of the views the database has; None when they were never made."""
    comment = connection.scalar(
        text("SELECT obj_description(to_regnamespace(:name), 'pg_namespace')"), {"name": SCHEMA}
    )
    return str(comment).rpartition(_MARK)[2] if comment and _MARK in str(comment) else None


def _apply(connection: Connection, present: str | None, to: str) -> None:
    if present != to:
        _run_migrations(connection, to)
    if to != HEAD:
        return
    owned = connection.scalars(
        text(
            "SELECT relnamespace::regnamespace || '.' || quote_ident(relname) FROM pg_class "
            "WHERE relnamespace::regnamespace::text IN (:studio, :analytics) "
            "AND relkind = 'v' AND relowner = current_user::regrole"
        ),
        {"studio": SCHEMA, "analytics": ANALYTICS},
    )
    statements = [f"DROP VIEW {', '.join(names)}"] if (names := list(owned)) else []
    for view in ALL_VIEWS:
        readers = f"{APP}, {ANALYST}" if view.schema == ANALYTICS else APP
        statements.append(f"CREATE VIEW {view.schema}.{view.name} AS {view.sql}")
        statements.append(f"GRANT SELECT ON {view.schema}.{view.name} TO {readers}")
    statements += comment_statements()
    mark = f"obj_description('{SCHEMA}'::regnamespace, 'pg_namespace') || '{_MARK}{fingerprint()}'"
    statements.append(f"DO $$ BEGIN EXECUTE format('COMMENT ON SCHEMA {SCHEMA} IS %L', {mark}); END $$")
    statements.append(f"GRANT SELECT ON {SCHEMA}.{VERSION_TABLE} TO {APP}")
    connection.exec_driver_sql(";\n".join(statements), execution_options={"no_parameters": True})
    grant_schemas(connection)
    mirror_registry(connection, default_registry())


def _run_migrations(connection: Connection, to: str) -> None:
    from alembic import command  # noqa: PLC0415 - takes a third of a second, and is needed once in a database's life
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
