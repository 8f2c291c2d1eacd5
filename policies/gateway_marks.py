"""The verbs of a person's word on what swarms do: pause, mark, review, decide. Staff only, with a reason.

Nothing here does anything outside: a pause keeps a swarm from proposing, everything else is written down.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from policies.actors import Actor
from policies.audit import text_hash
from policies.decisions import Decision, Facts, Operation
from policies.gateway_base import Request, Writing
from policies.gateway_reads import ReadVerbs
from policies.gateway_text import id_problems, require, text_problems
from policies.marks import (
    DraftReview,
    DraftStatus,
    FindingMark,
    SwarmControl,
    SwarmState,
    TriageDecision,
    TriageVerdict,
    Verdict,
)
from policies.ports import AuditDraft
from policies.registry import Capability

M = TypeVar("M", SwarmControl, FindingMark, DraftReview, TriageDecision)

_HASH_LENGTH: Final = 64
_HASHES_OF_WORDS: Final = ["Other words have another hash, and the same words the same."]


class MarkVerbs(ReadVerbs):
    """What people say of swarms, findings, drafts and reports.

    Every verb raises ``BadRequestError``, ``DeniedError``, and ``LedgerRefusedError`` when what it is about
    is not there, or was changed by somebody else.
    """

    def pause_swarm(self, actor: Actor, department: str, reason: str) -> SwarmControl:
        """Keep a department's swarm from proposing until somebody lets it go on."""
        return self._control(actor, "pause_swarm", department, SwarmState.PAUSED, reason)

    def resume_swarm(self, actor: Actor, department: str, reason: str) -> SwarmControl:
        """Let a paused swarm go on."""
        return self._control(actor, "resume_swarm", department, SwarmState.RESUMED, reason)

    def mark_finding(
        self, actor: Actor, finding_id: str, revision: int, verdict: Verdict, reason: str
    ) -> FindingMark:
        """Say what a revision of a finding was worth; the newest mark of a finding counts."""
        require(id_problems(finding_id=finding_id) + _number_problems(revision))

        def mark(facts: Facts) -> tuple[AuditDraft, FindingMark]:
            row = FindingMark(finding_id, revision, Verdict(verdict), actor.actor_id, reason, facts.now)
            details = {"revision": revision, "reason_hash": text_hash(reason)}
            name = f"finding:{row.verdict}:marked"
            return AuditDraft(name, facts.now, actor, "finding", finding_id, None, details), row

        return self._judged(actor, "mark_finding", reason, mark)

    def review_draft(
        self,
        actor: Actor,
        draft_id: str,
        *,
        revision: int,
        from_status: DraftStatus,
        to_status: DraftStatus,
        before_hash: str,
        reason: str,
        after_hash: str | None = None,
        subject: str | None = None,
        body: str | None = None,
    ) -> DraftReview:
        """Give a draft another status, perhaps other words; bound to the revision and hash that were seen.

        ``after_hash`` is the content hash with the new words; null where they stay. Approving publishes
        nothing.
        """
        after = before_hash if after_hash is None else after_hash
        words = {name: text for name, text in (("subject", subject), ("body", body)) if text is not None}
        require(
            id_problems(draft_id=draft_id)
            + _number_problems(revision)
            + text_problems(**words)
            + [
                "A content hash has 64 hexadecimal digits."
                for one in (before_hash, after)
                if len(one) != _HASH_LENGTH or set(one) - set("0123456789abcdef")
            ]
            + (_HASHES_OF_WORDS if bool(words) is (after == before_hash) else [])
        )

        def mark(facts: Facts) -> tuple[AuditDraft, DraftReview]:
            row = DraftReview(
                draft_id=draft_id,
                revision=revision,
                from_status=DraftStatus(from_status),
                to_status=DraftStatus(to_status),
                before_hash=before_hash,
                after_hash=after,
                by=actor.actor_id,
                reason=reason,
                at=facts.now,
                subject=subject,
                body=body,
            )
            details = {
                "revision": revision,
                "from_status": row.from_status.value,
                "before_hash": before_hash,
                "after_hash": after,
                "reason_hash": text_hash(reason),
            }
            name = f"draft:{row.to_status}:reviewed"
            return AuditDraft(name, facts.now, actor, "draft", draft_id, row.to_status.value, details), row

        return self._judged(actor, "review_draft", reason, mark)

    def decide_triage(
        self,
        actor: Actor,
        report_id: str,
        *,
        category: str,
        severity: str,
        verdict: TriageVerdict,
        reason: str,
    ) -> TriageDecision:
        """Say what a report is about; the database holds ``verdict`` against the newest suggestion."""
        require(id_problems(report_id=report_id, category=category, severity=severity))

        def mark(facts: Facts) -> tuple[AuditDraft, TriageDecision]:
            row = TriageDecision(
                report_id, category, severity, TriageVerdict(verdict), actor.actor_id, reason, facts.now
            )
            details = {"category": category, "severity": severity, "reason_hash": text_hash(reason)}
            name = f"triage:{row.verdict}:decided"
            return AuditDraft(name, facts.now, actor, "triage", report_id, None, details), row

        return self._judged(actor, "decide_triage", reason, mark)

    def _control(
        self, actor: Actor, verb: str, department: str, kind: SwarmState, reason: str
    ) -> SwarmControl:
        require(id_problems(department=department))

        def mark(facts: Facts) -> tuple[AuditDraft, SwarmControl]:
            row = SwarmControl(department, kind, actor.actor_id, reason, facts.now)
            name = f"swarm:{department}:{kind}"
            details = {"reason_hash": text_hash(reason)}
            return AuditDraft(name, facts.now, actor, "swarm", department, kind.value, details), row

        return self._judged(actor, verb, reason, mark)

    def _judged(
        self, actor: Actor, verb: str, reason: str, mark: Callable[[Facts], tuple[AuditDraft, M]]
    ) -> M:
        """Decide and, if it is yes, record what ``mark`` makes of the facts."""
        require(text_problems(reason=reason))

        def make(writing: Writing, capability: Capability, facts: Facts, decision: Decision) -> M:
            del capability, decision
            event, row = mark(facts)
            writing.record(event, row)
            return row

        return self._change(Request(Operation.JUDGE, verb, actor, rationale=reason), make)


def _number_problems(revision: int) -> list[str]:
    return [] if type(revision) is int and revision >= 1 else ["A revision is a number from 1."]
