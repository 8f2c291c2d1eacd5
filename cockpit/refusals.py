"""What commands say when the gateway does not do what was asked, for people and for programs."""

from typing import Any

from cockpit.errors import CANNOT_RUN
from policies.errors import BadRequestError, DeniedError
from policies.ports import LedgerRefusedError, OutcomeUnknownError


def of_gateway(error: Exception) -> tuple[str, str, int] | None:
    """Return what happened, what to do, and the exit code; null for errors that are not the gateway's."""
    if isinstance(error, DeniedError):
        wait = error.decision.retry_after_seconds
        again = f" Trying again may help in {wait} s." if wait is not None else ""
        return f"Denied: {error} ({error.decision.code})", f"The denial is in the audit log.{again}", 1
    if isinstance(error, BadRequestError):
        return f"{error} Nothing was stored.", "Mend the request and send it again.", 2
    if isinstance(error, LedgerRefusedError):
        kept = "Nothing was changed."
        what = str(error) if kept in str(error) else f"{error} {kept}"
        return what, "Look at it as it is now, then decide again.", 1
    if isinstance(error, OutcomeUnknownError):
        return str(error), "Look before trying again: ./studio proposals show ID.", CANNOT_RUN
    return None


def decision_of(error: Exception) -> dict[str, Any]:
    """Return what a program needs of a denial: code, rule and when to try again; nothing for other errors."""
    if not isinstance(error, DeniedError):
        return {}
    decision = error.decision
    return {
        "code": decision.code,
        "rule": decision.rule,
        "sentence": decision.sentence,
        "retryAfterSeconds": decision.retry_after_seconds,
    }
