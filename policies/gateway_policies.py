"""The verbs that change what the rules rest on: the kill switch, exemptions, quotas; and ``explain``."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from policies import gateway_ids, kill_switch
from policies.actors import Actor, system_actor
from policies.audit import instant, text_hash
from policies.decide import decide
from policies.decisions import Decision, Exemption, Facts, Operation, QuotaUse, Switch, SwitchState
from policies.errors import UnknownSubjectError
from policies.exemptions import duration_denial
from policies.gateway_base import RefusedInsideError, Request, Writing
from policies.gateway_recovery import RecoveryVerbs, exemption_event
from policies.gateway_text import id_problems, require, text_problems
from policies.ports import (
    AuditDraft,
    ExemptionEnd,
    LedgerRefusedError,
    OutcomeUnknownError,
    QuotaReset,
    SwitchChange,
)
from policies.quotas import applicable
from policies.registry import Capability

OPENER: Final = "studio"
"""Name of the system's actor that opens a studio."""
_OPENED: Final = "The studio was opened."


@dataclass(frozen=True, slots=True)
class SwitchStatus:
    """The kill switch, and how many calls have begun whose result is not known yet."""

    state: SwitchState
    in_flight: int


class PolicyVerbs(RecoveryVerbs):
    """What people change about the rules themselves."""

    def open_studio(self) -> None:
        """Write the first event and the kill switch's first state (off); repeating changes nothing.

        Of two at once, one writes and the other finds it written.
        """
        for is_last in (False, True):
            try:
                with self._transaction("open_studio") as writing:
                    now = self._clock.now()
                    facts = writing.ledger.facts(now=now, capability_id=None)
                    if facts.switch.switch is not Switch.UNREADABLE:
                        return
                    actor = system_actor(OPENER, facts.studio_id)
                    self._write_switch(writing, actor, kill_switch.OPENED, _OPENED, replace(facts, now=now))
            except (LedgerRefusedError, OutcomeUnknownError):
                if self._ledger.switch().switch is not Switch.UNREADABLE:
                    return
                if is_last:
                    raise
            else:
                return

    def halt(self, actor: Actor, reason: str) -> SwitchState:
        """Throw the kill switch. Waits a moment for calls that have begun; no new one begins after it.

        Raises ``BadRequestError``, ``DeniedError``.
        """

        def make(writing: Writing, facts: Facts) -> SwitchState:
            in_flight = writing.ledger.hold_switch()
            return self._write_switch(writing, actor, kill_switch.HALTED, reason, facts, in_flight=in_flight)

        return self._switched(Request(Operation.HALT, "halt", actor, rationale=reason), make)

    def request_resume(self, actor: Actor, reason: str) -> SwitchState:
        """Ask that writes go on; somebody else must confirm. Raises ``BadRequestError``, ``DeniedError``."""

        def make(writing: Writing, facts: Facts) -> SwitchState:
            return self._write_switch(writing, actor, kill_switch.RESUME_REQUESTED, reason, facts)

        request = Request(Operation.REQUEST_RESUME, "request_resume", actor, rationale=reason)
        return self._switched(request, make)

    def resume(self, actor: Actor, reason: str) -> SwitchState:
        """Confirm another person's request; writes go on. Raises ``BadRequestError``, ``DeniedError``."""

        def make(writing: Writing, facts: Facts) -> SwitchState:
            asked = facts.switch.resume_requested_by
            return self._write_switch(writing, actor, kill_switch.RESUMED, reason, facts, requested_by=asked)

        return self._switched(Request(Operation.RESUME, "resume", actor, rationale=reason), make)

    def switch_status(self) -> SwitchStatus:
        """Return the kill switch as it can be read, and the number of calls in flight. Records nothing."""
        return SwitchStatus(self._ledger.switch(), self._ledger.in_flight())

    def grant_exemption(
        self, actor: Actor, capability_id: str, *, owner_id: str | None, seconds: int, justification: str
    ) -> Exemption:
        """Let a capability be executed without approval for a while; never for who grants it.

        Raises ``BadRequestError``, ``DeniedError``.
        """
        require(
            id_problems(capability_id=capability_id, owner_id=owner_id)
            + text_problems(justification=justification)
            + ([] if type(seconds) is int else ["The seconds of an exemption are a whole number."])
        )

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Exemption:
            del decision
            denial = duration_denial(capability, seconds)
            if denial is not None:
                raise RefusedInsideError(denial)
            exemption = Exemption(
                exemption_id=self._new_id(gateway_ids.EXEMPTION, facts.now),
                capability_id=capability_id,
                owner_id=owner_id,
                justification=justification,
                granted_by=actor.actor_id,
                granted_at=facts.now,
                expires_at=facts.now + timedelta(seconds=seconds),
            )
            event = exemption_event(
                exemption,
                "granted",
                facts.now,
                actor,
                expires_at=instant(exemption.expires_at),
                justification_hash=text_hash(justification),
            )
            writing.record(event, exemption)
            return exemption

        request = Request(
            Operation.GRANT_EXEMPTION,
            "grant_exemption",
            actor,
            capability_id=capability_id,
            rationale=justification,
            owner_id=owner_id,
        )
        return self._change(request, make)

    def revoke_exemption(self, actor: Actor, exemption_id: str, reason: str) -> Exemption:
        """End an exemption now. Raises ``UnknownSubjectError``, ``BadRequestError``, ``DeniedError``."""
        require(id_problems(exemption_id=exemption_id) + text_problems(reason=reason))
        known = [it for it in self._ledger.exemptions() if it.exemption_id == exemption_id]
        if not known:
            raise UnknownSubjectError(("There is no such exemption in this studio.",))

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> Exemption:
            del capability, decision
            end = ExemptionEnd(exemption_id, "revoked", actor.actor_id, reason, facts.now)
            event = exemption_event(known[0], "revoked", facts.now, actor, reason_hash=text_hash(reason))
            seq = writing.record(event, end)
            return replace(known[0], ended_at=facts.now, ended_by_kind="revoked", audit_seq=seq)

        request = Request(
            Operation.REVOKE_EXEMPTION,
            "revoke_exemption",
            actor,
            capability_id=known[0].capability_id,
            rationale=reason,
            exemption_id=exemption_id,
        )
        return self._change(request, make)

    def reset_quota(
        self, actor: Actor, capability_id: str, scope: str, subject_id: str, reason: str
    ) -> QuotaUse:
        """Set one quota's use to none. Raises ``BadRequestError``, ``DeniedError``."""
        require(
            id_problems(capability_id=capability_id, scope=scope, subject_id=subject_id)
            + text_problems(reason=reason)
        )
        capability = self._registry.get(capability_id)
        rules = [rule for rule in (capability.quotas if capability else ()) if rule.scope == scope]
        if capability is not None and not rules:
            raise UnknownSubjectError(("This capability has no quota of that scope.",))

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> QuotaUse:
            del capability, decision
            reset = QuotaReset(capability_id, scope, subject_id, actor.actor_id, reason, facts.now)
            subject = f"{capability_id}|{scope}|{subject_id}"
            event = AuditDraft(
                f"quota:{capability_id}:reset",
                facts.now,
                actor,
                "quota",
                subject,
                None,
                {"reason_hash": text_hash(reason)},
            )
            writing.record(event, reset)
            rule = rules[0]
            return QuotaUse(capability_id, scope, subject_id, rule.limit, rule.window_seconds, 0, None, None)

        request = Request(
            Operation.RESET_QUOTA, "reset_quota", actor, capability_id=capability_id, rationale=reason
        )
        return self._change(request, make)

    def explain(
        self, actor: Actor, operation: Operation, capability_id: str, proposal_id: str | None = None
    ) -> Decision:
        """Return the decision the operation would get now; changes and records nothing.

        The words that would come with it are taken to be good, and the input to be the proposal's.
        """
        require(id_problems(capability_id=capability_id, proposal_id=proposal_id))
        request = Request(
            operation,
            "explain",
            actor,
            capability_id=capability_id,
            proposal_id=proposal_id,
            rationale=_ANY_REASON,
            owner_id=actor.principal_id,
        )
        facts, decision = self._check(request)
        proposal = facts.proposal
        capability = self._registry.get(capability_id)
        if proposal is None or capability is None:
            return decision
        with self._ledger.transaction() as transaction:
            quotas = transaction.facts(
                now=facts.now,
                capability_id=capability_id,
                proposal_id=proposal_id,
                quotas=applicable(capability, proposal),
            ).quotas
        whole = replace(facts, quotas=quotas, input_hash=facts.input_hash or proposal.input_hash)
        return decide(operation, actor, capability, whole)

    def _switched(self, request: Request, make: Callable[[Writing, Facts], SwitchState]) -> SwitchState:
        require(text_problems(reason=request.rationale))
        return self._change(request, lambda writing, _, facts, __: make(writing, facts))

    def _write_switch(
        self,
        writing: Writing,
        actor: Actor,
        kind: str,
        reason: str,
        facts: Facts,
        **details: str | int | None,
    ) -> SwitchState:
        switch = kill_switch.switch_after(kind)
        event = AuditDraft(
            f"kill_switch:{facts.studio_id}:{kind}",
            facts.now,
            actor,
            "kill_switch",
            facts.studio_id,
            switch.value,
            {"reason_hash": text_hash(reason), **details},
        )
        writing.record(event, SwitchChange(kind, actor.actor_id, reason, facts.now))
        asked = actor.actor_id if kind == kill_switch.RESUME_REQUESTED else None
        return SwitchState(switch, facts.switch.revision + 1, actor.actor_id, facts.now, reason, asked)


_ANY_REASON: Final = "As asked by explain; the words themselves are not looked at. " * 4
