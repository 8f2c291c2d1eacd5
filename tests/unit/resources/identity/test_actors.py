"""Promises of the step from identity to actor: the claims' rules, the issuer's tenant, no borrowed owner."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.actors import ActorKind
from resources.identity.actors import actor_of
from resources.identity.gateway import IdentityError, VerifiedIdentity

NOW = datetime(2026, 11, 21, tzinfo=UTC)
AGENT = {"agent": True, "agentClientId": "client-1"}


def verified(claims, uid="person-1"):
    return VerifiedIdentity(uid, claims, NOW, NOW, NOW)


def code_of(claims, **options):
    with pytest.raises(IdentityError) as caught:
        actor_of(verified(claims), "monsoonfire", **options)
    return caught.value.code


def test_a_person_is_who_the_claims_say():
    actor = actor_of(verified({"staff": True, "opsCapabilities": ["approvals:manage"]}), "monsoonfire")
    assert (actor.kind, actor.actor_id, actor.studio_id) == (ActorKind.STAFF, "person-1", "monsoonfire")
    assert actor.roles == {"staff", "approver"}
    assert actor.owner_id is None


def test_an_owner_means_nothing_for_a_person():
    """Staff never become somebody else by naming them."""
    actor = actor_of(verified({"staff": True}), "monsoonfire", "member-2")
    assert (actor.actor_id, actor.owner_id, actor.principal_id) == ("person-1", None, "person-1")


def test_an_agent_acts_for_the_owner_of_its_token_and_nobody_else():
    """A wish for another owner is refused; the claims of staff do not leak into an agent."""
    actor = actor_of(verified(AGENT | {"staff": True}), "monsoonfire")
    assert (actor.kind, actor.actor_id, actor.owner_id) == (ActorKind.AGENT, "client-1", "person-1")
    assert actor.roles == {"agent"}
    assert actor_of(verified(AGENT), "monsoonfire", "person-1").owner_id == "person-1"
    assert code_of(AGENT, owner_id="member-2") == "TOKEN_OWNER"


@pytest.mark.parametrize("flag", [True, "yes", 1, {"x": 1}])
def test_an_agent_without_a_client_never_becomes_its_owner(flag):
    assert code_of({"agent": flag, "staff": True}) == "TOKEN_CLAIMS"


@pytest.mark.parametrize("client", [None, "", 7, "system:executor", " x", "x" * 129])
def test_an_agents_client_must_have_an_id(client):
    assert code_of({"agentClientId": client}) == "TOKEN_CLAIMS"


@pytest.mark.parametrize("name", ["studioId", "tenant"])
def test_an_account_of_another_studio_stays_there(name):
    """Its actor is of that studio, which the rules refuse; the deployment's own name changes nothing."""
    assert actor_of(verified({name: "other"}), "monsoonfire").studio_id == "other"
    assert actor_of(verified({name: "monsoonfire"}), "monsoonfire").studio_id == "monsoonfire"


def test_of_two_tenants_the_foreign_one_counts():
    for claims in ({"studioId": "monsoonfire", "tenant": "x"}, {"studioId": "x", "tenant": "monsoonfire"}):
        assert actor_of(verified(claims), "monsoonfire").studio_id == "x"


@pytest.mark.parametrize("tenant", [None, "", 7, ["monsoonfire"], "a\nb", "x" * 129])
@pytest.mark.parametrize("name", ["studioId", "tenant"])
def test_a_tenant_that_means_nothing_is_refused(name, tenant):
    assert code_of({name: tenant}) == "TOKEN_CLAIMS"


@given(
    st.dictionaries(
        st.sampled_from(
            ["staff", "admin", "roles", "opsRoles", "agent", "agentClientId", "studioId", "tenant"]
        ),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=9)
        | st.lists(st.text(max_size=9), max_size=3),
    )
)
def test_any_claims_give_an_actor_or_a_plain_refusal(claims):
    try:
        actor = actor_of(verified(claims), "monsoonfire")
    except IdentityError as error:
        assert error.code == "TOKEN_CLAIMS"  # noqa: PT017 - both ways are allowed
    else:
        assert actor.kind is not ActorKind.SYSTEM
        assert actor.principal_id == "person-1"
