"""Every decision is the one the specification gives: the whole table, against a reference of its own.

Each operation has a situation in which it is allowed and the dimensions that may spoil it. Enumerated are:
every pair of dimensions with all their values; every combination of "as it should be" and one failing value
in all dimensions at once, which fixes the order of the rules; and a large seeded sample of everything.
"""

import itertools
import random
import string
from dataclasses import replace

import pytest

from policies.decide import OF_A_CAPABILITY, OF_A_PROPOSAL, OF_THE_STUDIO, checks_of, decide
from policies.decisions import Operation, Switch
from policies.rules import CODES, RULES
from tests.unit.policies.decision_cases import DIMENSIONS, capability_of, question
from tests.unit.policies.decision_reference import TABLES, expected

GOOD = {name: values[0] for name, values in DIMENSIONS.items()} | {"requester": "staff"}
PEOPLE_DIMENSIONS = ["tenant", "actor", "reason"]
ON_PROPOSAL = ["tenant", "proposal", "capability", "profile", "actor", "requester", "state"]

# operation: (what differs from GOOD where it is allowed, dimensions that matter)
OPERATIONS = {
    "propose": (
        {"actor": "staff"},
        ["tenant", "capability", "profile", "actor", "owner", "delegation", "reason"],
    ),
    "submit": (
        {"actor": "agent", "requester": "agent", "state": "draft"},
        [*ON_PROPOSAL, "owner", "delegation", "time", "kept_rationale"],
    ),
    "edit": (
        {"actor": "agent", "requester": "agent", "state": "pending_approval"},
        [*ON_PROPOSAL, "owner", "delegation", "time", "reason"],
    ),
    "dry_run": (
        {"actor": "agent", "requester": "agent", "state": "pending_approval"},
        [*ON_PROPOSAL, "owner", "delegation", "dry_run", "approvals"],
    ),
    "approve": (
        {"state": "pending_approval"},
        [*ON_PROPOSAL, "time", "hash", "approvals", "reason", "switch"],
    ),
    "reject": ({"state": "approved"}, [*ON_PROPOSAL, "time", "hash", "reason"]),
    "reopen": ({"actor": "admin", "state": "failed"}, [*ON_PROPOSAL, "time", "reason"]),
    "override_intake": (
        {"state": "pending_approval", "intake": "blocked"},
        [*ON_PROPOSAL, "intake", "reason"],
    ),
    "execute": (
        {"actor": "executor", "requester": "agent", "state": "approved", "approvals": "two"},
        [
            *ON_PROPOSAL,
            "switch",
            "writes",
            "attempts",
            "owner",
            "delegation",
            "intake",
            "checks",
            "hash",
            "approvals",
            "exemption",
            "time",
            "snapshot",
            "quota",
        ],
    ),
    "rollback": (
        {"state": "executed"},
        [*ON_PROPOSAL, "attempts", "hash", "approvals", "reason", "switch", "writes"],
    ),
    "rollback_by_executor": (
        {"actor": "executor", "state": "executed", "approvals": "rollback"},
        [
            "tenant",
            "proposal",
            "capability",
            "profile",
            "requester",
            "state",
            "switch",
            "writes",
            "attempts",
            "hash",
            "approvals",
            "checks",
            "snapshot",
            "quota",
            "delegation",
        ],
    ),
    "halt": ({}, [*PEOPLE_DIMENSIONS, "switch", "resume", "capability"]),
    "request_resume": ({"switch": "on"}, [*PEOPLE_DIMENSIONS, "switch", "resume", "capability"]),
    "resume": ({"switch": "on", "resume": "another"}, [*PEOPLE_DIMENSIONS, "switch", "resume", "capability"]),
    # The last three are there to show that they do not matter.
    "judge": ({"actor": "staff"}, [*PEOPLE_DIMENSIONS, "switch", "writes", "capability"]),
    "grant_exemption": ({"actor": "admin"}, [*PEOPLE_DIMENSIONS, "capability", "profile"]),
    "revoke_exemption": (
        {"actor": "admin", "exemption": "anyone"},
        [*PEOPLE_DIMENSIONS, "capability", "profile", "exemption"],
    ),
    "reset_quota": ({"actor": "admin"}, [*PEOPLE_DIMENSIONS, "capability", "profile"]),
    # The last five are there to show that they do not matter.
    "read": (
        {"actor": "swarm", "profile": "read"},
        [
            "tenant",
            "capability",
            "profile",
            "actor",
            "readers",
            "switch",
            "writes",
            "delegation",
            "quota",
            "checks",
        ],
    ),
}
SAMPLES = 4000
WHERE = {"tenant", "proposal", "capability"}
_NO_PROPOSAL = {"propose", "grant_exemption", "revoke_exemption", "reset_quota", "read"}


def values_of(operation, dimension):
    values = DIMENSIONS[dimension]
    # Only operations on a proposal can meet one that is elsewhere or of another capability.
    if operation in _NO_PROPOSAL | {"halt", "request_resume", "resume", "judge"}:
        values = [value for value in values if value != "proposal_elsewhere"]
        if dimension == "capability":
            values = [value for value in values if value != "other"]
    if operation == "rollback" and dimension == "actor":
        values = [value for value in values if value != "executor"]
    return values


def pairs(operation, good, dimensions):
    for one, two in itertools.combinations(dimensions, 2):
        for first in values_of(operation, one):
            for second in values_of(operation, two):
                yield good | {one: first, two: second}


def failing_values(operation, good, dimensions):
    """Return per dimension the good value and, where there is one, the first that is denied alone."""
    found = {}
    for dimension in dimensions:
        others = (value for value in values_of(operation, dimension) if value != good[dimension])
        bad = next((v for v in others if expected(operation, good | {dimension: v}) != "ALLOWED"), None)
        found[dimension] = [good[dimension]] if bad is None else [good[dimension], bad]
    return found


def orders(operation, good, dimensions):
    # Where a thing is comes before all else; that is covered by pairs.
    found = failing_values(operation, good, [name for name in dimensions if name not in WHERE])
    for combination in itertools.product(*found.values()):
        yield good | dict(zip(found, combination, strict=True))


def samples(operation, good, dimensions):
    """Yield situations that are odd everywhere: what an operation does not ask about must not matter."""
    draw = random.Random(f"decisions of {operation}")
    # By anyone else a rollback by the executor is another operation.
    free = [name for name in DIMENSIONS if (operation, name) != ("rollback_by_executor", "actor")]
    for _ in range(SAMPLES):
        yield good | {
            name: draw.choice(values_of(operation, name))
            for name in free
            if draw.random() < (0.3 if name in dimensions else 0.2)
        }


def rows(operation):
    change, dimensions = OPERATIONS[operation]
    good = GOOD | change
    return itertools.chain(
        pairs(operation, good, dimensions),
        orders(operation, good, dimensions),
        samples(operation, good, dimensions),
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whole_table(operation):
    """Every row of the operation's table gives the code of the reference."""
    assert expected(operation, GOOD | OPERATIONS[operation][0]) == "ALLOWED"
    seen = set()
    for situation in rows(operation):
        wanted = expected(operation, situation)
        decision = decide(*question(operation, situation))
        assert decision.code == wanted, (operation, situation, decision)
        assert decision.is_allowed is (wanted == "ALLOWED"), situation
        seen.add(wanted)
    # The table of the reference is covered whole: every one of its codes was met.
    assert seen == {code for code, _ in TABLES[operation]} | {"ALLOWED"}


def test_every_decision_names_its_rule_and_speaks_plainly():
    """Rule, code and sentence belong together, and no placeholder of a sentence stays open."""
    for operation in OPERATIONS:
        for situation in pairs(operation, GOOD | OPERATIONS[operation][0], OPERATIONS[operation][1]):
            decision = decide(*question(operation, situation))
            rule = RULES[decision.rule]
            assert decision.code == rule.code
            assert "{" not in decision.sentence
            assert decision.sentence.endswith(".")
            # Waiting is offered exactly where it may help.
            assert (decision.retry_after_seconds is not None) == rule.time_helps
            assert decision.retry_after_seconds is None or decision.retry_after_seconds >= 1


def test_every_code_can_happen():
    """No rule is dead: each code is met by some situation, or is the gateway's to give."""
    given_by_the_gateway = {"EXEMPTION_TOO_LONG", "NO_RULE"}
    met = {code for table in TABLES.values() for code, _ in table} | {"ALLOWED"}
    assert met | given_by_the_gateway == set(CODES)


def test_every_operation_has_its_order():
    """Silence denies: an operation without checks of its own would be denied, and none is missing."""
    placed = [*OF_THE_STUDIO, *OF_A_CAPABILITY, *OF_A_PROPOSAL]
    assert sorted(placed) == sorted(Operation)
    for situation in ({"actor": "admin"}, {"actor": "executor"}):
        operation, actor, _, facts = question("halt", GOOD | situation)
        assert checks_of(operation, actor)
        decision = decide("something else", actor, capability_of("medium"), facts)  # type: ignore[arg-type]
        assert (decision.is_allowed, decision.code) == (False, "NO_RULE")


def test_rule_ids_are_stable_kebab_case():
    """Audit rows cite rule ids, so they are plain and never change shape."""
    assert all(set(rule_id) <= set(string.ascii_lowercase + "-") for rule_id in RULES)
    assert all(set(code) <= set(string.ascii_uppercase + "_") for code in CODES)


def test_retry_after_is_the_time_that_helps():
    """A used-up quota says when its window ends, a pause when it is over, a halt that time does not help."""
    good = GOOD | OPERATIONS["execute"][0]
    exhausted = decide(*question("execute", good | {"quota": "last_second"}))
    assert exhausted.retry_after_seconds == 1
    assert exhausted.details == {"used": 3, "limit": 3, "scope": "capability"}
    longest = decide(*question("execute", good | {"quota": "owner_exhausted"}))
    assert longest.retry_after_seconds == 86_400 - 3600
    cooling = decide(*question("execute", good | {"quota": "cooling", "profile": "guarded"}))
    assert (cooling.code, cooling.retry_after_seconds) == ("COOLDOWN", 1)
    halted = decide(*question("execute", good | {"switch": "on"}))
    assert halted.retry_after_seconds is None


def test_an_exemption_that_stands_in_is_named():
    """The yes says which exemption stood in; with enough approvals none did."""
    good = GOOD | OPERATIONS["execute"][0]
    stood_in = decide(*question("execute", good | {"approvals": "none", "exemption": "owner"}))
    assert (stood_in.rule, stood_in.exemption_id) == ("exemption-stands-in", "exm_1")
    approved = decide(*question("execute", good | {"exemption": "owner"}))
    assert (approved.rule, approved.exemption_id) == ("all-rules-passed", None)


def test_unreadable_switch_can_be_halted():
    """Halting is the safe direction: it never waits for the switch to be readable."""
    decision = decide(*question("halt", GOOD | {"switch": Switch.UNREADABLE.value}))
    assert decision.is_allowed


def test_whoever_acts_for_the_requester_is_on_the_same_side():
    """An identity that says it acts for the requester may not approve, whatever kind it has."""
    operation, actor, capability, facts = question("approve", GOOD | OPERATIONS["approve"][0])
    assert decide(operation, actor, capability, facts).is_allowed
    on_behalf = replace(actor, owner_id="u_requester")
    assert decide(operation, on_behalf, capability, facts).code == "SELF_APPROVAL"


@pytest.mark.parametrize("actor", DIMENSIONS["actor"])
@pytest.mark.parametrize("operation", ["submit", "edit"])
def test_staff_submit_what_our_own_processes_drafted_and_nobody_else_does(operation, actor):
    """A swarm makes drafts; staff ask for their approval. What it says, nobody but itself may edit."""
    good = GOOD | OPERATIONS[operation][0] | {"actor": actor, "requester": "staff"}
    asked, who, capability, facts = question(operation, good)
    drafted = replace(
        facts.proposal,
        requester_id="system:swarm_operations",
        requester_kind="system",
        requester_principal_id="system:swarm_operations",
    )
    decision = decide(asked, who, capability, replace(facts, proposal=drafted))
    is_staff = who.kind == "staff" and "staff" in who.roles
    assert decision.is_allowed is (operation == "submit" and is_staff), decision
