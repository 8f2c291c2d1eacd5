"""Any calls in any order under any faults: at most one effect, and certain means certain."""

import itertools
from dataclasses import replace
from unittest.mock import ANY

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.ports import AdapterError, Found
from tests.contract.firestore_writes.conftest import AT, OWNER, close_proposal, note_proposal
from twins.firestore.faults import Fault

ACTIONS, NOTES = "studioBrainPilotActions", "studioBrainPilotOpsNotes"
REASON = "Because it was a mistake."
OPEN = {"ownerUid": OWNER, "state": "SHELVED", "isClosed": False, "n": 1}
CALLS = st.sampled_from(["execute", "look_up", "rollback", "touch"])
FAULTS = st.sampled_from([None, None, ("cut", 0), ("cut", 1), ("permission_denied", 0), ("unavailable", 1)])
STEPS = st.lists(st.tuples(CALLS, FAULTS), min_size=1, max_size=8)
_NUMBERS = itertools.count(1)
# The place is shared by all examples of a test; each has a proposal and a batch of its own.
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def new_id():
    """Return an id that no other example has: Hypothesis runs one example many times."""
    return f"prp_{next(_NUMBERS):026d}"


def truth(place, proposal):
    """Return what is in the cloud under the proposal's key, read without our doors."""
    action = place.fields(f"{ACTIONS}/{proposal.proposal_id}__{proposal.proposal_id}")
    if action is None:
        return Found.NOTHING
    return Found.ROLLED_BACK if action["rollbackState"] == "rolled_back" else Found.EFFECT


def run(twin, adapter, proposal, call, fault):
    """Make one call under a fault; return its error, null if it succeeded."""
    if fault is not None:
        twin.faults.add(Fault(fault[0], method="Commit", collection=ACTIONS, after_documents=fault[1]))
    key = proposal.proposal_id
    try:
        if call == "execute":
            adapter.execute(proposal, key, AT)
        elif call == "rollback":
            adapter.rollback(proposal, key, REASON, AT)
        else:
            return adapter.look_up(proposal, key)
    except AdapterError as error:
        return error
    finally:
        twin.faults.clear()
    return None


def check(call, before, after, said):
    """Hold one call to the contract between the gateway and an adapter."""
    steps = {"execute": (Found.NOTHING, Found.EFFECT), "rollback": (Found.EFFECT, Found.ROLLED_BACK)}
    if call == "look_up":
        assert after == before == said.found
    elif said is None:
        assert after is steps[call][1]
    elif said.is_certain:
        assert after is before
    else:
        assert (before, after) == steps[call] or before is after


@MANY
@given(steps=STEPS)
def test_notes(faulty, steps):
    """Whatever happens, there is at most one note, whole, and marked only if its action is."""
    twin, place = faulty
    proposal_id = new_id()
    proposal = note_proposal(proposal_id=proposal_id)
    for call, fault in steps:
        if call == "touch":
            continue
        before = truth(place, proposal)
        said = run(twin, place.ops_note(), proposal, call, fault)
        after = truth(place, proposal)
        check(call, before, after, said)
        notes = [each for each in place.documents(NOTES).values() if each["proposalId"] == proposal_id]
        assert len(notes) == (after is not Found.NOTHING)
        assert all((each["rolledBackAt"] is not None) == (after is Found.ROLLED_BACK) for each in notes)


@MANY
@given(steps=STEPS)
def test_batches(faulty, steps):
    """Whatever happens, the batch is as it was or closed by us, and nobody else's change is lost."""
    twin, place = faulty
    proposal_id = new_id()
    batch = place.cloud.document(f"batches/b-{proposal_id}")
    batch.set(OPEN)
    adapter, number = place.batch_close(), 1
    proposal = close_proposal(proposal_id=proposal_id, batch_id=batch.id)
    proposal = replace(proposal, dry_run=adapter.dry_run(proposal))
    for call, fault in steps:
        if call == "touch":
            number += 1
            batch.update({"n": number})
            continue
        before = truth(place, proposal)
        said = run(twin, adapter, proposal, call, fault)
        after = truth(place, proposal)
        check(call, before, after, said)
        closed = {"state": "CLOSED_PICKED_UP", "isClosed": True, "closedAt": ANY, "updatedAt": ANY}
        assert batch.get().to_dict() == {**OPEN, **(closed if after is Found.EFFECT else {}), "n": number}
