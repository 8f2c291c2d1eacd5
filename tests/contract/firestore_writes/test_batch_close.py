"""Closing a batch: the version that was seen or none, and back to exactly what it was."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from google.cloud import firestore

from policies.ports import AdapterError, Found
from tests.contract.firestore_writes.conftest import AT, BATCH, OWNER, PROPOSAL_ID, close_proposal

KEY = PROPOSAL_ID
ACTION = f"studioBrainPilotActions/{PROPOSAL_ID}__{PROPOSAL_ID}"
REASON = "The member says it was not theirs."
THEN = datetime(2026, 11, 1, 8, 30, 15, 123456, tzinfo=UTC)
OTHER_FIELDS = {
    "ownerUid": OWNER,
    "title": "Bowls",
    "estimatedCostCents": 4500,
    "nested": {"state": "kept", "list": [1, 2.5, None]},
}
SHAPES = {
    "usual": {"state": "READY_FOR_PICKUP", "isClosed": False, "createdAt": THEN, "updatedAt": THEN},
    "sparse": {},
    "legacy": {
        "status": "In progress",
        "isClosed": None,
        "closedAt": None,
        "updatedAt": "2026-11-01T08:30:15Z",
    },
    "odd": {
        "state": {"a": [b"\x00\xff", 1.5]},
        "status": 7,
        "isClosed": 0,
        "closedAt": THEN,
        "updatedAt": 1.25,
    },
    "points": {"state": firestore.GeoPoint(1.5, -2.5), "status": [], "updatedAt": {}, "isClosed": "false"},
}


@pytest.fixture
def batch(place):
    """Return a batch as the cloud's own client sees it."""
    document = place.cloud.document(f"batches/{BATCH}")
    document.set({**OTHER_FIELDS, **SHAPES["usual"]})
    return document


def seen(adapter, proposal):
    """Return the proposal with its dry run."""
    return replace(proposal, dry_run=adapter.dry_run(proposal))


def refusal(call) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("reason", "closed"),
    [("picked_up", {"state": "CLOSED_PICKED_UP"}), ("other", {"status": "CLOSED_OTHER"})],
)
def test_a_batch_is_closed_as_the_portal_does_it(place, batch, reason, closed):
    """Four fields change, in one commit with the action; every other field stays as it was."""
    adapter = place.batch_close()
    before = batch.get().to_dict()
    proposal = seen(adapter, close_proposal(reason))
    assert batch.get().to_dict() == before
    assert place.fields(ACTION) is None
    pointer = adapter.execute(proposal, KEY, AT)
    after, action = batch.get().to_dict(), place.fields(ACTION)
    written_at = after["closedAt"]
    assert after == {**before, **closed, "isClosed": True, "closedAt": written_at, "updatedAt": written_at}
    assert pointer["docId"] == BATCH
    assert pointer["replayed"] is False
    assert action["createdAt"] == written_at
    assert action["closeReason"] == reason
    assert action["previous"] == {name: before[name] for name in action["written"] if name in before}
    assert (action["resourceCollection"], action["resourceId"], action["rollbackState"]) == (
        "batches", BATCH, "active",
    )  # fmt: skip


def test_the_dry_run_says_what_is_there_and_what_will_be(place, batch):
    """Before, after and the version seen are plain data that a database can keep."""
    shown = place.batch_close().dry_run(close_proposal())
    assert shown["before"] == {
        "state": "READY_FOR_PICKUP", "isClosed": False, "updatedAt": "2026-11-01T08:30:15.123456Z",
    }  # fmt: skip
    assert shown["writes"][1]["fields"]["state"] == "CLOSED_PICKED_UP"
    assert datetime.fromisoformat(shown["token"]) == batch.get().update_time


def test_a_batch_changed_since_the_dry_run_is_left_alone(place, batch):
    """Any write to the batch in between, even one that sets what was there, is a refusal without effect."""
    adapter = place.batch_close()
    proposal = seen(adapter, close_proposal())
    batch.update({"title": "Plates"})
    before = batch.get()
    error = refusal(lambda: adapter.execute(proposal, KEY, AT))
    assert (error.code, error.is_certain) == ("PRECONDITION_FAILED", True)
    assert batch.get().update_time == before.update_time
    assert place.fields(ACTION) is None


def test_a_change_between_the_last_look_and_the_commit_is_refused_by_the_cloud(place, batch):
    """The precondition travels with the commit: there is no gap between looking and writing."""
    adapter = place.batch_close()
    proposal = seen(adapter, close_proposal())
    commit = place.writes.commit

    def commit_late(writes, **options):
        batch.update({"title": "Plates"})
        return commit(writes, **options)

    place.writes.commit = commit_late
    error = refusal(lambda: adapter.execute(proposal, KEY, AT))
    assert (error.code, error.is_certain) == ("PRECONDITION_FAILED", True)
    assert batch.get().to_dict()["state"] == "READY_FOR_PICKUP"
    assert place.fields(ACTION) is None


def test_ten_at_once_close_once(place, batch):
    """Concurrent executes of one key: one closes, all know it, nobody fails."""
    adapter = place.batch_close()
    proposal = seen(adapter, close_proposal())
    with ThreadPoolExecutor(10) as pool:
        pointers = list(pool.map(lambda _: adapter.execute(proposal, KEY, AT), range(10)))
    assert sorted(pointer["replayed"] for pointer in pointers) == [False] + [True] * 9
    assert adapter.look_up(proposal, KEY).found is Found.EFFECT


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reason", ["picked_up", "other"])
def test_the_rollback_restores_exactly_what_was_there(place, shape, reason):
    """Every value and type comes back, and a field that was absent is absent again; twice changes nothing."""
    batch = place.cloud.document(f"batches/{BATCH}")
    batch.set({**OTHER_FIELDS, **SHAPES[shape]})
    before = batch.get().to_dict()
    adapter = place.batch_close()
    proposal = seen(adapter, close_proposal(reason))
    pointer = adapter.execute(proposal, KEY, AT)
    assert batch.get().to_dict() != before
    assert adapter.rollback(proposal, KEY, REASON, AT) == pointer
    restored = batch.get()
    assert restored.to_dict() == before
    assert {name: type(value) for name, value in restored.to_dict().items()} == {
        name: type(value) for name, value in before.items()
    }
    assert adapter.look_up(proposal, KEY).found is Found.ROLLED_BACK
    assert adapter.rollback(proposal, KEY, REASON, AT) == {**pointer, "replayed": True}
    assert batch.get().update_time == restored.update_time
    assert place.fields(ACTION)["rollbackReason"] == REASON
    assert refusal(lambda: adapter.execute(proposal, KEY, AT)).code == "ROLLED_BACK"


def test_ten_rollbacks_at_once_put_it_back_once(place, batch):
    """Concurrent rollbacks: one puts the batch back, all succeed, the reason is one of theirs."""
    adapter, before = place.batch_close(), batch.get().to_dict()
    proposal = seen(adapter, close_proposal())
    adapter.execute(proposal, KEY, AT)
    with ThreadPoolExecutor(10) as pool:
        pointers = list(
            pool.map(lambda number: adapter.rollback(proposal, KEY, f"{REASON} {number}", AT), range(10))
        )
    assert sorted(pointer["replayed"] for pointer in pointers) == [False] + [True] * 9
    assert batch.get().to_dict() == before
    assert place.fields(ACTION)["rollbackState"] == "rolled_back"


def test_a_batch_changed_since_it_was_closed_is_not_put_back(place, batch):
    """Somebody's later work is not undone: refused for certain, and the action still counts as active."""
    adapter = place.batch_close()
    proposal = seen(adapter, close_proposal())
    adapter.execute(proposal, KEY, AT)
    batch.update({"title": "Plates"})
    before = batch.get()
    error = refusal(lambda: adapter.rollback(proposal, KEY, REASON, AT))
    assert (error.code, error.is_certain) == ("PRECONDITION_FAILED", True)
    assert batch.get().update_time == before.update_time
    assert place.fields(ACTION)["rollbackState"] == "active"


def test_phantoms_and_other_peoples_batches_are_refused(place):
    """No batch is brought into being, and nobody closes another member's batch under a wrong name."""
    adapter, batch = place.batch_close(), place.cloud.document(f"batches/{BATCH}")
    token = {"token": "2026-11-21T15:00:00Z"}

    def codes():
        dry = refusal(lambda: adapter.dry_run(close_proposal()))
        done = refusal(lambda: adapter.execute(close_proposal(dry_run=token), KEY, AT))
        assert dry.is_certain
        assert done.is_certain
        return dry.code, done.code

    batch.delete()
    assert codes() == ("NOT_FOUND", "NOT_FOUND")
    assert not batch.get().exists
    batch.set({"state": "SHELVED", "updatedAt": THEN})  # as a bad id leaves them
    assert codes() == ("NOT_FOUND", "NOT_FOUND")
    batch.set({"ownerUid": "somebody else"})
    assert codes() == ("OWNER_MISMATCH", "OWNER_MISMATCH")
    batch.set({"ownerUid": OWNER, "isClosed": True})
    assert refusal(lambda: adapter.dry_run(close_proposal())).code == "ALREADY_CLOSED"
    assert place.fields(ACTION) is None


@pytest.mark.parametrize(
    "dry_run", [None, {}, {"token": None}, {"token": "now"}, {"token": "2026-11-21T15:00:00"}]
)
def test_without_a_dry_run_nothing_is_closed(place, batch, dry_run):
    """A batch is never closed blindly."""
    error = refusal(lambda: place.batch_close().execute(close_proposal(dry_run=dry_run), KEY, AT))
    assert (error.code, error.is_certain) == ("INVALID", True)
    assert batch.get().to_dict()["isClosed"] is False


def test_an_action_that_is_not_ours_leaves_the_batch_open(place, batch):
    """The two documents are written together or not at all."""
    adapter = place.batch_close()
    proposal = seen(adapter, close_proposal())
    before = batch.get().update_time
    place.cloud.document(ACTION).set({"proposalId": "other"})
    assert refusal(lambda: adapter.execute(proposal, KEY, AT)).code == "KEY_CONFLICT"
    assert batch.get().update_time == before


def test_a_batch_closed_for_another_reason_is_not_taken_for_ours(place, batch):
    """A commit of an edited proposal that landed late is not reported as the new version's effect."""
    adapter = place.batch_close()
    adapter.execute(seen(adapter, close_proposal("other")), KEY, AT)
    error = refusal(lambda: adapter.look_up(close_proposal("picked_up", version=2), KEY))
    assert (error.code, error.is_certain) == ("KEY_CONFLICT", False)
