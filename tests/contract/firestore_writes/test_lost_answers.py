"""A bad day at the target: what is called certain is certain, and a look-up tells the rest."""

import threading
from concurrent import futures

import grpc
import pytest
from google.cloud.firestore_v1 import types

from policies.ports import AdapterError, Found
from resources.firestore.changes import Creation
from resources.firestore.ops_note import OpsNoteAdapter
from resources.firestore.writes import FirestoreWrites
from tests.contract.firestore_writes.conftest import (
    AT,
    BATCH,
    OWNER,
    PROPOSAL_ID,
    close_proposal,
    note_proposal,
)
from twins.firestore.faults import Fault

ACTIONS, NOTES = "studioBrainPilotActions", "studioBrainPilotOpsNotes"
KEY = PROPOSAL_ID
REASON = "Written to the wrong batch."
# In a call with one answer, a fault after more than no documents strikes when the work is done.
AFTER = {"method": "Commit", "collection": ACTIONS, "after_documents": 1}
BEFORE = {"method": "Commit", "collection": ACTIONS}


def refusal(call) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("kind", ["cut", "unavailable", "hang", "resource_exhausted", "deadline_exceeded"])
def test_a_commit_whose_answer_was_lost_is_found_again(faulty, kind, monkeypatch):
    """The error is not certain, the look-up says there is an effect, and trying again adds none."""
    twin, place = faulty
    adapter, proposal = place.ops_note(), note_proposal()
    twin.faults.add(Fault(kind, **AFTER))
    wait, patience = twin.faults.wait, []

    def wait_for(context, seconds):
        patience.append(context.time_remaining())  # what the client said it will wait
        return wait(context, seconds)

    monkeypatch.setattr(twin.faults, "wait", wait_for)
    error = refusal(lambda: adapter.execute(proposal, KEY, AT))
    assert not error.is_certain
    assert len(patience) == (kind == "hang")
    assert all(seconds < adapter.deadline_seconds / 4 for seconds in patience)
    assert twin.faults.struck == 1, "and is not sent again and again until a deadline"
    twin.faults.clear()
    assert adapter.look_up(proposal, KEY).found is Found.EFFECT
    before = place.documents(ACTIONS), place.documents(NOTES)
    assert adapter.execute(proposal, KEY, AT)["replayed"] is True
    assert (place.documents(ACTIONS), place.documents(NOTES)) == before
    assert len(before[1]) == 1


@pytest.mark.parametrize("kind", ["cut", "unavailable", "resource_exhausted", "deadline_exceeded"])
def test_a_commit_that_never_happened_is_not_certain_either(faulty, kind):
    """Nobody can tell it from a lost answer; the look-up says nothing happened, and trying again does it."""
    twin, place = faulty
    adapter, proposal = place.ops_note(), note_proposal()
    twin.faults.add(Fault(kind, **BEFORE))
    assert not refusal(lambda: adapter.execute(proposal, KEY, AT)).is_certain
    twin.faults.clear()
    assert adapter.look_up(proposal, KEY).found is Found.NOTHING
    assert adapter.execute(proposal, KEY, AT)["replayed"] is False


def test_a_commit_that_lands_late_adds_nothing(faulty):
    """A server that goes on after the client gave up, and a client that tries again: still one note."""
    twin, place = faulty
    adapter, proposal = place.ops_note(), note_proposal()
    twin.faults.add(Fault("hang", **BEFORE))
    error = refusal(lambda: adapter.execute(proposal, KEY, AT))
    assert (error.code, error.is_certain) == ("TIMEOUT", False)
    adapter.execute(proposal, KEY, AT)
    twin.faults.clear()
    assert adapter.look_up(proposal, KEY).found is Found.EFFECT
    assert len(place.documents(ACTIONS)) == len(place.documents(NOTES)) == 1


def test_a_refusal_is_certain(faulty):
    """When the cloud says no, there is no effect, and the error says so."""
    twin, place = faulty
    twin.faults.add(Fault("permission_denied", **BEFORE))
    error = refusal(lambda: place.ops_note().execute(note_proposal(), KEY, AT))
    assert (error.code, error.is_certain) == ("PERMISSION_DENIED", True)
    assert place.documents(ACTIONS) == {}


def test_a_rollback_whose_answer_was_lost_is_found_again(faulty):
    """The marks are there; rolling back again changes nothing and succeeds."""
    twin, place = faulty
    adapter, proposal = place.ops_note(), note_proposal()
    adapter.execute(proposal, KEY, AT)
    twin.faults.add(Fault("cut", **AFTER))
    assert not refusal(lambda: adapter.rollback(proposal, KEY, REASON, AT)).is_certain
    assert adapter.look_up(proposal, KEY).found is Found.ROLLED_BACK
    assert adapter.rollback(proposal, KEY, REASON, AT)["replayed"] is True


def test_a_closed_batch_whose_answer_was_lost_is_found_again(faulty):
    """Replaying needs no dry run of the new version: the action document knows."""
    twin, place = faulty
    place.cloud.document(f"batches/{BATCH}").set({"ownerUid": OWNER, "isClosed": False})
    adapter = place.batch_close()
    proposal = close_proposal(dry_run=adapter.dry_run(close_proposal()))
    twin.faults.add(Fault("cut", **AFTER))
    assert not refusal(lambda: adapter.execute(proposal, KEY, AT)).is_certain
    assert adapter.look_up(proposal, KEY).found is Found.EFFECT
    assert adapter.execute(proposal, KEY, AT)["replayed"] is True
    adapter.rollback(proposal, KEY, REASON, AT)
    assert place.fields(f"batches/{BATCH}") == {"ownerUid": OWNER, "isClosed": False}


def test_a_source_that_cannot_be_read_stops_everything_before_a_write(faulty):
    """No look, no write: certain. A look-up that cannot be made is not certain of anything."""
    twin, place = faulty
    adapter, proposal = place.ops_note(), note_proposal()
    twin.faults.add(Fault("permission_denied", method="BatchGetDocuments", count=None))
    error = refusal(lambda: adapter.execute(proposal, KEY, AT))
    assert (error.code, error.is_certain) == ("UNREADABLE", True)
    error = refusal(lambda: adapter.look_up(proposal, KEY))
    assert (error.code, error.is_certain) == ("UNREADABLE", False)
    assert twin.stats.commits["execution"] == 0


def test_somebody_who_was_first_and_cannot_be_seen_is_not_certain(faulty):
    """The cloud says the action exists, but it cannot be read whose it is: only a look-up can tell."""
    twin, place = faulty
    proposal = note_proposal()
    place.ops_note().execute(proposal, KEY, AT)
    seen = []

    class FirstSeesNothing:
        def lookup(self, *given, **options):
            seen.append(given)
            if len(seen) == 1:
                return {}
            if len(seen) == 3:  # after the action, which is not seen, and the batch
                twin.faults.add(Fault("permission_denied", method="BatchGetDocuments", count=None))
            return place.reader.lookup(*given, **options)

    error = refusal(lambda: OpsNoteAdapter(FirstSeesNothing(), place.writes).execute(proposal, KEY, AT))
    assert (error.code, error.is_certain) == ("UNREADABLE", False)


@pytest.fixture
def aborting(tmp_path):
    """Return a door to a server that aborts some commits before it takes one, and its count."""
    state = {"aborts": 0, "commits": 0}
    lock = threading.Lock()

    def commit(_request, context):
        with lock:
            state["commits"] += 1
            state["aborts"] -= 1
            if state["aborts"] >= 0:
                context.abort(grpc.StatusCode.ABORTED, "too much contention: note text of a member")
        return types.CommitResponse.pb()().SerializeToString()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(commit)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", {"Commit": handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    token = tmp_path / "token.json"
    token.touch(0o600)
    token.write_text('{"twin_token": "t"}')
    naps = []
    with FirestoreWrites(
        "p", credentials_path=token, emulator_host=f"127.0.0.1:{port}", sleep=naps.append
    ) as writes:
        yield writes, state, naps
    server.stop(0).wait()


WRITE = [Creation(ACTIONS, "a", {"proposalId": "p"})]


def test_contention_is_tried_again_and_ends(aborting):
    """An aborted commit wrote nothing: it is sent again, a limited number of times, with pauses."""
    writes, state, naps = aborting
    state["aborts"] = 3
    writes.commit(WRITE)
    assert (state["commits"], len(naps)) == (4, 3)
    state.update(aborts=100, commits=0)
    error = refusal(lambda: writes.commit(WRITE))
    assert (error.code, error.is_certain) == ("CONTENTION", True)
    assert state["commits"] == 12
    assert "member" not in str(error)


def test_nobody_there_is_not_certain(tmp_path):
    """A server that cannot be reached: no claim is made about what it holds."""
    token = tmp_path / "token.json"
    token.touch(0o600)
    token.write_text('{"twin_token": "t"}')
    with FirestoreWrites("p", credentials_path=token, emulator_host="127.0.0.1:1") as writes:
        error = refusal(lambda: writes.commit(WRITE))
    assert (error.code, error.is_certain) == ("UNAVAILABLE", False)
