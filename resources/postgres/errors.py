"""What can be wrong with PostgreSQL, each error in words that say what was kept and what to do next.

None of them carries a password or a row: URLs are shown redacted, constraint names stand for values.
"""

from policies.ports import OutcomeUnknownError


class PostgresError(Exception):
    """Base of every error this door raises on purpose."""


class DataDirectoryError(PostgresError):
    """The data directory is not one we may use: foreign, damaged, or of another version. Permanent."""


class ServerStartError(PostgresError):
    """The server did not become ready. Its own last words are in the message. May be transient."""


class ServerUnreachableError(PostgresError):
    """No answer from the server. Transient: nothing was written."""


class SessionResetError(ServerUnreachableError):
    """The session was reset by somebody between before it did anything. Transient: nothing was written."""


class DatabaseRefusedError(PostgresError):
    """The database holds something that is not ours, is newer than we are, or lacks a right. Permanent."""


class HistoryRefusedError(PostgresError):
    """History did not accept a row: a rule of the database was broken. Nothing was kept. Permanent."""


class LedgerOutcomeUnknownError(PostgresError, OutcomeUnknownError):
    """The answer to a commit was lost: the change is there whole, or not at all. Read again."""
