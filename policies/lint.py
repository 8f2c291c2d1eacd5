"""The laws of the registry: what must hold of every capability, whatever a reviewer overlooked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from policies.actors import ROLES, ActorKind
from policies.exemptions import is_lawful
from policies.registry import Capability, Registry, RegistryError, Risk, load_registry, read_documents

LONGEST_APPROVAL_SECONDS: Final = {
    Risk.LOW: 86_400,
    Risk.MEDIUM: 86_400,
    Risk.HIGH: 4 * 3600,
    Risk.CRITICAL: 3600,
}
LEAST_APPROVALS: Final = {Risk.LOW: 1, Risk.MEDIUM: 1, Risk.HIGH: 2, Risk.CRITICAL: 2}
OLDEST_SNAPSHOT_SECONDS: Final = 26 * 3600
LEAST_RATIONALE: Final = 10
_KINDS: Final = frozenset(kind.value for kind in ActorKind)
_KEYS: Final = {
    "owner": "MISSING_OWNER",
    "rollback": "MISSING_ROLLBACK_PLAN",
    "escalation": "MISSING_ESCALATION_PATH",
    "risk": "RISK_MISSING",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One law broken: by which capability, which law (stable code), and in words."""

    subject: str
    rule: str
    message: str


def lint(registry: Registry, has_test: Callable[[str], bool] | None = None) -> list[Violation]:
    """Return every violation, in the registry's order; empty when the registry is fit to be used.

    Args:
        registry: What to check.
        has_test: Says whether a covering test exists; null where tests are not at hand.
    """
    found: list[Violation] = []
    for name, capability in registry.items():
        if name != capability.capability_id:
            found.append(Violation(name, "MISSING_METADATA", "It is listed under another id than its own."))
        for laws in (_words, _approval, _exemption, _limits):
            found += [Violation(name, rule, message) for rule, message in laws(capability)]
        if has_test is not None:
            found += [
                Violation(name, "TEST_MISSING", f"The covering test {test} does not exist.")
                for test in capability.tests
                if not has_test(test)
            ]
    return found


def lint_text(text: str, has_test: Callable[[str], bool] | None = None) -> list[Violation]:
    """Return every violation in the YAML text of a registry, also in one that cannot be loaded."""
    try:
        documents = read_documents(text)
    except RegistryError as error:
        return [Violation("registry", "MISSING_METADATA", str(error))]
    missing = [
        Violation(str(document.get("capability_id", "registry")), rule, f"It has no {key}.")
        for document in documents
        for key, rule in _KEYS.items()
        if not document.get(key)
    ]
    if missing:
        return missing
    try:
        return lint(load_registry(text), has_test)
    except RegistryError as error:
        return [Violation("registry", "MISSING_METADATA", str(error))]


def _words(capability: Capability) -> Iterator[tuple[str, str]]:
    for key, rule in _KEYS.items():
        if not str(getattr(capability, key)).strip():
            yield rule, f"It has no {key}."
    for key in ("description", "failure_mode"):
        if not getattr(capability, key).strip():
            yield "MISSING_METADATA", f"It has no {key}."
    if not capability.tests:
        yield "MISSING_METADATA", "It names no covering test."


def _approval(capability: Capability) -> Iterator[tuple[str, str]]:
    if unknown := sorted(capability.approver_roles - ROLES):
        yield "ROLE_UNKNOWN", f"There is no role {', '.join(unknown)}."
    if unknown := sorted(capability.requester_kinds - _KINDS):
        yield "REQUESTER_KIND_UNKNOWN", f"There is no kind of actor {', '.join(unknown)}."
    if not capability.approver_roles or not capability.requester_kinds:
        yield "MISSING_METADATA", "It does not say who may propose it and who decides about it."
    if capability.approvals_required == 0 and not capability.is_read_only:
        yield "WRITE_CAPABILITY_EXEMPT", "It writes, and needs nobody's approval."
    if capability.is_read_only and capability.approvals_required:
        yield "APPROVAL_MODE_MISMATCH", "It only reads, and still needs approval."
    if capability.is_four_eyes is not (capability.approvals_required > 0):
        yield (
            "APPROVAL_MODE_MISMATCH",
            "Another person than the requester decides wherever approval is needed.",
        )
    if not capability.is_read_only and not capability.is_staff_required and capability.target == "firestore":
        yield "APPROVAL_MODE_MISMATCH", "Writes to the cloud are approved by staff."
    least = LEAST_APPROVALS[capability.risk]
    if not capability.is_read_only and 0 < capability.approvals_required < least:
        yield "QUORUM_TOO_SMALL", f"A write of {capability.risk} risk needs {least} people's approval."


def _exemption(capability: Capability) -> Iterator[tuple[str, str]]:
    if capability.is_exemptable and not is_lawful(capability):
        yield (
            "WRITE_CAPABILITY_EXEMPT",
            "High and critical risk, doors, locks, power and mobility are never exempt.",
        )
    if capability.is_exemptable is not (capability.longest_exemption_seconds > 0):
        yield (
            "APPROVAL_MODE_MISMATCH",
            "An exemption's longest duration is given where it may be exempt only.",
        )


def _limits(capability: Capability) -> Iterator[tuple[str, str]]:
    longest = LONGEST_APPROVAL_SECONDS[capability.risk]
    if not 0 < capability.approval_ttl_seconds <= longest:
        yield "APPROVAL_TOO_LONG", f"Approvals of {capability.risk} risk last at most {longest} seconds."
    if capability.proposal_ttl_seconds < 1:
        yield "MISSING_METADATA", "Its proposals expire at once."
    if capability.least_rationale < LEAST_RATIONALE:
        yield "RATIONALE_TOO_SHORT", f"A rationale has at least {LEAST_RATIONALE} characters."
    age = capability.snapshot_max_age_seconds
    if age is not None and not 0 < age <= OLDEST_SNAPSHOT_SECONDS:
        yield "SNAPSHOT_TOO_OLD", f"The state it acts on is at most {OLDEST_SNAPSHOT_SECONDS} seconds old."
    scopes = [rule.scope for rule in capability.quotas]
    if "capability" not in scopes or len(set(scopes)) < len(scopes):
        yield "QUOTA_MISSING", "It needs one quota for the whole studio, and at most one of each scope."
    names = [field.name for field in capability.inputs]
    if len(set(names)) < len(names):
        yield "INPUT_INVALID", "Two input fields share a name."
    for field in capability.inputs:
        if field.least > field.most or (field.kind == "choice") is not bool(field.choices):
            yield "INPUT_INVALID", f"No value fits the input field {field.name}."
