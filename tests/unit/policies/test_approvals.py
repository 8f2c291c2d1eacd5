"""Which approvals and exemptions bind, at and around every edge."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.approvals import binding_approvals, has_quorum, live_approvals
from policies.decisions import Exemption
from policies.exemptions import covers, duration_denial, is_lawful, is_live, matching
from policies.proposals import Approval, ApprovalKind
from policies.registry import Hazard, Risk, default_registry
from tests.unit.policies.decision_cases import GOOD_PROPOSAL, HASH, NOW, TICK, capability_of

HIGH = capability_of("high")
MEDIUM = capability_of("medium")
YES = Approval(
    approval_id="apr_1",
    proposal_id="prp_1",
    version=2,
    kind=ApprovalKind.EXECUTE,
    input_hash=HASH,
    approver_id="u_one",
    role="approver",
    reason="a good reason",
    at=NOW - timedelta(hours=1),
    expires_at=NOW + timedelta(hours=1),
)
EXEMPTION = Exemption(
    exemption_id="exm_1",
    capability_id="test.thing",
    owner_id=None,
    justification="a good reason",
    granted_by="u_admin",
    granted_at=NOW,
    expires_at=NOW + timedelta(hours=1),
)

approvals = st.lists(
    st.builds(
        replace,
        st.just(YES),
        approver_id=st.sampled_from(["u_one", "u_two", "u_three", "u_requester"]),
        version=st.integers(1, 3),
        input_hash=st.sampled_from([HASH, "b" * 64]),
        role=st.sampled_from(["approver", "admin", "staff"]),
        kind=st.sampled_from(ApprovalKind),
        at=st.integers(-9, 2).map(lambda hours: NOW + timedelta(hours=hours)),
        expires_at=st.integers(-2, 2).map(lambda hours: NOW + timedelta(hours=hours)),
    ),
    max_size=8,
)


@given(approvals)
def test_live_approvals_are_what_the_definition_says(given_):
    """Quorum counts distinct people with a live yes to exactly this, whatever else lies around."""
    people = {
        one.approver_id
        for one in given_
        if (one.version, one.input_hash, one.kind) == (2, HASH, ApprovalKind.EXECUTE)
        and one.role in {"approver", "admin"}
        and one.approver_id != "u_requester"
        and one.at <= NOW < one.expires_at
    }
    live = live_approvals(HIGH, GOOD_PROPOSAL, given_, NOW)
    # Of several yeses of a person the one that lasts longest counts, which may lie in the future.
    assert {one.approver_id for one in live} <= people
    if all(one.at <= NOW for one in given_):
        assert {one.approver_id for one in live} == people
        assert has_quorum(HIGH, live) is (len(people) >= 2)


@given(approvals)
def test_an_edit_voids_every_approval(given_):
    """After a new version with a new hash nothing binds that did before."""
    edited = replace(GOOD_PROPOSAL, version=4, input_hash="c" * 64)
    assert binding_approvals(HIGH, edited, given_) == ()


def test_expiry_on_under_over():
    """An approval counts until just before its expiry."""
    lives = [
        bool(live_approvals(HIGH, GOOD_PROPOSAL, (YES,), YES.expires_at + change))
        for change in (-TICK, timedelta(0), TICK)
    ]
    assert lives == [True, False, False]
    assert live_approvals(HIGH, GOOD_PROPOSAL, (YES,), YES.at)
    assert not live_approvals(HIGH, GOOD_PROPOSAL, (YES,), YES.at - TICK)


@pytest.mark.parametrize(("people", "high", "medium"), [(0, False, False), (1, False, True), (2, True, True)])
def test_quorum_on_under_over(people, high, medium):
    """High risk needs two people, medium one; the same person twice is one."""
    given_ = [replace(YES, approver_id=f"u_{place}") for place in range(people)] + [
        replace(YES, approver_id="u_0", approval_id=f"again_{place}") for place in range(3 if people else 0)
    ]
    assert has_quorum(HIGH, live_approvals(HIGH, GOOD_PROPOSAL, given_, NOW)) is high
    assert has_quorum(MEDIUM, live_approvals(MEDIUM, GOOD_PROPOSAL, given_, NOW)) is medium


def test_own_side_never_counts():
    """Neither the requester nor the person answerable for an agent is among the approvers."""
    agents = replace(GOOD_PROPOSAL, requester_id="agent_1", requester_principal_id="u_owner")
    for own in ("agent_1", "u_owner"):
        assert live_approvals(HIGH, agents, (replace(YES, approver_id=own),), NOW) == ()


def test_exemption_life_on_under_over():
    """An exemption lives from its grant until just before its expiry, or its end."""
    begun = EXEMPTION.granted_at
    over = EXEMPTION.expires_at
    assert [is_live(EXEMPTION, at) for at in (begun - TICK, begun, over - TICK, over)] == [
        False,
        True,
        True,
        False,
    ]
    assert not is_live(replace(EXEMPTION, ended_at=NOW, ended_by_kind="revoked"), NOW)


def test_exemption_covers_capability_owner_and_not_its_maker():
    """It is for one capability and one owner (or any), and never for who granted it."""
    proposal = replace(GOOD_PROPOSAL, owner_id="m_1")
    assert covers(EXEMPTION, proposal)
    assert covers(replace(EXEMPTION, owner_id="m_1"), proposal)
    assert not covers(replace(EXEMPTION, owner_id="m_2"), proposal)
    assert not covers(replace(EXEMPTION, owner_id="m_1"), replace(proposal, owner_id=None))
    assert not covers(replace(EXEMPTION, capability_id="test.other"), proposal)
    assert not covers(replace(EXEMPTION, granted_by="u_requester"), proposal)
    agents = replace(proposal, requester_id="agent_1", requester_principal_id="u_admin")
    assert not covers(EXEMPTION, agents)


@pytest.mark.parametrize(
    ("change", "lawful"),
    [
        ({}, True),
        ({"risk": Risk.LOW}, True),
        ({"risk": Risk.HIGH}, False),
        ({"risk": Risk.CRITICAL}, False),
        *(({"hazard": hazard}, hazard is Hazard.NONE) for hazard in Hazard),
        ({"is_exemptable": False}, False),
    ],
)
def test_laws_hold_whatever_the_registry_says(change, lawful):
    """High risk and physical hazards are never exempt, also when the registry carelessly says so."""
    capability = replace(MEDIUM, **change)
    assert is_lawful(capability) is lawful
    assert (matching(capability, GOOD_PROPOSAL, (EXEMPTION,), NOW) is not None) is lawful


def test_the_longest_matching_exemption_is_named():
    """Of several that match, the one that ends last stands in."""
    longer = replace(EXEMPTION, exemption_id="exm_2", expires_at=EXEMPTION.expires_at + TICK)
    found = matching(
        MEDIUM, GOOD_PROPOSAL, (EXEMPTION, longer, replace(longer, granted_by="u_requester")), NOW
    )
    assert found is longer


@pytest.mark.parametrize(
    ("seconds", "fits"), [(0, False), (1, True), (86_400, True), (86_401, False), (-5, False)]
)
def test_length_of_an_exemption(seconds, fits):
    """From one second to the registry's longest."""
    assert (duration_denial(MEDIUM, seconds) is None) is fits


def test_only_the_ops_note_may_be_exempt():
    """Of the shipped registry one capability may be exempt; every other write always needs a person."""
    assert [name for name, one in default_registry().items() if is_lawful(one)] == [
        "firestore.ops_note.append"
    ]
