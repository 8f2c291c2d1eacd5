"""What one check looks at: an actor, a capability, and the facts."""

from collections.abc import Callable
from dataclasses import dataclass

from policies.actors import STAFF_ROLE, Actor, ActorKind
from policies.decisions import Decision, Facts
from policies.proposals import Proposal
from policies.registry import Capability


@dataclass(slots=True)
class Case:
    """One question to the rules.

    ``capability`` and ``proposal`` are there wherever an operation's checks look at them: ``decide`` has
    denied before if they are not.
    """

    actor: Actor
    capability: Capability
    proposal: Proposal
    facts: Facts


Check = Callable[[Case], Decision | None]
"""One rule, or a few that belong together: a no, or null when they have nothing against it."""


def is_staff(actor: Actor) -> bool:
    """Say whether an actor is staff: by kind and by role, so that a half-made identity is not."""
    return actor.kind is ActorKind.STAFF and STAFF_ROLE in actor.roles


def is_person(actor: Actor) -> bool:
    """Say whether an actor is a person."""
    return actor.kind is ActorKind.STAFF or actor.kind is ActorKind.HUMAN
