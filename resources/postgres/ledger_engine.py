"""Connections of the ledger: like the runtime's, but with as few round trips as can be.

A connection is not asked whether it lives before it is used, and it begins and ends transactions in the same
message as their first and last statement. So these engines serve the ledger only.
"""

# ruff: noqa: S608 - the SQL is made of this module's constants; every value is an argument

from collections.abc import Callable
from threading import Lock
from typing import Any, Final
from weakref import WeakValueDictionary

from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from resources.postgres.ledger_connections import Connections
from resources.postgres.ledger_record import APPENDED
from resources.postgres.roles import APP, analyst_role, taking_role
from resources.postgres.urls import normalise_url

POOL_SIZE: Final = 8
_POOL_OVERFLOW: Final = 12
_POOL_WAIT_SECONDS: Final = 30
_RECYCLE_SECONDS: Final = 1800
_CONNECT_SECONDS: Final = 10
# Longer than any lease: an executor that hangs in its call gives its locks back at last.
_IDLE_SECONDS: Final = 300
_KEEPALIVE: Final = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}
_IS_LEDGER: Final = "studio_ledger"
_AT_HAND: Final = "studio_ledger_connections"
_SHARING: Final = Lock()
_FLUSH: Final = "flush"
FLUSH: Final = "ledger_flush"
FLUSH_WITH_NUMBER: Final = "ledger_flush_with_number"
IS_OURS: Final = "EXECUTE ledger_session"
"""What a session refuses that was reset since we connected: its rights, studio and statements are gone."""
NEWEST: Final = f"current_setting('{APPENDED}', true)"
"""What tells the number of the session's newest event."""
# INVARIANT: sessions commit without waiting only because every commit is followed by a flush, in one message.
_PREPARE_SESSION: Final = (
    f"SELECT set_config('role', '{APP}', false), set_config('timezone', 'UTC', false), "
    "set_config('studio.studio_id', %s, false), set_config('synchronous_commit', 'off', false), "
    "set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false), "
    # Statements are planned once, perhaps while tables are small; all of them look things up by index.
    "set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false), "
    "set_config('enable_mergejoin', 'off', false), set_config('enable_hashjoin', 'off', false), "
    f"set_config('idle_in_transaction_session_timeout', '{_IDLE_SECONDS}s', false), "
    "current_setting('server_version_num')::int, current_setting('synchronous_standby_names'), "
    "(SELECT bool_and(has_function_privilege(oid, 'EXECUTE')) FROM pg_proc "
    "WHERE proname = 'pg_logical_emit_message')"
)
_PREPARE_MARK: Final = "PREPARE ledger_session AS SELECT 1"
_FLUSHES_WITH_MESSAGE_SINCE: Final = 170000
# Prepared, because every transaction that writes ends with one of them: planning it would cost a third of it.
_FLUSH_BY_MESSAGE: Final = f"EXECUTE {FLUSH}"
_PREPARE_FLUSH: Final = "; ".join(
    f"PREPARE {name} AS SELECT pg_logical_emit_message(false, 'studio', '', true){more}"
    for name, more in ((FLUSH, ""), (FLUSH_WITH_NUMBER, f", {NEWEST}"))
)
# A transaction of its own that waits as the server's administrator wants commits to wait (standbys too).
_FLUSH_BY_COMMIT: Final = (
    "BEGIN;SET LOCAL synchronous_commit TO DEFAULT;SELECT pg_logical_emit_message(true, 'studio', '');COMMIT"
)


def ledger_engine(url: str, studio_id: str, *, on_connect: Callable[[Any], None] | None = None) -> Engine:
    """Return a pooled engine for ``PostgresLedger``: acts as ``studio_app``, sees one studio only.

    Args:
        url: Of the database ``studio``.
        studio_id: The studio that every connection is bound to.
        on_connect: Is given every new psycopg2 connection; measurements count with it what is sent.
    """
    analyst_role(studio_id)  # refuses an impossible studio id
    # Whoever has the connections has the engine, never the other way round: see ``ledger_connections``.
    at_hand: WeakValueDictionary[str, Connections] = WeakValueDictionary()
    engine = create_engine(
        normalise_url(url),
        pool_size=POOL_SIZE,
        max_overflow=_POOL_OVERFLOW,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_recycle=_RECYCLE_SECONDS,
        pool_reset_on_return=None,  # the ledger ends its transactions itself
        pool_use_lifo=True,  # the same few connections stay warm
        hide_parameters=True,
        execution_options={_IS_LEDGER: studio_id, _AT_HAND: at_hand},
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": f"studio-ledger-{studio_id}",
            **_KEEPALIVE,
        },
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        with taking_role(connection, url):
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(_PREPARE_SESSION, (studio_id,))
            version, standbys, is_allowed = (cursor.fetchone() or (0, "", False))[-3:]
            is_message_enough = version >= _FLUSHES_WITH_MESSAGE_SINCE and not standbys
            flushes = f"; {_PREPARE_FLUSH}" if is_message_enough and is_allowed else ""
            cursor.execute(_PREPARE_MARK + flushes)
            cursor.close()
        flush = _FLUSH_BY_MESSAGE if is_message_enough else _FLUSH_BY_COMMIT
        entry.info[_FLUSH] = flush if is_allowed else None
        if on_connect is not None:
            on_connect(connection)

    @event.listens_for(engine, "checkin")
    def _close_if_busy(connection: Any, entry: ConnectionPoolEntry) -> None:
        # Of a transaction that nobody ended, as after an interrupt: its words must not be the next one's.
        if connection is not None and connection.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            entry.invalidate()

    @event.listens_for(engine, "engine_disposed")
    def _close_idle(_: Engine) -> None:
        if (connections := at_hand.get(studio_id)) is not None:
            connections.close_idle()

    return engine


def connections_of(engine: Engine, studio_id: str) -> Connections:
    """Return an engine's connections, the same for all who ask; they live as long as somebody has them.

    Raises:
        ValueError: The engine was not made by :func:`ledger_engine` for the studio.
    """
    options = engine.get_execution_options()
    if options.get(_IS_LEDGER) != studio_id:
        raise ValueError(f"The ledger of {studio_id} needs an engine of ledger_engine(url, {studio_id!r})")
    at_hand: WeakValueDictionary[str, Connections] = options[_AT_HAND]
    with _SHARING:
        connections = at_hand.get(studio_id)
        if connections is None:
            most = POOL_SIZE + _POOL_OVERFLOW
            connections = Connections(engine, size=POOL_SIZE, most=most, lease_seconds=_RECYCLE_SECONDS)
            at_hand[studio_id] = connections
    return connections


def flush_statement(info: Any) -> str | None:
    """Return what makes everything committed so far durable, for a connection's ``info``.

    Null where an administrator has taken the right to it away: then commits wait, one after another.
    """
    flush: str | None = info[_FLUSH]
    return flush
