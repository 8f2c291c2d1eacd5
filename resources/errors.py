"""Errors that any door may raise. Each says what happened; callers say what was kept and what to do next."""


class SourceUnreadableError(Exception):
    """A source could not be read. Carries a plain sentence; what was read so far must not be used.

    Attributes:
        reason: One of ``unavailable``, ``timeout``, ``permission-denied``, ``rate-limited``,
            ``read-time-too-old``, ``bad-response``, ``unknown``.
        is_transient: Whether trying again later may help.
    """

    def __init__(self, message: str, *, reason: str, is_transient: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_transient = is_transient
