"""Errors of the gateway: a no, and a request that makes no sense.

Errors of storage and of targets are in ``ports``, next to the interface that raises them.
"""

from collections.abc import Sequence

from policies.decisions import Decision


class DeniedError(Exception):
    """The rules say no. ``decision`` says which, why, and when to try again. The denial is in the audit."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.sentence)
        self.decision = decision


class BadRequestError(Exception):
    """A request that cannot be decided as it stands. Nothing was stored, not even a denial.

    Attributes:
        problems: Sentences, at least one; none repeats the text it complains about.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


class UnknownSubjectError(BadRequestError):
    """There is no proposal, capability or exemption of that id in this studio."""
