"""When a written exemption stands in for approvals, and for what one may be granted at all."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from policies.decisions import Decision, Exemption
from policies.proposals import Proposal
from policies.registry import Capability, Hazard, Risk
from policies.rules import deny

_RISKS: Final = frozenset({Risk.LOW, Risk.MEDIUM})


def is_lawful(capability: Capability) -> bool:
    """Say whether a capability may be exempt: the registry allows it, and no law of the house forbids it.

    The laws are asked again here, so that a careless edit of the registry is not enough.
    """
    return capability.is_exemptable and capability.risk in _RISKS and capability.hazard is Hazard.NONE


def is_live(exemption: Exemption, now: datetime) -> bool:
    """Say whether an exemption has begun and not ended; at its expiry it has ended."""
    return exemption.ended_at is None and exemption.granted_at <= now < exemption.expires_at


def covers(exemption: Exemption, proposal: Proposal) -> bool:
    """Say whether an exemption is for this capability and owner, and not granted by who asks.

    An admin could otherwise approve their own proposals by exempting them first.
    """
    return (
        exemption.capability_id == proposal.capability_id
        and exemption.owner_id in {None, proposal.owner_id}
        and exemption.granted_by not in {proposal.requester_id, proposal.requester_principal_id}
    )


def matching(
    capability: Capability, proposal: Proposal, exemptions: Iterable[Exemption], now: datetime
) -> Exemption | None:
    """Return the live exemption that covers the proposal and ends last; null if there is none."""
    if not is_lawful(capability):
        return None
    found = [one for one in exemptions if is_live(one, now) and covers(one, proposal)]
    return max(found, key=lambda one: (one.expires_at, one.exemption_id), default=None)


def duration_denial(capability: Capability, seconds: int) -> Decision | None:
    """Return the no for an exemption of this length; null when the length is fine."""
    if 1 <= seconds <= capability.longest_exemption_seconds:
        return None
    return deny("exemption-short-enough", most=capability.longest_exemption_seconds)
