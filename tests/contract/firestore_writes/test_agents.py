"""What the cloud says about agents: every delegation that names the client, and never a secret."""

from datetime import UTC, datetime, timedelta

import pytest

from policies.delegation import AgentClient, Delegation
from resources.firestore.agents import DelegationsUnreadableError, LiveDelegations
from twins.firestore.faults import Fault
from twins.world.demo_agents import AgentRequest, DemoAgents

CLIENT = "agentClient00001"
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
SCOPE = "capability:firestore.ops_note.append:execute"
CLIENT_FIELDS = {
    "ownerUid": "owner-1",
    "status": "active",
    "scopes": [SCOPE, "status:read"],
    "keyHash": "canary-hash",
    "notes": "canary-notes",
    "name": "canary-name",
}
DELEGATION_FIELDS = {
    "ownerUid": "owner-1",
    "agentClientId": CLIENT,
    "scopes": [SCOPE],
    "resources": ["owner:owner-1"],
    "status": "active",
    "note": "canary-note",
    "createdAt": NOW,
    "expiresAt": NOW + timedelta(minutes=5),
    "revokedAt": None,
}


def delegate(place, document_id, **fields):
    place.cloud.document(f"delegations/{document_id}").set({**DELEGATION_FIELDS, **fields})


def test_client_and_delegations_come_as_stored(place):
    """Newest first, whoever owns them, and none of another client's."""
    place.cloud.document(f"agentClients/{CLIENT}").set({**CLIENT_FIELDS, "cooldownUntil": NOW})
    delegate(place, "old", createdAt=NOW - timedelta(days=1), status="revoked", revokedAt=NOW)
    delegate(place, "new")
    delegate(place, "middle", createdAt=NOW - timedelta(minutes=1), ownerUid="owner-2")
    delegate(place, "other", agentClientId="somebody else")
    began = datetime.now(UTC)
    facts = LiveDelegations(place.reader).look_up(CLIENT)
    assert facts.client == AgentClient(CLIENT, "owner-1", "active", frozenset({SCOPE, "status:read"}), NOW)
    assert [each.delegation_id for each in facts.delegations] == ["new", "middle", "old"]
    assert facts.delegations[0] == Delegation(
        "new", "owner-1", CLIENT, "active", frozenset({SCOPE}), frozenset({"owner:owner-1"}),
        NOW + timedelta(minutes=5), None,
    )  # fmt: skip
    assert facts.delegations[2].revoked_at == NOW
    assert abs(facts.read_at - began) < timedelta(minutes=1)
    assert "canary" not in repr(facts)


def test_secrets_and_notes_are_never_asked_for(place, monkeypatch):
    """The fields requested are the ones decisions rest on."""
    asked = set()
    lookup, scan = place.reader.lookup, place.reader.scan
    monkeypatch.setattr(
        place.reader, "lookup", lambda *given, **more: asked.update(given[2]) or lookup(*given, **more)
    )
    monkeypatch.setattr(
        place.reader, "scan", lambda query, **more: asked.update(query.field_paths) or scan(query, **more)
    )
    LiveDelegations(place.reader).look_up(CLIENT)
    assert asked == {
        "ownerUid", "status", "scopes", "cooldownUntil", "agentClientId", "resources", "createdAt",
        "expiresAt", "revokedAt",
    }  # fmt: skip


@pytest.mark.parametrize("client_id", ["unknown", "", "a/b", ".", "..", "__reserved__", "x" * 2000, "\x00"])
def test_an_unknown_or_impossible_client_is_nobody(place, client_id):
    """An id that cannot be one is not an error: there is no such agent."""
    facts = LiveDelegations(place.reader).look_up(client_id)
    assert (facts.client, facts.delegations) == (None, ())


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (NOW, NOW),
        ("2026-11-21T15:00:00Z", NOW),
        ("2026-11-21T08:00:00-07:00", NOW),
        ("2026-11-21T15:00:00", NOW),
        (int(NOW.timestamp() * 1000), NOW),
        (None, None),
        ("soon", datetime(1970, 1, 1, tzinfo=UTC)),
        (10**30 * 1.0, datetime(1970, 1, 1, tzinfo=UTC)),
        (True, datetime(1970, 1, 1, tzinfo=UTC)),
        ({"seconds": 1}, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_dates_are_read_in_any_form_and_never_to_the_agents_gain(place, value, read):
    """A date that cannot be read makes a delegation expired and revoked, not endless."""
    delegate(place, "d", expiresAt=value, revokedAt=value)
    (delegation,) = LiveDelegations(place.reader).look_up(CLIENT).delegations
    assert (delegation.expires_at, delegation.revoked_at) == (read, read)


def test_odd_values_come_out_as_less(place):
    """A status, scopes or resources of another type give nothing to anybody."""
    place.cloud.document(f"agentClients/{CLIENT}").set(
        {"ownerUid": 7, "status": " Active ", "scopes": "all", "cooldownUntil": "never"}
    )
    delegate(place, "d", status=None, scopes={"a": 1}, resources={"owner": "x"}, ownerUid=None)
    facts = LiveDelegations(place.reader).look_up(CLIENT)
    assert facts.client == AgentClient(CLIENT, "", "active", frozenset(), datetime.max.replace(tzinfo=UTC))
    (delegation,) = facts.delegations
    assert (delegation.owner_id, delegation.status, delegation.scopes) == ("", "", frozenset())
    assert delegation.resources == {"unreadable"}  # not empty, which would mean everything


@pytest.mark.parametrize("method", ["BatchGetDocuments", "RunQuery", "RunAggregationQuery"])
def test_a_cloud_that_cannot_be_asked_is_no_answer(faulty, method):
    """Whichever read fails, there are no facts: nobody may act on half of them."""
    twin, place = faulty
    place.cloud.document(f"agentClients/{CLIENT}").set(CLIENT_FIELDS)
    twin.faults.add(Fault("permission_denied", method=method))
    with pytest.raises(DelegationsUnreadableError) as caught:
        LiveDelegations(place.reader).look_up(CLIENT)
    assert isinstance(caught.value, LookupError)


def test_agents_on_request_are_found(place):
    """What a demonstration asks for is what the rules will see, until it is revoked."""
    agents = DemoAgents(place.cloud)
    made = agents.make(AgentRequest("owner-1", (SCOPE,), seconds=60))
    facts = LiveDelegations(place.reader).look_up(made["agentClientId"])
    assert facts.client.status == "active"
    (delegation,) = facts.delegations
    assert delegation.delegation_id == made["delegationId"]
    assert delegation.scopes == facts.client.scopes == {SCOPE}
    assert delegation.resources == {"owner:owner-1"}
    assert delegation.expires_at.isoformat() == made["expiresAt"]
    agents.revoke(made["delegationId"])
    (delegation,) = LiveDelegations(place.reader).look_up(made["agentClientId"]).delegations
    assert delegation.status == "revoked"
    assert delegation.revoked_at is not None
