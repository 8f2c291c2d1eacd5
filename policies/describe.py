"""The registry and the rules as a page: every capability, every decision's order, every reason.

Nothing is described here: the registry, the order of ``decide`` and the sentences of ``rules`` are the only
descriptions; this module lays them out. ``docs/capabilities.md`` is its output, and a test keeps the two in
step. Write it again with ``python -m policies.describe > docs/capabilities.md``.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from policies.cases import Check
from policies.decide import OF_A_CAPABILITY, OF_A_PROPOSAL, OF_THE_STUDIO, ROLLBACK_BY_EXECUTOR
from policies.registry import Capability, InputField, QuotaRule, default_registry
from policies.rules import RULES

_HEAD: Final = """\
# Capabilities and rules

This page is generated from `policies/capabilities.yaml`, `policies/decide.py` and `policies/rules.py`. Do not
edit it; see `policies/describe.py`.

Studio OS changes nothing outside itself but by these capabilities. *Proposal-only* means that nothing here
can carry it out: it can be proposed and approved, a person does it, and executing it is refused. What only
reads is done by a *permit*: the gateway says yes or no at once, without a proposal, and records every no.

- [Capabilities](#capabilities)
- [Order of the rules](#order-of-the-rules): what each operation is asked, first to last
- [Reasons](#reasons): every code with its rule and sentence
"""
_ORDER: Final = """\
## Order of the rules

The first no decides; a yes needs every rule; what no rule allows is denied. Before the ones below come: the
actor is of this studio (`TENANT_MISMATCH`), the proposal is there and of this studio (`PROPOSAL_UNKNOWN`,
`TENANT_MISMATCH`), the capability is in the registry and the proposal's (`CAPABILITY_UNKNOWN`,
`CAPABILITY_MISMATCH`).
"""


_BY_HAND: Final = {
    False: "nothing here: proposal-only",
    True: "a connector, by a permit to read; nothing here carries out a proposal of it",
}
_BY_WHOM: Final = {False: "a person (proposal-only)", True: "a connector (permit to read)"}


def render() -> str:
    """Return the whole page. Depends on nothing but the code, so the same code gives the same page."""
    registry = default_registry()
    summary = _table(
        ("Capability", "Risk", "Writes", "Approvals", "Carried out by"),
        (
            (
                f"[`{name}`](#{name.replace('.', '')})",
                one.risk,
                "no" if one.is_read_only else "yes",
                str(one.approvals_required or "none"),
                f"`{one.adapter}`" if one.adapter else _BY_WHOM[one.is_read_only],
            )
            for name, one in registry.items()
        ),
    )
    parts = [
        _HEAD,
        "\n".join(["## Capabilities", "", *summary, ""]),
        *(_capability(capability) for capability in registry.values()),
        _ORDER,
        *_orders(),
        _reasons(),
    ]
    return "\n".join(parts)


def duration(seconds: int | None) -> str:
    """Return a duration in its largest whole unit, such as ``26 hours``; ``any`` for null."""
    if seconds is None:
        return "any"
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0 and not (unit == "day" and seconds == size):
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"


def facts_of(capability: Capability) -> Iterator[tuple[str, str]]:
    """Yield (what, value) of a capability in the order a person reads them."""
    yield "Does", capability.description
    kind = "reads" if capability.is_read_only else "writes"
    yield "Target", f"{capability.target}, {kind}, {capability.risk} risk, hazard: {capability.hazard}"
    yield "Carried out by", capability.adapter or _BY_HAND[capability.is_read_only]
    yield "May be proposed by", ", ".join(sorted(capability.requester_kinds))
    yield "Approvals", _approvals(capability)
    exempt = f"for at most {duration(capability.longest_exemption_seconds)}"
    yield "Exemption", exempt if capability.is_exemptable else "never"
    uncounted = "; permits to read are not counted" if capability.is_read_only else ""
    yield "Quotas", "; ".join(map(_quota, capability.quotas)) + uncounted
    yield "A proposal waits", duration(capability.proposal_ttl_seconds)
    yield "State may be old", duration(capability.snapshot_max_age_seconds)
    owner = "names its owner; " if capability.is_owner_required else ""
    yield "A proposal", f"{owner}rationale of {capability.least_rationale} characters or more"
    yield "Owner", capability.owner
    yield "If it goes wrong", capability.failure_mode
    yield "Rollback", capability.rollback
    yield "Escalates to", capability.escalation
    yield "Tests", ", ".join(capability.tests)


def _approvals(capability: Capability) -> str:
    if not capability.approvals_required:
        return "none needed"
    who = " or ".join(sorted(capability.approver_roles))
    staff = ", staff only" if capability.is_staff_required else ""
    people = "1 person" if capability.approvals_required == 1 else f"{capability.approvals_required} people"
    return f"{people} ({who}{staff}), not the requester; good for {duration(capability.approval_ttl_seconds)}"


def _quota(rule: QuotaRule) -> str:
    pause = f", {duration(rule.cooldown_seconds)} apart" if rule.cooldown_seconds else ""
    whose = {"capability": "in all", "actor": "per person who asks", "owner": "per owner"}[rule.scope]
    return f"{rule.limit} {whose} in {duration(rule.window_seconds)}{pause}"


def _capability(capability: Capability) -> str:
    lines = [f"### {capability.capability_id}", ""]
    lines += _table(("", ""), facts_of(capability))
    lines += ["", "Input:", ""]
    lines += _table(("Field", "Value", "Required"), map(_input, capability.inputs))
    return "\n".join([*lines, ""])


def _input(field: InputField) -> Sequence[str]:
    if field.kind == "choice":
        value = f"one of {', '.join(f'`{choice}`' for choice in field.choices)}"
    elif field.kind == "integer":
        value = f"whole number, {field.least} to {field.most}"
    else:
        value = f"text, {field.least} to {field.most} characters"
        value += f", `{field.pattern}`" if field.pattern else ""
        value += "; written by people, never leaves the proposal" if field.is_free_text else ""
    return f"`{field.name}`", value, "yes" if field.is_required else "no"


def _orders() -> Iterator[str]:
    listed = {operation.value: checks for operation, checks in (OF_THE_STUDIO | OF_A_CAPABILITY).items()}
    listed |= {operation.value: checks for operation, checks in OF_A_PROPOSAL.items()}
    listed["rollback"], asked = ROLLBACK_BY_EXECUTOR, listed["rollback"]
    listed["rollback, asked for"] = asked
    for name in sorted(listed):
        yield "\n".join(
            [f"### {name.replace('_', ' ')}", "", *_steps(listed[name]), ""],
        )


def _steps(checks: Iterable[Check]) -> Iterator[str]:
    for place, check in enumerate(checks, 1):
        yield f"{place}. {(check.__doc__ or '').strip().splitlines()[0]}"


def _reasons() -> str:
    rows = (
        (f"`{rule.code}`", f"`{rule.rule_id}`", rule.sentence, "yes" if rule.time_helps else "no")
        for rule in sorted(RULES.values(), key=lambda rule: rule.code)
    )
    table = _table(("Code", "Rule", "What staff read", "Waiting helps"), rows)
    return "\n".join(["## Reasons", "", *table, ""])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    sys.stdout.write(render())
