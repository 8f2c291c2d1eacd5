"""The verb for reading through a capability: a decision without a proposal."""

from policies.actors import Actor
from policies.decisions import Operation
from policies.gateway_base import Request
from policies.gateway_policies import PolicyVerbs
from policies.gateway_text import id_problems, require
from policies.reads import ReadPermit


class ReadVerbs(PolicyVerbs):
    """What anybody must ask before a device is asked anything."""

    def permit_read(self, actor: Actor, capability_id: str) -> ReadPermit:
        """Return a permit to read now; a yes writes nothing, a no is in the audit.

        Raises ``BadRequestError``, ``DeniedError``.
        """
        require(id_problems(capability_id=capability_id))
        request = Request(Operation.READ, "permit_read", actor, capability_id=capability_id)
        facts, decision = self._check(request)
        if not decision.is_allowed:
            self._deny(request, decision, self._capability_of(request, facts))
        return ReadPermit(facts.studio_id, capability_id, actor.actor_id, facts.now)
