"""The registry: what is shipped holds every law, and what is malformed is refused by name."""

import re
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from policies.describe import duration, render
from policies.lint import lint, lint_text
from policies.registry import (
    REGISTRY_FILE,
    Hazard,
    QuotaRule,
    RegistryError,
    Risk,
    default_registry,
    document_of,
    load_registry,
    registry_version,
)

TEXT = REGISTRY_FILE.read_text(encoding="utf-8")
CHECKOUT = REGISTRY_FILE.parent.parent
FIRST = default_registry()["firestore.ops_note.append"]

# id, target, read only, risk, approvals, calls an hour: the cloud contract's own table
CONTRACT = [
    ("firestore.ops_note.append", "firestore", False, "medium", 1, 8),
    ("firestore.batch.close", "firestore", False, "high", 2, 5),
    ("finance.reconciliation.adjust", "firestore", False, "medium", 1, 5),
    ("support.billing.adjustment", "firestore", False, "high", 2, 12),
    ("support.reservation.override", "firestore", False, "high", 2, 12),
    ("support.queue.override", "firestore", False, "high", 2, 12),
    ("support.access.exception", "firestore", False, "critical", 2, 8),
    ("hubitat.devices.read", "hubitat", True, "low", 0, 120),
    ("roborock.devices.read", "roborock", True, "low", 0, 120),
    ("roborock.clean.start_full", "roborock", False, "medium", 1, 12),
    ("roborock.clean.start_rooms", "roborock", False, "medium", 1, 20),
]
# ours, for people to carry out: docs/marketing.md and docs/trust-safety.md say why there are these
OURS = [
    ("website.announcement.publish", "website", False, "medium", 1, 5),
    ("moderation.report.review", "firestore", False, "medium", 1, 12),
]


def test_every_capability_of_the_contract_and_two_of_ours():
    """Ids, targets, risk, approvals and hourly calls are the contract's; ours are carried out by people."""
    registry = default_registry()
    assert [
        (
            one.capability_id,
            one.target,
            one.is_read_only,
            one.risk.value,
            one.approvals_required,
            next(
                rule.limit for rule in one.quotas if (rule.scope, rule.window_seconds) == ("capability", 3600)
            ),
        )
        for one in registry.values()
    ] == [*CONTRACT, *OURS]
    assert {name for name, one in registry.items() if one.adapter} == {
        "firestore.ops_note.append",
        "firestore.batch.close",
    }
    assert registry is default_registry()


def test_shipped_registry_holds_every_law():
    """No violation, and every covering test exists."""
    assert lint(default_registry(), lambda test: (CHECKOUT / test).is_file()) == []
    assert lint_text(TEXT) == []


def test_nobody_changes_the_registry():
    """What was loaded cannot be changed by who holds it."""
    with pytest.raises(TypeError):
        default_registry()["x.y"] = FIRST  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        FIRST.approvals_required = 0  # type: ignore[misc]


def test_version_names_the_content():
    """The version does not depend on order or spelling, and every change of a value changes it."""
    registry = default_registry()
    version = registry_version(registry)
    assert version == registry_version(dict(reversed(registry.items())))
    assert version == registry_version(load_registry(re.sub(r" +#.*", "", TEXT)))
    for change in ({"approvals_required": 2}, {"quotas": ()}, {"approver_roles": frozenset({"admin"})}):
        assert registry_version(registry | {FIRST.capability_id: replace(FIRST, **change)}) != version


def test_document_is_plain_data():
    """The mirrored document has text, numbers, lists and nothing else."""
    document = document_of(FIRST)
    assert document["risk"] == "medium"
    assert type(document["risk"]) is str
    assert document["approver_roles"] == ["admin", "approver"]
    assert document["quotas"][0] == {
        "scope": "capability",
        "limit": 8,
        "window_seconds": 3600,
        "cooldown_seconds": 0,
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("is_read_only: false", "is_read_only: 0", "is_read_only is not true or false"),
        ("approvals_required: 1", "approvals_required: true", "approvals_required is not a whole number"),
        ("approvals_required: 1", "approvals_required: -1", "approvals_required is negative"),
        ("approvals_required: 1", 'approvals_required: "1"', "approvals_required is not a whole number"),
        ("7 days", "7 weeks", "duration such as"),
        ("7 days", "7", "duration such as"),
        ("risk: medium", "risk: dreadful", "Risk"),
        ("hazard: none", "hazard: fire", "Hazard"),
        ("    owner: Studio Ops\n", "", "owner is missing"),
        ("    owner: Studio Ops\n", "    owner: Studio Ops\n    extra: 1\n", "extra is unknown"),
        ("    owner: Studio Ops\n", "    owner: A\n    owner: B\n", "owner is given twice"),
        ("target: firestore", "target: nowhere", "target is not one of"),
        ("limit: 8", "limit: 0", "at least 1"),
        ("scope: capability", "scope: galaxy", "galaxy is unknown"),
        ("adapter: ops_note", "adapter: 3", "adapter is not text or null"),
        ("[approver, admin]", "approver", "approver_roles is a list of text"),
        ("[approver, admin]", "[1]", "approver_roles is a list of text"),
        ("kind: choice", "kind: float", "float is unknown"),
        ("[A-Za-z0-9][A-Za-z0-9_-]*", "[A-Z", "is no pattern"),
        ("firestore.batch.close", "firestore.ops_note.append", "twice"),
        ("firestore.ops_note.append", "Ops Note!", "no proper capability_id"),
        ("capabilities:", "abilities:", "one list named capabilities"),
        ("capabilities:", "capabilities: [", "not YAML"),
        ("capabilities:", "capabilities: !!python/object:os.system", "not YAML"),
    ],
)
def test_what_is_malformed_is_refused(old, new, said):
    """One wrong key is enough; the error names it."""
    with pytest.raises(RegistryError, match=re.escape(said)):
        load_registry(TEXT.replace(old, new, 1))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"owner": " "}, "MISSING_OWNER"),
        ({"rollback": ""}, "MISSING_ROLLBACK_PLAN"),
        ({"escalation": ""}, "MISSING_ESCALATION_PATH"),
        ({"description": ""}, "MISSING_METADATA"),
        ({"failure_mode": ""}, "MISSING_METADATA"),
        ({"tests": ()}, "MISSING_METADATA"),
        ({"approver_roles": frozenset()}, "MISSING_METADATA"),
        ({"requester_kinds": frozenset()}, "MISSING_METADATA"),
        ({"proposal_ttl_seconds": 0}, "MISSING_METADATA"),
        ({"approvals_required": 0, "is_four_eyes": False}, "WRITE_CAPABILITY_EXEMPT"),
        ({"risk": Risk.HIGH, "approvals_required": 2, "approval_ttl_seconds": 60}, "WRITE_CAPABILITY_EXEMPT"),
        ({"hazard": Hazard.DOOR}, "WRITE_CAPABILITY_EXEMPT"),
        ({"is_four_eyes": False}, "APPROVAL_MODE_MISMATCH"),
        ({"is_read_only": True}, "APPROVAL_MODE_MISMATCH"),
        ({"is_staff_required": False}, "APPROVAL_MODE_MISMATCH"),
        ({"longest_exemption_seconds": 0}, "APPROVAL_MODE_MISMATCH"),
        (
            {
                "risk": Risk.HIGH,
                "is_exemptable": False,
                "longest_exemption_seconds": 0,
                "approval_ttl_seconds": 60,
            },
            "QUORUM_TOO_SMALL",
        ),
        ({"approver_roles": frozenset({"approver", "janitor"})}, "ROLE_UNKNOWN"),
        ({"requester_kinds": frozenset({"robot"})}, "REQUESTER_KIND_UNKNOWN"),
        ({"approval_ttl_seconds": 86_401}, "APPROVAL_TOO_LONG"),
        ({"approval_ttl_seconds": 0}, "APPROVAL_TOO_LONG"),
        ({"least_rationale": 9}, "RATIONALE_TOO_SHORT"),
        ({"snapshot_max_age_seconds": 93_601}, "SNAPSHOT_TOO_OLD"),
        ({"quotas": ()}, "QUOTA_MISSING"),
        ({"quotas": (QuotaRule("actor", 1, 60),)}, "QUOTA_MISSING"),
        ({"quotas": (QuotaRule("capability", 1, 60), QuotaRule("capability", 5, 600))}, "QUOTA_MISSING"),
        ({"inputs": (*FIRST.inputs, FIRST.inputs[0])}, "INPUT_INVALID"),
        ({"inputs": (replace(FIRST.inputs[2], least=501),)}, "INPUT_INVALID"),
        ({"inputs": (replace(FIRST.inputs[0], choices=()),)}, "INPUT_INVALID"),
    ],
)
def test_every_law(change, rule):
    """Each law, broken alone, is found alone."""
    found = lint({FIRST.capability_id: replace(FIRST, **change)})
    assert [(one.subject, one.rule) for one in found] == [(FIRST.capability_id, rule)]


def test_laws_on_the_spot():
    """On its limit everything is still lawful."""
    limits = {"approval_ttl_seconds": 86_400, "least_rationale": 10, "snapshot_max_age_seconds": 93_600}
    assert lint({FIRST.capability_id: replace(FIRST, **limits)}) == []


def test_missing_tests_and_wrong_ids_are_found():
    """A covering test that is gone, and a capability under another name, are violations."""
    found = lint({"x.y": FIRST}, lambda test: False)
    assert {one.rule for one in found} == {"MISSING_METADATA", "TEST_MISSING"}


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("owner", "MISSING_OWNER"),
        ("rollback", "MISSING_ROLLBACK_PLAN"),
        ("escalation", "MISSING_ESCALATION_PATH"),
        ("risk", "RISK_MISSING"),
    ],
)
def test_lint_tells_what_is_missing_in_the_text(key, rule):
    """Also a registry that cannot be loaded gets its own codes."""
    without = re.sub(rf"^    {key}: .*\n", "", TEXT, count=1, flags=re.MULTILINE)
    assert [(one.subject, one.rule) for one in lint_text(without)] == [("firestore.ops_note.append", rule)]


def test_lint_of_nonsense():
    """Text that is no registry is one violation, not an error."""
    assert [one.rule for one in lint_text("nonsense")] == ["MISSING_METADATA"]
    assert [one.rule for one in lint_text(TEXT.replace("7 days", "soon"))] == ["MISSING_METADATA"]


def test_page_is_current():
    """docs/capabilities.md is what the code says; write it again with python -m policies.describe."""
    assert Path(CHECKOUT, "docs", "capabilities.md").read_text(encoding="utf-8") == render()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "any"),
        (0, "0 seconds"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (300, "5 minutes"),
        (3600, "1 hour"),
        (86_400, "24 hours"),
        (93_600, "26 hours"),
        (604_800, "7 days"),
    ],
)
def test_durations_in_words(seconds, text):
    """Durations are read in their largest whole unit."""
    assert duration(seconds) == text
