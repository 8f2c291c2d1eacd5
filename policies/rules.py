"""Every rule a decision may name: its stable id, its code, and the sentence staff read.

``decide`` says when a rule applies and in which order rules are asked; here is only what they are called.
Several rules may share a code when a caller would do the same about them. A sentence may name ``{details}``
of its decision; what a person wrote is never part of it.
"""

from dataclasses import dataclass
from typing import Final

from policies.decisions import Decision

ALLOWED: Final = "ALLOWED"


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason. ``time_helps`` says whether a decision by it carries a retry-after."""

    rule_id: str
    code: str
    sentence: str
    time_helps: bool = False


_TABLE: Final = (
    # Where and what
    Rule("all-rules-passed", ALLOWED, "Every rule allows it."),
    Rule(
        "exemption-stands-in",
        ALLOWED,
        "An exemption stands in for approvals, and every other rule allows it.",
    ),
    Rule("no-rule-allows", "NO_RULE", "No rule allows this, and what no rule allows is denied."),
    Rule("tenant-of-actor", "TENANT_MISMATCH", "This identity belongs to another studio."),
    Rule("tenant-of-proposal", "TENANT_MISMATCH", "The proposal belongs to another studio."),
    Rule(
        "capability-known",
        "CAPABILITY_UNKNOWN",
        "This capability is not in the registry; nothing else may be done.",
    ),
    Rule("capability-matches", "CAPABILITY_MISMATCH", "The proposal is for another capability."),
    Rule("proposal-known", "PROPOSAL_UNKNOWN", "There is no such proposal in this studio."),
    Rule("rationale-long-enough", "RATIONALE_TOO_SHORT", "Say why in at least {least} characters."),
    Rule(
        "rationale-storable",
        "RATIONALE_INVALID",
        "The reason has characters that cannot be kept, or is too long.",
    ),
    Rule(
        "only-reads",
        "NOT_A_READ",
        "This capability changes something: it goes by a proposal, not by a permit to read.",
    ),
    Rule("owner-named", "OWNER_MISSING", "Name the member whose things this touches."),
    # Who
    Rule("requester-kind", "REQUESTER_NOT_ALLOWED", "This kind of actor may not propose this capability."),
    Rule(
        "reader-kind",
        "READER_NOT_ALLOWED",
        "Only staff and our own processes, as the capability lists, may read through it.",
    ),
    Rule(
        "requester-only",
        "NOT_REQUESTER",
        "Only who asked for it may change or submit it; anyone else may make a new one.",
    ),
    Rule(
        "person-only",
        "PERSON_REQUIRED",
        "Only a person may decide this; agents and our own processes may not.",
    ),
    Rule(
        "staff-only",
        "STAFF_REQUIRED",
        "Only staff may do this; an admin claim without the staff claim is not enough.",
    ),
    Rule("role-entitles", "ROLE_MISSING", "None of this identity's roles entitles to it."),
    Rule("executor-only", "EXECUTOR_ONLY", "Only the execution run may carry proposals out."),
    Rule(
        "no-self-approval",
        "SELF_APPROVAL",
        "Who asked for it may not approve it, neither directly nor through an agent.",
    ),
    Rule("approve-once", "DUPLICATE_APPROVAL", "This person has approved it already; somebody else must."),
    Rule("rollback-requested-once", "DUPLICATE_APPROVAL", "Its rollback is approved already."),
    # Agents
    Rule(
        "delegation-readable",
        "DELEGATION_UNREADABLE",
        "The cloud could not be asked what this agent may do.",
        True,
    ),
    Rule("agent-known", "AGENT_UNKNOWN", "The cloud does not know this agent."),
    Rule("agent-active", "AGENT_NOT_ACTIVE", "This agent is suspended or revoked."),
    Rule("agent-rested", "AGENT_COOLDOWN", "This agent must pause for {seconds} more seconds.", True),
    Rule("delegation-present", "DELEGATION_MISSING", "Nobody has delegated anything to this agent."),
    Rule("delegation-of-agent", "DELEGATION_ACTOR_MISMATCH", "The delegation is for another agent."),
    Rule(
        "delegation-of-owner",
        "DELEGATION_OWNER_MISMATCH",
        "The agent may act only on the things of the member who delegated.",
    ),
    Rule("delegation-not-revoked", "DELEGATION_REVOKED", "The delegation was revoked."),
    Rule("delegation-active", "DELEGATION_NOT_ACTIVE", "The delegation is not active."),
    Rule("delegation-not-expired", "DELEGATION_EXPIRED", "The delegation has expired."),
    Rule("delegation-scope", "DELEGATION_SCOPE_MISSING", "The delegation does not cover this capability."),
    Rule("agent-scope", "DELEGATION_SCOPE_MISSING", "The agent is not registered for this capability."),
    Rule("delegation-resource", "DELEGATION_RESOURCE_MISSING", "The delegation does not cover these things."),
    # Where the proposal stands
    Rule("state-rejected", "PROPOSAL_REJECTED", "The proposal was rejected; an admin may reopen it."),
    Rule("state-expired", "PROPOSAL_EXPIRED", "The proposal has expired; an admin may reopen it."),
    Rule("state-failed", "PROPOSAL_FAILED", "The target refused it, without effect; an admin may reopen it."),
    Rule("state-executing", "ALREADY_EXECUTING", "It is being carried out."),
    Rule("state-executed", "ALREADY_EXECUTED", "It has been carried out already, and that happens once."),
    Rule(
        "state-rolled-back", "ALREADY_ROLLED_BACK", "It was carried out and rolled back; make a new proposal."
    ),
    Rule("state-draft", "NOT_SUBMITTED", "It is a draft; submit it first."),
    Rule("state-pending", "NOT_APPROVED", "It still waits for approval."),
    Rule("state-approved", "ALREADY_APPROVED", "It is approved already."),
    Rule("state-submitted", "ALREADY_SUBMITTED", "It was submitted already."),
    Rule(
        "state-reopenable", "NOT_REOPENABLE", "Only rejected, failed and expired proposals can be reopened."
    ),
    Rule("rollback-after-execution", "NOT_EXECUTED", "Only what was carried out can be rolled back."),
    Rule("proposal-in-time", "PROPOSAL_EXPIRED", "Its time for approval is over; an admin may reopen it."),
    Rule(
        "dry-run-bound",
        "DRY_RUN_BOUND",
        "People approved what the last dry run showed; edit the proposal to look again.",
    ),
    Rule("intake-not-blocked", "INTAKE_BLOCKED", "Screening wants a person to look at it: {category}."),
    Rule(
        "intake-is-blocked",
        "INTAKE_NOT_BLOCKED",
        "Screening does not block it; there is nothing to override.",
    ),
    # Approval
    Rule(
        "input-unchanged", "INPUT_CHANGED", "The input is not the one that was decided on; look at it again."
    ),
    Rule("approval-present", "NOT_APPROVED", "Nobody has approved it."),
    Rule("quorum-reached", "QUORUM_NOT_REACHED", "{approvals} of {required} people needed have approved it."),
    Rule("approval-in-time", "APPROVAL_EXPIRED", "Its approvals have expired; it must be approved again."),
    Rule("exemption-in-time", "EXEMPTION_EXPIRED", "It is not approved, and its exemption has ended."),
    Rule(
        "exemption-matches",
        "EXEMPTION_MISMATCH",
        "It is not approved, and the exemption there is does not cover it.",
    ),
    # Whether anything may be done outside now
    Rule(
        "switch-off",
        "KILL_SWITCH_ON",
        "The kill switch is on: nothing is carried out until two people resume.",
    ),
    Rule("switch-readable", "KILL_SWITCH_UNREADABLE", "The kill switch cannot be read, which counts as on."),
    Rule(
        "writes-enabled",
        "WRITES_DISABLED",
        "This deployment only observes: writes are not enabled (anchor mode).",
    ),
    Rule(
        "has-executor",
        "PROPOSAL_ONLY",
        "Nothing here can carry this out; a person does it, by the approved proposal.",
    ),
    Rule(
        "checks-green", "CHECK_RED", "A governance check does not hold; nothing is carried out until it does."
    ),
    Rule("snapshot-present", "SNAPSHOT_MISSING", "There is no complete state of the studio to act on.", True),
    Rule(
        "snapshot-fresh",
        "SNAPSHOT_STALE",
        "The state of the studio is {age} seconds old; at most {most} will do.",
        True,
    ),
    Rule("quota-left", "QUOTA_EXCEEDED", "{used} of {limit} in this period are used ({scope}).", True),
    Rule(
        "cooldown-over", "COOLDOWN", "It was done a moment ago; wait {seconds} more seconds ({scope}).", True
    ),
    # The policies themselves
    Rule(
        "exemption-lawful",
        "EXEMPTION_FORBIDDEN",
        "This capability always needs approval; it cannot be exempt.",
    ),
    Rule(
        "exemption-short-enough",
        "EXEMPTION_TOO_LONG",
        "An exemption of this capability lasts 1 to {most} seconds.",
    ),
    Rule("exemption-live", "EXEMPTION_UNKNOWN", "There is no such live exemption."),
    Rule("switch-not-on-yet", "ALREADY_HALTED", "The kill switch is on already."),
    Rule("switch-is-on", "NOT_HALTED", "The kill switch is not on."),
    Rule(
        "resume-not-requested-yet",
        "RESUME_ALREADY_REQUESTED",
        "Somebody has asked already; another person must confirm.",
    ),
    Rule(
        "resume-requested",
        "RESUME_NOT_REQUESTED",
        "Nobody has asked to resume; ask first, another person confirms.",
    ),
    Rule("resume-by-another", "SELF_APPROVAL", "Who asked to resume may not confirm it."),
)
RULES: Final = {rule.rule_id: rule for rule in _TABLE}
"""All rules by id."""

CODES: Final = frozenset(rule.code for rule in _TABLE)


def deny(rule_id: str, retry_after_seconds: int | None = None, **details: str | int) -> Decision:
    """Return a no by a rule, its sentence filled with the details; an unknown rule raises ``KeyError``."""
    rule = RULES[rule_id]
    sentence = rule.sentence.format(**details) if details else rule.sentence
    return Decision(False, rule.code, rule_id, sentence, retry_after_seconds, None, details or None)


ALLOW: Final = Decision(True, ALLOWED, "all-rules-passed", RULES["all-rules-passed"].sentence)
"""The plain yes."""


def allow_exempt(exemption_id: str) -> Decision:
    """Return a yes for which an exemption stood in for approvals."""
    rule = RULES["exemption-stands-in"]
    return Decision(True, rule.code, rule.rule_id, rule.sentence, exemption_id=exemption_id)
