"""What a refusal of PostgreSQL means for the ledger: somebody else was first, a duplicate, or a rule.

Rows and values never reach a message: the names of constraints and our own functions' sentences do.
"""

from typing import Final

import psycopg2

from policies.ports import LedgerRefusedError
from resources.postgres.errors import DatabaseRefusedError, ServerUnreachableError, SessionResetError
from resources.postgres.urls import redacted

STATE_CHANGED: Final = "STATE_CHANGED"
DUPLICATE: Final = "DUPLICATE"
RULE: Final = "RULE"

# A statement is not prepared, though it was: the session was reset.
_FORGOTTEN: Final = "26000"
_UNIQUE: Final = "23505"
# Another transaction was first: our own rules, serialization, deadlock, a lock that was not free.
_FIRST: Final = "SO001"
_TOO_LATE: Final = frozenset({"40001", "40P01", "55P03"})
_DEDUPE: Final = "dedupe"  # part of the name of the index that keeps dedupe keys apart
# Broken rules, by SQLSTATE class: constraints and ours, values, rights, check options, exceptions raised.
_RULE_CLASSES: Final = frozenset({"22", "23", "28", "42", "44", "P0", "SO"})
# Of those, what only a commit can meet: constraints and rules that were waiting for it. A flush meets none.
_REFUSE_A_COMMIT: Final = frozenset({"23", "44", "P0", "SO"})
_MISSING: Final = frozenset({"42P01", "42883", "42703", "3F000"})  # table, function, column, schema


def refusal(error: psycopg2.Error) -> Exception | None:
    """Return what a refusal means, or null when the server did not refuse but could not serve."""
    code = error.pgcode or ""
    if code in _MISSING:
        return DatabaseRefusedError(
            "The database lacks parts that this version of Studio OS needs. Nothing was changed. Start once "
            "with: ./studio up"
        )
    if code == _FIRST:
        return LedgerRefusedError(
            f"{_sentence(error)} Nothing was changed. Look at it again, then decide.", code=STATE_CHANGED
        )
    if code in _TOO_LATE:
        return LedgerRefusedError(
            "Somebody else was changing the same thing. Nothing was changed. Look at it again, then decide.",
            code=STATE_CHANGED,
        )
    if code == _UNIQUE:
        return _not_unique(str(error.diag.constraint_name or ""))
    if code[:2] in _RULE_CLASSES:
        return LedgerRefusedError(f"The database refused. {_sentence(error)} Nothing was changed.", code=RULE)
    return None


def is_rolled_back(error: psycopg2.Error) -> bool:
    """Return whether a commit that failed with this error certainly kept nothing."""
    code = error.pgcode or ""
    return code in _TOO_LATE or code[:2] in _REFUSE_A_COMMIT


def is_session_reset(error: psycopg2.Error) -> bool:
    """Return whether the session has lost what was prepared in it, and its rights and studio with that."""
    return error.pgcode == _FORGOTTEN


def unreachable_ledger(url: str, error: psycopg2.Error) -> ServerUnreachableError:
    """Return the plain error for a server that cannot serve now; its own first line says why."""
    if is_session_reset(error):
        return SessionResetError(
            f"A session of the ledger on PostgreSQL at {redacted(url)} was reset, as a pooler or an "
            "administrator may do (DISCARD ALL): its rights and statements were gone. Nothing was changed, "
            "and the session is not used again. Try again; if this comes back, let the ledger connect to "
            "PostgreSQL itself, or through a pooler that keeps sessions."
        )
    said = str(error).strip().splitlines()
    return ServerUnreachableError(
        f"PostgreSQL at {redacted(url)} cannot be used now: {said[0] if said else 'no reason given'}. "
        "Nothing was changed. Check that the server runs and has room; then try again."
    )


def _not_unique(constraint: str) -> LedgerRefusedError:
    if _DEDUPE in constraint:
        return LedgerRefusedError(
            "A live proposal already has this dedupe key. Nothing was changed. Look at that one.",
            code=DUPLICATE,
        )
    return LedgerRefusedError(
        f"Somebody else was first ({constraint}). Nothing was changed. Look at it again and decide again.",
        code=STATE_CHANGED,
    )


def _sentence(error: psycopg2.Error) -> str:
    """Return the rule's name, or the sentence of our own functions; never a row (DETAIL may hold one)."""
    if error.pgcode and error.pgcode[:2] in {"23", "44"} and error.diag.constraint_name:
        return f"It breaks the rule {error.diag.constraint_name}."
    said = str(error.diag.message_primary or error.pgcode).rstrip(".")
    return f"{said} ({error.diag.constraint_name or error.pgcode})."
