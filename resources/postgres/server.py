"""What the house asks of a PostgreSQL server, and the answer when somebody else runs it."""

from dataclasses import dataclass
from typing import Protocol

import psycopg2

from resources.postgres.errors import ServerUnreachableError
from resources.postgres.urls import normalise_url, psql_url, redacted, with_database


class PostgresServer(Protocol):
    """A server that can be started, asked and stopped."""

    def start(self) -> None:
        """Return when the server answers; raise ``PostgresError`` with the remedy when it will not."""

    def stop(self) -> None:
        """Stop what :meth:`start` started; never a server that was running before."""

    def is_ready(self) -> bool:
        """Return whether the server answers a query now."""

    def url(self, database: str) -> str:
        """Return the URL of one database of this server, ``postgresql+psycopg2://``."""


@dataclass(frozen=True, slots=True)
class ExternalPostgres:
    """A server that somebody else runs. It is asked, never started or stopped."""

    given_url: str

    def __repr__(self) -> str:
        return f"ExternalPostgres({redacted(self.given_url)!r})"

    def start(self) -> None:
        """Check that the server answers; raise ``ServerUnreachableError`` when it does not."""
        if not self.is_ready():
            raise ServerUnreachableError(
                f"No PostgreSQL answers at {redacted(self.given_url)}. Nothing was changed. Check that it "
                "runs, that the address, user and password are right, and that this machine may connect; or "
                "unset STUDIO_DATABASE_URL to use the embedded server."
            )

    def stop(self) -> None:
        """Leave the server running: it is not ours."""

    def is_ready(self) -> bool:
        """Return whether a connection to the given database succeeds within three seconds."""
        return answers(self.given_url)

    def url(self, database: str) -> str:
        """Return the URL of one database of this server."""
        return with_database(self.given_url, database)


def answers(url: str, *, within_seconds: int = 3) -> bool:
    """Return whether the server behind ``url`` accepts a connection and answers a query."""
    try:
        connection = psycopg2.connect(psql_url(normalise_url(url)), connect_timeout=within_seconds)
    except psycopg2.OperationalError:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    finally:
        connection.close()
    return True
