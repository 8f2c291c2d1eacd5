"""One transaction on what is kept of a studio, with plain errors when the database does not take it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from resources.postgres.engine import unreachable
from resources.postgres.errors import HistoryRefusedError


@contextmanager
def kept(engine: Engine, what: str) -> Iterator[Connection]:
    """Give a connection whose work is kept whole at the end of the block, or not at all.

    Args:
        engine: The runtime's engine.
        what: What is done, for the error's sentence.

    Raises:
        ServerUnreachableError: when PostgreSQL does not answer (transient).
        HistoryRefusedError: when a rule of the database is broken (permanent).
    """
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise unreachable(str(engine.url), error) from error
    except DBAPIError as error:
        diagnosis = getattr(error.orig, "diag", None)
        rule = getattr(diagnosis, "constraint_name", None) or getattr(error.orig, "pgcode", None)
        raise HistoryRefusedError(
            f"History did not accept {what}: it breaks the rule {rule}. Nothing of it was kept; what was "
            "there before is unchanged. This is a fault in Studio OS: please report it with this message."
        ) from error
    except StatementError as error:
        raise HistoryRefusedError(
            f"History did not accept {what}: {error.orig}. Nothing of it was kept; what was there before "
            "is unchanged."
        ) from error
