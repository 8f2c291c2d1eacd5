"""Connections: who connects, as which role, for which studio.

Passwords stay inside the URL and are never logged: engines hide parameters, messages use redacted URLs.
"""

from collections.abc import Sequence
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from resources.postgres.errors import DatabaseRefusedError, ServerUnreachableError
from resources.postgres.roles import APP, analyst_role, runtime_role, taking_role
from resources.postgres.urls import normalise_url, parse, psql_url, redacted, with_database
from resources.postgres.values import dump_json, load_json

STUDIO_DATABASE = "studio"
DAGSTER_DATABASE = "dagster"
_POOL_SIZE = 4
_POOL_OVERFLOW = 12
_RECYCLE_SECONDS = 1800
_CONNECT_SECONDS = 10
_TAKE_ROLE = (
    f"SELECT set_config('role', '{APP}', false), set_config('timezone', 'UTC', false), "
    "set_config('studio.studio_id', %s, false)"
)
# Not a query: whoever begins may still choose how isolated the transaction is.
_TAKE_ROLE_AGAIN = (
    "SET LOCAL ROLE {role}; SET LOCAL TimeZone TO 'UTC'; SET LOCAL studio.studio_id TO '{studio}'"
)
_DUPLICATE_DATABASE = ("42P04", "23505")  # the second when two starters create it at the same moment


def owner_engine(url: str) -> Engine:
    """Return an engine with the URL's own rights, for migrations; it keeps no connection open."""
    return create_engine(
        normalise_url(url),
        poolclass=NullPool,
        hide_parameters=True,
        json_serializer=dump_json,
        json_deserializer=load_json,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "studio-owner"},
    )


def app_engine(url: str, studio_id: str) -> Engine:
    """Return a pooled engine that acts as ``studio_app`` and sees one studio only.

    Every connection gives up the URL's own rights as soon as it is made, and is checked before use. A pooler
    in between may undo that after each transaction (``DISCARD ALL``), so every transaction does it once more.
    """
    analyst_role(studio_id)  # refuses an impossible studio id
    again = _TAKE_ROLE_AGAIN.format(role=APP, studio=studio_id)
    engine = create_engine(
        normalise_url(url),
        pool_pre_ping=True,
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_OVERFLOW,
        pool_recycle=_RECYCLE_SECONDS,
        hide_parameters=True,
        json_serializer=dump_json,
        json_deserializer=load_json,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": f"studio-{studio_id}"},
    )

    @event.listens_for(engine, "connect")
    def _take_role(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        with taking_role(connection, url):
            cursor = connection.cursor()
            cursor.execute(_TAKE_ROLE, (studio_id,))
            cursor.close()
            connection.commit()  # a later rollback must not give the rights back

    @event.listens_for(engine, "begin")
    def _take_role_again(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        try:
            # Part of beginning, as BEGIN is: no statement of its own to whoever counts or cuts statements.
            with driver.cursor() as cursor:
                cursor.execute(again)
        except psycopg2.Error as error:
            connection.invalidate(error)
            told = DBAPIError.instance(again, None, error, psycopg2.Error, connection_invalidated=True)
            raise told from error

    return engine


def analyst_url(url: str, studio_id: str) -> str:
    """Return the URL for ``psql`` with which one studio's analysts connect; no password is in it."""
    login = parse(url).set(username=analyst_role(studio_id), password=None)
    return psql_url(login.render_as_string(hide_password=False))


def runtime_url(url: str, studio_id: str) -> str:
    """Return the URL with which one studio's runtime connects: its own login, which has no other rights.

    The password is dropped: on the embedded server none is needed, elsewhere the URL is given whole.
    """
    login = parse(url).set(username=runtime_role(studio_id), password=None)
    return login.render_as_string(hide_password=False)


def ensure_database(url: str) -> None:
    """Create the database that ``url`` names if it is missing; needs no other right when it is there.

    Raises ``ServerUnreachableError``, or ``DatabaseRefusedError`` with the remedy when the right is missing.
    """
    try:
        with owner_engine(url).connect():
            return
    except OperationalError:  # it may be missing, or the whole server may be away
        ensure_databases(url, [parse(url).database or STUDIO_DATABASE])


def ensure_databases(server_url: str, names: Sequence[str] = (STUDIO_DATABASE, DAGSTER_DATABASE)) -> None:
    """Create the databases that are missing on the server of ``server_url``; existing ones are left alone.

    Raises ``ServerUnreachableError``, or ``DatabaseRefusedError`` with the remedy when the right is missing.
    """
    engine = _any_database(server_url)
    with engine.connect() as connection:
        present = set(connection.scalars(text("SELECT datname FROM pg_database")))
    for name in names:
        if name not in present:
            _create_database(engine, name)


def _create_database(engine: Engine, name: str) -> None:
    quoted = engine.dialect.identifier_preparer.quote(name)
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {quoted} TEMPLATE template0 ENCODING 'UTF8'"))
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) in _DUPLICATE_DATABASE:
            return
        raise DatabaseRefusedError(
            f"The database {name} does not exist and {engine.url.username} may not create it. Nothing was "
            f"changed. Let an administrator run: CREATE DATABASE {name} OWNER {engine.url.username}; then "
            "start again."
        ) from error


def _any_database(server_url: str) -> Engine:
    """Return an engine for the named database, or for ``postgres`` where the named one is missing."""
    for url in (server_url, with_database(server_url, "postgres")):
        engine = owner_engine(url).execution_options(isolation_level="AUTOCOMMIT")
        try:
            engine.connect().close()
        except OperationalError as error:
            problem = error
        else:
            return engine
    raise unreachable(server_url, problem) from problem


def unreachable(url: str, error: DBAPIError) -> ServerUnreachableError:
    """Return the plain error for a server that cannot serve now; its own first line says why."""
    said = str(error.orig).strip().splitlines()
    return ServerUnreachableError(
        f"PostgreSQL at {redacted(url)} cannot be used now: {said[0] if said else 'no reason given'}. "
        "Nothing was changed. Check that the server runs, has room, and lets this user connect; then try "
        "again."
    )
