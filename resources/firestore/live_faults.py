"""What went wrong at Firestore, in words for a person, and how long to go on trying.

Messages never repeat what the server said: its text may quote values, and values may be personal data.
"""

import random
import time
from collections.abc import Callable
from typing import Any

import grpc

from resources.errors import SourceUnreadableError

Status = grpc.StatusCode

TRANSIENT = frozenset(
    {
        Status.UNAVAILABLE,
        Status.INTERNAL,
        Status.DEADLINE_EXCEEDED,
        Status.RESOURCE_EXHAUSTED,
        Status.ABORTED,
        Status.CANCELLED,  # the server or a proxy took the stream down; we never cancel a call we read from
        Status.UNKNOWN,  # how grpc reports a connection lost without a status
    }
)

_LONGEST_CALL_SECONDS = 60.0
_SLOWEST_DOCUMENTS_PER_SECOND = 500
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 2.0
_AGE_WORDS = ("read_time", "read time", "too old", "retention", "snapshot")


class Patience:
    """How long one read may go on: a deadline that grows with the documents read, and a number of tries.

    A large collection needs long and gets it, one second for every 500 documents; a trickle does not.
    """

    def __init__(
        self,
        deadline_seconds: float,
        attempts: int,
        *,
        subject: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make patience for reading ``subject`` (named in messages), with ``attempts`` fruitless tries."""
        self._end = time.monotonic() + deadline_seconds
        self._attempts = attempts
        self._subject = subject
        self._sleep = sleep
        self._fruitless = 0

    def call_seconds(self) -> float:
        """Return how long the next call may take; raise when no time is left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self._out_of_time()
        return min(left, _LONGEST_CALL_SECONDS)

    def progressed(self, documents: int) -> None:
        """Note that documents came: more time, and all tries again."""
        self._end += documents / _SLOWEST_DOCUMENTS_PER_SECOND
        self._fruitless = 0

    def failed(self, error: Any) -> None:
        """Wait before the next try, or raise when trying again cannot help or has gone on for too long."""
        code = error.code()
        self._fruitless += 1
        if code not in TRANSIENT or self._fruitless > self._attempts:
            raise unreadable(error, self._subject) from None
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**self._fruitless) * random.uniform(
            0.5, 1
        )
        if time.monotonic() + pause >= self._end:
            raise (
                self._out_of_time() if code is Status.DEADLINE_EXCEEDED else unreadable(error, self._subject)
            )
        self._sleep(pause)

    def _out_of_time(self) -> SourceUnreadableError:
        return SourceUnreadableError(
            f"Reading Firestore took too long ({self._subject}). Try again, or raise the read deadline.",
            reason="timeout",
            is_transient=True,
        )


def unreadable(error: Any, subject: str) -> SourceUnreadableError:
    """Return the plain sentence for a failed call."""
    code, details = error.code(), (error.details() or "").lower()
    reason, sentence = _CAUSES.get(code, ("unknown", "failed in a way it does not explain"))
    is_about_time = any(word in details for word in _AGE_WORDS)
    if code is Status.INVALID_ARGUMENT and "future" in details:
        sentence = "has not reached that instant yet; check the clock of this machine"
    elif code in {Status.FAILED_PRECONDITION, Status.INVALID_ARGUMENT} and is_about_time:
        reason, sentence = "read-time-too-old", "no longer keeps what it held at that instant"
    elif code is Status.FAILED_PRECONDITION and "index" in details:
        sentence = "has no index for this query"
    elif code is Status.UNAVAILABLE and "metadata from plugin" in details:
        reason, sentence = "permission-denied", "could not be asked: the credentials could not be refreshed"
    return SourceUnreadableError(
        f"Firestore {sentence} ({subject}, {code.name}).", reason=reason, is_transient=code in TRANSIENT
    )


_CAUSES = {
    Status.UNAVAILABLE: ("unavailable", "cannot be reached"),
    Status.INTERNAL: ("unavailable", "keeps failing inside"),
    Status.ABORTED: ("unavailable", "keeps aborting the read"),
    Status.CANCELLED: ("unavailable", "keeps breaking off the read"),
    Status.UNKNOWN: ("unavailable", "keeps breaking off the read"),
    Status.DEADLINE_EXCEEDED: ("timeout", "did not answer in time"),
    Status.RESOURCE_EXHAUSTED: ("rate-limited", "refuses more reads for now: a quota is used up"),
    Status.PERMISSION_DENIED: (
        "permission-denied",
        "refuses access; give the service account the role roles/datastore.viewer",
    ),
    Status.UNAUTHENTICATED: (
        "permission-denied",
        "does not accept the credentials; check the service account",
    ),
    Status.NOT_FOUND: ("bad-response", "knows no such project or database; check the settings"),
    Status.FAILED_PRECONDITION: ("bad-response", "cannot answer this query"),
    Status.INVALID_ARGUMENT: ("bad-response", "does not accept this query"),
    Status.UNIMPLEMENTED: ("bad-response", "does not offer this query"),
}
