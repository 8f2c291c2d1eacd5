"""Who may do what in the database: three group roles, and two logins per studio: analysts, and the runtime.

``studio_owner`` owns everything and is nobody's daily account; ``studio_app`` is the runtime (reads, and
appends to history); ``studio_analyst`` reads the schema ``analytics``. An analyst logs in as
``studio_analyst_<studio>``; the name of the login decides which studio is seen. ``studio_app_<studio>`` is
the runtime of one studio and of no other: it has no more rights to go back to.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from sqlalchemy import Connection, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ProgrammingError

from resources.postgres.errors import DatabaseRefusedError
from resources.postgres.tables import SCHEMA
from resources.postgres.urls import redacted
from resources.postgres.views import ANALYTICS

OWNER = "studio_owner"
APP = "studio_app"
ANALYST = "studio_analyst"
GROUPS = (OWNER, APP, ANALYST)
_STUDIO_ID = re.compile(r"[a-z][a-z0-9_]{1,40}")
_SET_IS_A_RIGHT_SINCE = 160000  # before PostgreSQL 16 membership alone allowed SET ROLE


def analyst_role(studio_id: str) -> str:
    """Return the login role of one studio's analysts; raise ``ValueError`` for an impossible studio id."""
    if not _STUDIO_ID.fullmatch(studio_id):
        raise ValueError(f"{studio_id!r} is not a studio id")
    return f"{ANALYST}_{studio_id}"


def runtime_role(studio_id: str) -> str:
    """Return the login role of one studio's runtime; raise ``ValueError`` for an impossible studio id."""
    if not _STUDIO_ID.fullmatch(studio_id):
        raise ValueError(f"{studio_id!r} is not a studio id")
    return f"{APP}_{studio_id}"


@contextmanager
def taking_role(connection: DBAPIConnection, url: str) -> Iterator[None]:
    """Make a new connection the runtime's inside; one that cannot be is closed.

    Raises:
        DatabaseRefusedError: The database is not set up; the sentence says how it is.
    """
    try:
        yield
    except psycopg2.OperationalError:
        raise
    except psycopg2.Error as error:
        connection.close()
        raise DatabaseRefusedError(
            f"The database at {redacted(url)} is not set up for Studio OS: the role {APP} is missing or "
            "may not be taken. Nothing was changed. Start once with: ./studio up"
        ) from error


def become_owner(connection: Connection) -> None:
    """Make the group roles and schemas where missing, and act as ``studio_owner`` for this transaction.

    Raises ``DatabaseRefusedError`` with the statements an administrator can run when rights are missing.
    """
    try:
        for role in GROUPS:
            _ensure_role(connection, role, "NOLOGIN")
        right = "SET" if _server_version(connection) >= _SET_IS_A_RIGHT_SINCE else "MEMBER"
        for role in (OWNER, APP):
            if not connection.scalar(
                text("SELECT pg_has_role(:role, :right)"), {"role": role, "right": right}
            ):
                connection.execute(text(f"GRANT {role} TO CURRENT_USER"))
        database = connection.scalar(text("SELECT quote_ident(current_database())"))
        owned = "SELECT has_database_privilege(:role, current_database(), 'CREATE')"
        if not connection.scalar(text(owned), {"role": OWNER}):
            connection.execute(text(f"GRANT CREATE ON DATABASE {database} TO {OWNER}"))
        connection.execute(text(f"SET LOCAL ROLE {OWNER}"))
        for schema in (SCHEMA, ANALYTICS):
            if not connection.scalar(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": schema}):
                connection.execute(text(f"CREATE SCHEMA {schema}"))
    except ProgrammingError as error:
        user = connection.engine.url.username or "the user"
        raise DatabaseRefusedError(
            f"The database user {user} may not make the roles and schemas Studio OS needs. Nothing was "
            f"changed. Let an administrator run once: CREATE ROLE {OWNER}; CREATE ROLE {APP}; "
            f"CREATE ROLE {ANALYST}; "
            f"GRANT {OWNER}, {APP} TO {user}; GRANT CREATE ON DATABASE {connection.engine.url.database} "
            f"TO {OWNER}; then start again."
        ) from error


def grant_schemas(connection: Connection) -> None:
    """Give the groups their schemas; tables and views are granted where they are made."""
    connection.execute(text(f"GRANT USAGE ON SCHEMA {SCHEMA}, {ANALYTICS} TO {APP}"))
    connection.execute(text(f"GRANT USAGE ON SCHEMA {ANALYTICS} TO {ANALYST}"))


def ensure_analyst_login(connection: Connection, studio_id: str) -> bool:
    """Make the login of one studio's analysts; return False where this user may not make roles.

    The login has no password: on the embedded server none is needed, elsewhere an administrator sets one.
    """
    role = analyst_role(studio_id)
    try:
        with connection.begin_nested():
            _ensure_role(connection, role, "LOGIN")
            if not connection.scalar(
                text("SELECT pg_has_role(:role, :group, 'MEMBER')"), {"role": role, "group": ANALYST}
            ):
                connection.execute(text(f"GRANT {ANALYST} TO {role}"))
                connection.execute(text(f"ALTER ROLE {role} SET default_transaction_read_only = on"))
                connection.execute(text(f"ALTER ROLE {role} SET statement_timeout = '60s'"))
    except ProgrammingError:
        return False
    return True


def ensure_runtime_login(connection: Connection, studio_id: str) -> bool:
    """Make the login of one studio's runtime; return False where this user may not make roles.

    Like the analysts' it has no password until an administrator sets one.
    """
    role = runtime_role(studio_id)
    try:
        with connection.begin_nested():
            _ensure_role(connection, role, "LOGIN")
            if not connection.scalar(
                text("SELECT pg_has_role(:role, :group, 'MEMBER')"), {"role": role, "group": APP}
            ):
                connection.execute(text(f"GRANT {APP} TO {role}"))
    except ProgrammingError:
        return False
    return True


def _ensure_role(connection: Connection, role: str, kind: str) -> None:
    # Roles belong to the whole server: another database's migration may make the same role meanwhile.
    if not connection.scalar(text("SELECT to_regrole(:role) IS NOT NULL"), {"role": role}):
        connection.execute(
            text(
                f"DO $$ BEGIN CREATE ROLE {role} {kind}; "
                "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            )
        )


def _server_version(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT current_setting('server_version_num')")) or 0)
