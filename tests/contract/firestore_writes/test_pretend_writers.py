"""What ``twins up`` hands out: the right to write in a file of its owner's, and agents on request."""

import json
import os
import stat
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from policies.ports import AdapterError, Found
from resources.firestore.agents import LiveDelegations
from resources.firestore.gateway import FoundDocument
from resources.firestore.live import LiveDocumentSource
from resources.firestore.ops_note import OpsNoteAdapter
from resources.firestore.writes import FirestoreWrites
from tests.contract.firestore_writes.conftest import AT, OWNER, PROPOSAL_ID, note_proposal
from twins.process import PROJECT, TwinsProcess, TwinsWish
from twins.writers import CredentialsFile, WriterTokens

SCOPE = "capability:firestore.ops_note.append:execute"


@pytest.fixture
def twins(monkeypatch):
    """Return running twins without a world."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "set back afterwards")
    with TwinsProcess(TwinsWish(is_empty=True), lambda *_, **__: None) as twins:
        yield twins


@pytest.fixture
def reader(twins):
    """Return the reading door to them."""
    with LiveDocumentSource(PROJECT, emulator_host=twins.firestore.host, deadline_seconds=10) as reader:
        yield reader


class WithBatch:
    """A reader that also finds the batch a note is about; the pretend cloud without a world has none."""

    def __init__(self, reader: LiveDocumentSource) -> None:
        self._reader = reader

    def lookup(self, collection, document_ids, fields, **options):
        if collection == "batches":
            return {one: FoundDocument(one, {"ownerUid": OWNER}, AT) for one in document_ids}
        return self._reader.lookup(collection, document_ids, fields, **options)


def ask(twins, path, body):
    request = urllib.request.Request(f"{twins.control.url}{path}", json.dumps(body).encode(), method="POST")  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def test_the_token_is_in_a_file_of_its_own_while_the_twins_run(twins):
    """Only its owner may read it; no environment holds its value; it goes with the twins."""
    path = Path(twins.environment["STUDIO_WRITE_CREDENTIALS"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = json.loads(path.read_text())["twin_token"]
    assert len(token) >= 40
    assert token not in "".join(os.environ.values())
    assert token not in "".join(twins.environment.values())
    assert token not in json.dumps(twins.control.status())
    twins.stop()
    assert not path.exists()


def test_it_lets_the_execution_run_write_and_is_counted(twins, reader):
    """With the file, and with nothing else that was handed out, a proposal is carried out."""
    path = Path(twins.environment["STUDIO_WRITE_CREDENTIALS"])
    host = twins.environment["FIRESTORE_EMULATOR_HOST"]
    with FirestoreWrites(PROJECT, credentials_path=path, emulator_host=host) as writes:
        adapter = OpsNoteAdapter(WithBatch(reader), writes)
        adapter.execute(note_proposal(), PROPOSAL_ID, AT)
        assert adapter.look_up(note_proposal(), PROPOSAL_ID).found is Found.EFFECT
    status = twins.control.status()["firestore"]
    assert status["commits"] == {"execution": 1}
    assert status["refusedWrites"] == 0


def test_the_answer_to_a_commit_is_lost_on_request(twins, reader):
    """Another process can have a commit applied and its answer lost, without striking the world's commits."""
    fault = {
        "target": "firestore",
        "kind": "cut",
        "method": "Commit",
        "collection": "studioBrainPilotActions",
        "after_documents": 1,
        "count": 1,
    }
    assert ask(twins, "/faults", fault) == (200, {"ok": True})
    path, host = Path(twins.environment["STUDIO_WRITE_CREDENTIALS"]), twins.firestore.host
    assert ask(twins, "/agents", {"ownerUid": "u1", "scopes": []})[0] == 200
    with FirestoreWrites(PROJECT, credentials_path=path, emulator_host=host) as writes:
        adapter = OpsNoteAdapter(WithBatch(reader), writes)
        with pytest.raises(AdapterError) as caught:
            adapter.execute(note_proposal(), PROPOSAL_ID, AT)
        assert not caught.value.is_certain
        assert adapter.look_up(note_proposal(), PROPOSAL_ID).found is Found.EFFECT
    assert twins.control.status()["firestore"]["commits"] == {"world": 1, "execution": 1}


def test_agents_are_made_on_request(twins, reader):
    """The control server writes client and delegation as the world, and answers with their ids."""
    code, made = ask(twins, "/agents", {"ownerUid": "u1", "scopes": [SCOPE], "seconds": 60})
    assert code == 200
    facts = LiveDelegations(reader).look_up(made["agentClientId"])
    assert facts.client.owner_id == "u1"
    assert [each.delegation_id for each in facts.delegations] == [made["delegationId"]]
    assert twins.control.status()["firestore"]["commits"] == {"world": 1}
    assert ask(twins, "/agents/revoke", {"delegationId": made["delegationId"]}) == (200, {"ok": True})
    (delegation,) = LiveDelegations(reader).look_up(made["agentClientId"]).delegations
    assert delegation.status == "revoked"
    for unknown in ("nobody", "a/b/c", ""):
        assert ask(twins, "/agents/revoke", {"delegationId": unknown})[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ownerUid": ""},
        {"ownerUid": "a/b"},
        {"ownerUid": "u", "scopes": "all"},
        {"ownerUid": "u", "seconds": 0},
        {"ownerUid": "u", "seconds": True},
        {"ownerUid": "u", "seconds": 10**6},
        {"ownerUid": "u", "clientStatus": "god"},
        {"ownerUid": "u", "isAdmin": True},
    ],
)
def test_agents_that_cannot_be_made_get_a_sentence(twins, body):
    """A mistake is 400 with words, and writes nothing."""
    code, answer = ask(twins, "/agents", body)
    assert code == 400
    assert answer["error"]
    assert twins.control.status()["firestore"]["commits"] == {}


def test_a_wanted_place_is_used_and_cleared_first(tmp_path):
    """What lies there, readable by all or a link to somewhere, is replaced and never written through."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    path = tmp_path / "writer.json"
    path.symlink_to(victim)
    file = CredentialsFile(path, "t1")
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    CredentialsFile(path, "t2")
    assert json.loads(path.read_text()) == {"twin_token": "t2"}
    assert victim.read_text() == "kept"
    file.remove()
    assert not path.exists()


def test_tokens_are_new_each_time_and_do_not_show_themselves():
    first, second = WriterTokens(), WriterTokens()
    assert len({first.world, first.execution, second.world, second.execution}) == 4
    assert first.world not in repr(first)
    assert first.execution not in repr(first)
