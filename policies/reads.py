"""Permits to read: what a connector needs before it asks a device anything.

A read changes nothing outside, so it needs no proposal and no approval, and the kill switch does not stop it;
it still needs a capability of the registry and an actor who may. A yes leaves no event of its own: the call
that follows does.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from policies.actors import Actor


@dataclass(frozen=True, slots=True)
class ReadPermit:
    """The gateway's yes to one read.

    Attributes:
        studio_id: Whose devices.
        capability_id: Which capability was permitted.
        actor_id: To whom.
        decided_at: When, UTC. A permit is for now: nobody keeps one for later.
    """

    studio_id: str
    capability_id: str
    actor_id: str
    decided_at: datetime


class Reader(Protocol):
    """Gives permits to read; the gateway does."""

    def permit_read(self, actor: Actor, capability_id: str) -> ReadPermit:
        """Return a permit. Raises ``DeniedError``, which is in the audit, and ``BadRequestError``."""
