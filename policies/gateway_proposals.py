"""The verbs of who asks: propose, submit, edit, dry run.

What members and agents wrote is kept as it came. It is measured and screened before the transaction, and no
branch here looks at what it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from policies import gateway_ids
from policies.actors import Actor, ActorKind, system_actor
from policies.audit import canonical_hash, text_hash
from policies.decisions import Decision, Facts, Operation
from policies.errors import BadRequestError
from policies.exemptions import matching
from policies.gateway_base import GatewayBase, Request, Writing, proposal_event
from policies.gateway_text import id_problems, list_problems, require, required_input, text_problems
from policies.inputs import input_hash
from policies.ports import Adapter, AdapterError, Screening
from policies.proposals import Evidence, Proposal, ProposalState, stepped
from policies.registry import Capability
from policies.rules import RULES, deny

RULE_ACTOR: Final = "rule"
"""Name of the system's actor where no person has to say yes."""


class ProposalVerbs(GatewayBase):
    """What a requester does with a proposal."""

    def propose(
        self,
        actor: Actor,
        capability_id: str,
        input_: Mapping[str, Any],
        rationale: str,
        *,
        owner_id: str | None = None,
        dedupe_key: str | None = None,
        evidence: Sequence[Evidence] = (),
        predicted_effects: Sequence[str] = (),
        is_draft: bool = False,
    ) -> Proposal:
        """Keep a proposal (a draft if asked); the same dedupe key returns the live one there is.

        An agent that names no owner acts for its own. What needs nobody's yes (or has a live exemption) is
        approved by that rule in the same transaction.

        Raises:
            BadRequestError: Input or words that cannot be kept.
            DeniedError: The rules say no.
        """
        require(
            text_problems(rationale=rationale)
            + id_problems(owner_id=owner_id, dedupe_key=dedupe_key, capability_id=capability_id)
            + list_problems(evidence, predicted_effects)
        )
        capability = self._registry.get(capability_id)
        kept = dict[str, Any]()
        if capability is not None:
            kept = required_input(capability, input_)
        if owner_id is None and actor.kind is ActorKind.AGENT:
            owner_id = actor.owner_id
        screening = self._screened(capability_id, rationale, kept)
        hash_ = input_hash(capability_id, kept)

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Proposal:
            del decision
            if dedupe_key is not None:
                live = writing.ledger.live_duplicate(capability_id, dedupe_key)
                if live is not None:
                    return _shareable(actor, live)
            draft = Proposal(
                proposal_id=proposal_id,
                studio_id=facts.studio_id,
                capability_id=capability_id,
                state=ProposalState.DRAFT,
                version=1,
                rationale=rationale,
                predicted_effects=tuple(predicted_effects),
                evidence=tuple(evidence),
                input=kept,
                input_hash=hash_,
                requester_id=actor.actor_id,
                requester_kind=actor.kind.value,
                requester_principal_id=actor.principal_id,
                owner_id=owner_id,
                dedupe_key=dedupe_key,
                dry_run=None,
                created_at=facts.now,
                updated_at=facts.now,
                expires_at=facts.now + timedelta(seconds=capability.proposal_ttl_seconds),
                intake=screening.category,
                is_intake_blocked=screening.is_blocked,
                intake_classifier=screening.classifier,
            )
            event = proposal_event(draft, "created", facts.now, actor, **_told(draft))
            draft = writing.keep(event, draft)
            return draft if is_draft else _submitted(writing, capability, facts, actor, draft)

        # The id is given once, so that a second attempt after a lost answer cannot make a second proposal.
        proposal_id = self._new_id(gateway_ids.PROPOSAL, self._clock.now())
        request = Request(
            Operation.PROPOSE,
            "propose",
            actor,
            capability_id=capability_id,
            rationale=rationale,
            input_hash=hash_,
            owner_id=owner_id,
        )
        return self._change(request, make)

    def submit(self, actor: Actor, proposal_id: str) -> Proposal:
        """Ask for approval of a draft. Raises ``DeniedError``."""
        require(id_problems(proposal_id=proposal_id))

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Proposal:
            del decision
            return _submitted(writing, capability, facts, actor, proposal_of(facts))

        return self._change(Request(Operation.SUBMIT, "submit", actor, proposal_id=proposal_id), make)

    def edit(
        self,
        actor: Actor,
        proposal_id: str,
        *,
        version: int,
        input_: Mapping[str, Any] | None = None,
        rationale: str | None = None,
    ) -> Proposal:
        """Make the next version; approvals of older versions bind nothing any more.

        Raises:
            BadRequestError: Nothing to change, words that cannot be kept, or ``version`` is not the current
                one any more: somebody edited it meanwhile.
            DeniedError: The rules say no; a draft is submitted before it is edited.
        """
        require(
            [] if input_ is not None or rationale is not None else ["An edit changes input or rationale."]
        )
        require(
            id_problems(proposal_id=proposal_id)
            + ([] if rationale is None else text_problems(rationale=rationale))
        )

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Proposal:
            del decision
            old = proposal_of(facts)
            if version != old.version:
                raise BadRequestError((f"It is at version {old.version} now; look at it again, then edit.",))
            kept = dict(old.input)
            if input_ is not None:
                kept = required_input(capability, input_)
            words = old.rationale if rationale is None else rationale
            edited = self._next_version(old, facts, words, kept)
            event = proposal_event(edited, "edited", facts.now, actor, **_told(edited))
            return approved_by_rule(writing, capability, facts, writing.keep(event, edited))

        request = Request(Operation.EDIT, "edit", actor, proposal_id=proposal_id, rationale=rationale)
        return self._change(request, make)

    def dry_run(self, actor: Actor, proposal_id: str) -> Proposal:
        """Ask the target what would happen, and keep the answer with the proposal.

        The target is asked between two transactions: nothing is locked meanwhile, and the answer is kept
        only for the version that was asked about.

        Raises:
            AdapterError: The target could not say.
            BadRequestError: The proposal was edited while the target was asked.
            DeniedError: The rules say no.
        """
        require(id_problems(proposal_id=proposal_id))
        request = Request(Operation.DRY_RUN, "dry_run", actor, proposal_id=proposal_id)
        facts, decision = self._check(request)
        asked = proposal_of(facts) if decision.is_allowed else None
        adapter = None if asked is None else self._adapter_of(asked)
        if asked is None or adapter is None:
            refused = decision if asked is None else deny("has-executor")
            self._deny(request, refused, self._capability_of(request, facts))
        answer, answer_hash = _asked(adapter, asked)

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Proposal:
            del capability, decision
            current = proposal_of(facts)
            if (current.version, current.input_hash) != (asked.version, asked.input_hash):
                raise BadRequestError(("It was edited while the target was asked; ask again.",))
            kept = replace(current, dry_run=answer, updated_at=facts.now)
            event = proposal_event(kept, "dry_run", facts.now, actor, dry_run_hash=answer_hash)
            return writing.keep(event, kept)

        return self._change(request, make)

    def _screened(self, capability_id: str, rationale: str, input_: Mapping[str, Any]) -> Screening:
        return self._screener.screen(capability_id, rationale, input_)

    def _next_version(
        self, old: Proposal, facts: Facts, rationale: str, input_: Mapping[str, Any]
    ) -> Proposal:
        """Return the next version, awaiting approval: screened again, and without a dry run."""
        screening = self._screened(old.capability_id, rationale, input_)
        return stepped(
            old,
            ProposalState.PENDING_APPROVAL,
            facts.now,
            version=old.version + 1,
            rationale=rationale,
            input=input_,
            input_hash=input_hash(old.capability_id, input_),
            dry_run=None,
            intake=screening.category,
            is_intake_blocked=screening.is_blocked,
            intake_classifier=screening.classifier,
            state_reason=None,
        )


def proposal_of(facts: Facts) -> Proposal:
    """Return the proposal the facts are about; the rules have seen that there is one."""
    if facts.proposal is None:
        raise AssertionError("An operation on a proposal was allowed without one.")
    return facts.proposal


def approved_by_rule(writing: Writing, capability: Capability, facts: Facts, proposal: Proposal) -> Proposal:
    """Approve what needs nobody's yes, or what a live exemption covers; else return it as it is.

    Screening comes first: what it blocks waits for a person, whatever is exempt.
    """
    if proposal.is_intake_blocked or proposal.state is not ProposalState.PENDING_APPROVAL:
        return proposal
    exemption = matching(capability, proposal, facts.exemptions, facts.now)
    if capability.approvals_required and exemption is None:
        return proposal
    approved = stepped(proposal, ProposalState.APPROVED, facts.now, state_reason=None)
    details: dict[str, Any] = {"rule": RULES["all-rules-passed"].rule_id, "approvals": 0}
    if capability.approvals_required and exemption is not None:
        details |= {"exemption_id": exemption.exemption_id, "rule": RULES["exemption-stands-in"].rule_id}
    by = system_actor(RULE_ACTOR, facts.studio_id)
    return writing.keep(proposal_event(approved, "approved", facts.now, by, **details), approved)


def _asked(adapter: Adapter, proposal: Proposal) -> tuple[dict[str, Any], str]:
    """Return what the target says would happen, and the hash of it. Raises ``AdapterError``."""
    try:
        answer = dict(adapter.dry_run(proposal))
        return answer, canonical_hash(answer)
    except AdapterError:
        raise
    except Exception as error:
        raise AdapterError(
            f"The dry run broke off ({type(error).__name__}). Nothing was written; try again later.",
            code="UNEXPECTED",
            is_certain=True,
        ) from error


def _submitted(
    writing: Writing, capability: Capability, facts: Facts, actor: Actor, draft: Proposal
) -> Proposal:
    pending = stepped(draft, ProposalState.PENDING_APPROVAL, facts.now)
    pending = writing.keep(proposal_event(pending, "submitted", facts.now, actor), pending)
    return approved_by_rule(writing, capability, facts, pending)


def _shareable(actor: Actor, live: Proposal) -> Proposal:
    """Return the live duplicate, unless it would show an agent somebody else's proposal."""
    if actor.kind is ActorKind.AGENT and live.requester_principal_id != actor.principal_id:
        raise BadRequestError(("Another live proposal has this dedupe key.",))
    return live


def _told(proposal: Proposal) -> dict[str, Any]:
    """Return what the log says of words and evidence: hashes, ids and categories."""
    return {
        "evidence_hash": text_hash(
            "\n".join(f"{it.asset}\t{it.revision}\t{it.finding_id or ''}" for it in proposal.evidence)
        ),
        "intake": proposal.intake,
        "intake_classifier": proposal.intake_classifier,
        "is_intake_blocked": proposal.is_intake_blocked,
        "owner_id": proposal.owner_id,
        "rationale_hash": text_hash(proposal.rationale),
    }
