"""The result of one check."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        problem: What is wrong; empty when nothing is.
        remedy: How to mend it; empty when nothing is wrong.
        detail: What was found, for a person.
        is_needed: Whether the house cannot do without it.
    """

    name: str
    problem: str = ""
    remedy: str = ""
    detail: str = ""
    is_needed: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem

    def describe(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "ok": self.ok,
            "needed": self.is_needed,
            "problem": self.problem,
            "remedy": self.remedy,
            "detail": self.detail,
        }
