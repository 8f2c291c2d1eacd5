"""What an error says of events that were to be written: to be tried again, or at fault themselves.

Used by ``dagster_event_log`` alone.
"""

from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

_AWAY = (OperationalError, InterfaceError, NoConnectionError, DagsterPostgresException)
"""Raised while the server cannot be asked; the same events can be written later."""
CANCELLED = "57014"
"""SQLSTATE of a statement that took too long, or was cancelled by somebody."""
_TOO_LARGE = "54"
"""SQLSTATE class of what fits into no index or statement: refused, though the driver calls it operational."""


class NotItsTurnError(DagsterPostgresException):
    """The log waited too long for its turn to write. Nothing was kept; the events can be written later."""


def is_away(error: Exception) -> bool:
    """Say whether the server could not be asked, or its answer never came; else it has refused."""
    if isinstance(error, DBAPIError) and _state(error).startswith((_TOO_LARGE, CANCELLED)):
        return False
    return isinstance(error, _AWAY) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def is_cancelled(error: Exception) -> bool:
    """Say whether the server stopped a statement; it is there, and kept nothing of the transaction."""
    return isinstance(error, DBAPIError) and _state(error) == CANCELLED


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "pgcode", None) or ""
