"""Attacks on the door that writes: what is not listed does not leave, and who has no token cannot write.

Over 400 lines because the list of what may leave is one, and so is the list of attacks on it.
"""

import json
import logging
import traceback
from datetime import UTC, datetime

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports.grpc import FirestoreGrpcTransport

from policies.ports import AdapterError
from resources.firestore.changes import Change, Creation
from resources.firestore.writes import FirestoreWrites, _what_happened
from resources.firestore.writes_guard import MOST_BYTES, WriteGuard, WriteNotAllowedError
from tests.contract.firestore_writes.conftest import AT, BATCH, PROPOSAL_ID, TOKENS, note_proposal

ROOT = "projects/p/databases/(default)"
ACTIONS, NOTES = "studioBrainPilotActions", "studioBrainPilotOpsNotes"
VERSION = datetime(2026, 11, 21, tzinfo=UTC)
OTHER = "projects/p/databases/other"
CANARY = "canary-token-7d1f0c6a5b"
COMMIT = "/google.firestore.v1.Firestore/Commit"


def commit(*writes, database=ROOT, **fields) -> bytes:
    """Return a serialised commit."""
    return types.CommitRequest.serialize(types.CommitRequest(database=database, writes=writes, **fields))


def write(path=f"{ACTIONS}/a", fields=("proposalId",), mask=None, when=None, database=ROOT, **more):
    """Return one write: a creation, or with a mask a change."""
    document = types.Document(
        name=f"{database}/documents/{path}",
        fields={name: types.Value(string_value="x") for name in fields},
    )
    if mask is not None:
        more["update_mask"] = types.DocumentMask(field_paths=mask)
    when = when or ({"exists": False} if mask is None else {"update_time": VERSION})
    return types.Write(update=document, current_document=types.Precondition(**when), **more)


def transform(field, **what):
    return types.DocumentTransform.FieldTransform(field_path=field, **what)


GOOD = {
    "action": commit(write()),
    "note": commit(write(), write(f"{NOTES}/n", ["note", "ownerUid"])),
    "marks": commit(write(fields=["rollbackState"], mask=["rollbackState", "rollbackReason"])),
    "batch": commit(write(f"batches/{BATCH}", ["state"], ["state", "closedAt"])),
    "time": commit(write(update_transforms=[transform("createdAt", set_to_server_value=1)])),
}
BAD = {
    "empty": b"",
    "no commit": b"\xff\xff\xff",
    "no writes": commit(),
    "too many writes": commit(*[write(f"{ACTIONS}/{name}") for name in "abc"]),
    "too large": commit(write(path=f"{ACTIONS}/" + "a" * MOST_BYTES)),
    "other database": commit(write(database=OTHER), database=OTHER),
    "other project inside": commit(write(database="projects/q/databases/(default)")),
    "transaction": commit(write(), transaction=b"t"),
    "unknown field": commit(write()) + b"\xfa\x3f\x01x",
    "delete": commit(types.Write(delete=f"{ROOT}/documents/{ACTIONS}/a")),
    "delete of the batch": commit(types.Write(delete=f"{ROOT}/documents/batches/{BATCH}")),
    "old transform": commit(
        types.Write(transform=types.DocumentTransform(document=f"{ROOT}/documents/{ACTIONS}/a"))
    ),
    "blind overwrite": commit(write(when={"exists": True})),
    "no precondition": commit(
        types.Write(update=types.Document(name=f"{ROOT}/documents/{ACTIONS}/a", fields={}))
    ),
    "change without version": commit(
        write(fields=["rollbackState"], mask=["rollbackState"], when={"exists": True})
    ),
    "version without mask": commit(write(fields=["rollbackState"], when={"update_time": VERSION})),
    "creation with mask": commit(write(mask=["proposalId"], when={"exists": False})),
    "members": commit(write("users/u")),
    "claims of agents": commit(write("delegations/d")),
    "sub-collection": commit(write(f"{ACTIONS}/a/batches/{BATCH}")),
    "sub-collection of the batch": commit(write(f"batches/{BATCH}/timeline/t", ["state"], ["state"])),
    "no id": commit(write(f"{ACTIONS}/")),
    "odd id": commit(write(f"{ACTIONS}/a b")),
    "relative name": commit(
        types.Write(
            update=types.Document(name=f"{ACTIONS}/a", fields={"proposalId": types.Value(string_value="x")}),
            current_document=types.Precondition(exists=False),
        )
    ),
    "traversal": commit(write(f"{ACTIONS}/../batches/{BATCH}")),
    "other batch": commit(write("batches/other", ["state"], ["state"])),
    "new batch": commit(write(f"batches/{BATCH}", ["state"])),
    "field of the batch": commit(write(f"batches/{BATCH}", ["ownerUid"], ["ownerUid"])),
    "masked field of the batch": commit(write(f"batches/{BATCH}", ["state"], ["state", "ownerUid"])),
    "field outside the mask": commit(write(f"batches/{BATCH}", ["state", "isClosed"], ["state"])),
    "nested field": commit(write(f"batches/{BATCH}", [], ["state.inner"])),
    "changed evidence": commit(write(fields=["proposalId"], mask=["proposalId"])),
    "changed note": commit(write(f"{NOTES}/n", ["note"], ["note"])),
    "unlisted field": commit(write(fields=["proposalId", "isAdmin"])),
    "transform of another field": commit(
        write(
            f"batches/{BATCH}", ["state"], ["state"],
            update_transforms=[transform("title", set_to_server_value=1)],
        )
    ),
    "increment": commit(
        write(
            f"batches/{BATCH}", ["state"], ["state"],
            update_transforms=[transform("closedAt", increment=types.Value(integer_value=1))],
        )
    ),
    "one bad write of two": commit(write(), write("users/u")),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_the_adapters_send_is_listed(name):
    WriteGuard(ROOT, BATCH).check(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_whatever_else_is_refused(name):
    """Each differs from a listed commit in one thing only."""
    with pytest.raises(WriteNotAllowedError, match="Nothing was sent"):
        WriteGuard(ROOT, BATCH).check(BAD[name])


def test_no_batch_may_be_changed_unless_it_is_named():
    with pytest.raises(WriteNotAllowedError):
        WriteGuard(ROOT).check(GOOD["batch"])


RPCS = (
    "BatchWrite", "Write", "CreateDocument", "UpdateDocument", "DeleteDocument", "BeginTransaction",
    "Rollback", "RunQuery", "GetDocument", "ListDocuments", "BatchGetDocuments", "Listen", "ExecutePipeline",
)  # fmt: skip


@pytest.mark.parametrize("rpc", [*RPCS, "Commit"])
@pytest.mark.parametrize("shape", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
def test_no_other_call_leaves(twin, rpc, shape):
    """Every RPC but a listed commit is refused in this process, whatever the shape of the call."""
    before = sum(twin.stats.calls.values())
    with grpc.insecure_channel(twin.host) as bare:
        channel = grpc.intercept_channel(bare, WriteGuard(ROOT, BATCH))
        call = getattr(channel, shape)(f"/google.firestore.v1.Firestore/{rpc}")
        with pytest.raises(WriteNotAllowedError):
            list(call(iter([b""]) if shape.startswith("stream") else b""))
    assert sum(twin.stats.calls.values()) == before


def test_the_vendors_own_client_gets_nothing_through(twin):
    """Even the full client, put on this channel, writes and reads nothing."""
    before = sum(twin.stats.calls.values())
    with grpc.insecure_channel(twin.host) as bare:
        guarded = grpc.intercept_channel(bare, WriteGuard("projects/p/databases/(default)", BATCH))
        client = firestore.Client(project="p", credentials=AnonymousCredentials())
        client._firestore_api_internal = FirestoreClient(transport=FirestoreGrpcTransport(channel=guarded))
        for attempt in (
            lambda: client.document("users/u").set({"a": 1}),
            lambda: client.document(f"batches/{BATCH}").delete(),
            lambda: client.document(f"{ACTIONS}/a").create({"proposalId": "x"}),
            lambda: list(client.collection("users").stream()),
        ):
            with pytest.raises(WriteNotAllowedError):
                attempt()
    assert sum(twin.stats.calls.values()) == before


def test_the_door_itself_refuses_what_is_not_listed(place):
    """Code that misuses the door is stopped by the guard behind it, and nothing is written."""
    place.cloud.document("users/u").set({"a": 1})
    version = place.cloud.document("users/u").get().update_time
    for writes in (
        [Creation("users", "v", {"a": 1})],
        [Change("users", "u", version, {"a": 2})],
        [Change("batches", BATCH, VERSION, {"state": "x"})],
        [Creation(ACTIONS, "a", {"proposalId": "p"}), Creation("users", "v", {"a": 1})],
        [Creation(NOTES, "n", {"note": "x" * 100_000})],
        [],
    ):
        with pytest.raises(WriteNotAllowedError):
            place.writes.commit(writes)
    assert place.documents("users") == {"u": {"a": 1}}
    assert place.documents(ACTIONS) == {}


def test_what_firestore_cannot_hold_is_refused_here(place):
    """A value without a form on the wire is a certain error, not a crash."""
    for value in ({1, 2, object()}, 2**70, "\ud800"):
        with pytest.raises(AdapterError) as caught:
            place.writes.commit([Creation(ACTIONS, "a", {"proposalId": value})])
        assert (caught.value.code, caught.value.is_certain) == ("INVALID", True)


# Who may write at the twin


def _raw_commit(host, project, metadata):
    database = f"projects/{project}/databases/(default)"
    with grpc.insecure_channel(host) as channel:
        call = channel.unary_unary(COMMIT)
        return call(commit(write(database=database), database=database), metadata=metadata, timeout=10)


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("authorization", "Bearer owner")],
        [("authorization", "Bearer ")],
        [("authorization", f"bearer {TOKENS.execution}")],
        [("authorization", TOKENS.execution)],
        [("authorization", f"Bearer {TOKENS.execution}x")],
    ],
    ids=["nothing", "as the reader", "empty", "wrong case", "no scheme", "almost"],
)
def test_the_twin_refuses_writers_without_a_token(faulty, metadata):
    """Even past every guard of ours, the reader's connection cannot write."""
    twin, place = faulty
    with pytest.raises(grpc.RpcError) as caught:
        _raw_commit(place.host, place.project, metadata)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert twin.stats.refused_writes == 1
    assert place.documents(ACTIONS) == {}


def test_a_reader_whose_guard_is_gone_still_cannot_write(faulty):
    """The reading door's own channel, credential and all, with the guard taken off."""
    twin, place = faulty
    place.reader.lookup(ACTIONS, ["a"], ["proposalId"])
    unguarded = place.reader._channel._channel
    database = f"projects/{place.project}/databases/(default)"
    with pytest.raises(grpc.RpcError) as caught:
        unguarded.unary_unary(COMMIT)(
            commit(write(database=database), database=database), metadata=place.reader._metadata, timeout=10
        )
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert twin.stats.commits["execution"] == 0


def test_every_way_of_writing_needs_the_token(faulty, monkeypatch):
    """Batches, single documents, transactions, bulk: the vendor's own client is refused without a token."""
    twin, place = faulty
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", place.host)
    client = firestore.Client(project=place.project, credentials=AnonymousCredentials())
    for attempt in (
        lambda: client.document("users/u").set({"a": 1}),
        lambda: client.document("users/u").delete(),
        lambda: client.transaction()._begin(),
        lambda: client._firestore_api.create_document(
            request={
                "parent": f"{client._database_string}/documents",
                "collection_id": "users",
                "document": {},
            }
        ),
    ):
        with pytest.raises(exceptions.PermissionDenied):
            attempt()
    transaction = client.transaction(read_only=True)
    transaction._begin()
    transaction._rollback()
    assert list(client.collection("users").stream()) == []
    client.close()
    assert twin.stats.refused_writes == 4


def test_commits_are_counted_by_writer(faulty):
    """The twin tells the world's commits from the execution run's."""
    twin, place = faulty
    place.ops_note().execute(note_proposal(), PROPOSAL_ID, AT)
    place.ops_note().execute(note_proposal(), PROPOSAL_ID, AT)
    assert twin.stats.commits == {"world": 1, "execution": 1}


# The credential


def _door(path, **options) -> FirestoreWrites:
    return FirestoreWrites("p", credentials_path=path, **options)


def _refusal(writes) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        writes.commit([Creation(ACTIONS, "a", {"proposalId": CANARY})])
    return caught.value


def _file(tmp_path, content, mode=0o600):
    path = tmp_path / "writer.json"
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_credential_that_others_can_read_is_refused(tmp_path, mode):
    """A secret that is not kept is not used."""
    path = _file(tmp_path, json.dumps({"twin_token": CANARY}), mode)
    error = _refusal(_door(path, emulator_host="127.0.0.1:1"))
    assert (error.code, error.is_certain) == ("CREDENTIALS_REFUSED", True)
    assert "chmod 600" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "{}", '{"twin_token": 7}', '{"twin_token": ""}', '{"twin_token": "a\\nb"}',
        json.dumps({"type": "service_account", "private_key": CANARY}), " " * 100_000,
    ],
)  # fmt: skip
def test_a_twin_takes_only_a_twins_token(tmp_path, content):
    """A real credential is never sent to a pretend studio, and rubbish is never sent at all."""
    error = _refusal(_door(_file(tmp_path, content), emulator_host="127.0.0.1:1"))
    assert (error.code, error.is_certain) == ("CREDENTIALS_REFUSED", True)


@pytest.mark.parametrize(
    "content",
    [json.dumps({"twin_token": CANARY}), json.dumps({"type": "service_account", "private_key": CANARY})],
)
def test_the_service_takes_only_a_service_account(tmp_path, content):
    """A twin's token is never sent to the real service; a broken key file is refused without quoting it."""
    error = _refusal(_door(_file(tmp_path, content)))
    assert (error.code, error.is_certain) == ("CREDENTIALS_REFUSED", True)
    assert CANARY not in "".join(traceback.format_exception(error))


def test_a_service_account_opens_a_guarded_connection(tmp_path, caplog):
    """Real credentials lead to the same door; making it calls nobody and shows nothing of the key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
    account = {
        "type": "service_account",
        "client_email": "writer@p.iam.gserviceaccount.com",
        "token_uri": "https://127.0.0.1:1/token",
        "private_key": pem,
    }
    with caplog.at_level(logging.DEBUG), _door(_file(tmp_path, json.dumps(account))) as writes:
        with pytest.raises(WriteNotAllowedError):
            writes.commit([Creation("users", "a", {"b": 1})])
        assert "authorization" not in dict(writes._metadata)
    assert pem.splitlines()[1] not in caplog.text


def test_a_token_that_could_not_be_fetched_is_certain():
    """The library asks for a token before it sends anything; without one nothing was written."""

    class Failed(grpc.RpcError):
        def code(self):
            return grpc.StatusCode.UNAVAILABLE

        def details(self):
            return f"Getting metadata from plugin failed with error: {CANARY}"

    error = _what_happened(Failed())
    assert (error.code, error.is_certain) == ("CREDENTIALS_REFUSED", True)
    assert CANARY not in str(error)


@pytest.mark.parametrize("status", list(grpc.StatusCode))
def test_only_what_the_server_refused_is_certain(status):
    """Every status there is, against a list written down apart; a new one is not certain."""
    certain = {
        "PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_ARGUMENT", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED",
    }  # fmt: skip

    class Failed(grpc.RpcError):
        def code(self):
            return status

        def details(self):
            return CANARY

    error = _what_happened(Failed())
    assert error.is_certain is (status.name in certain)
    assert CANARY not in str(error)


def test_no_credential_means_no_write(tmp_path):
    """Unset, missing, or a directory: refused before anything is opened."""
    for path in (None, tmp_path / "missing.json", tmp_path):
        error = _refusal(_door(path, emulator_host="127.0.0.1:1"))
        assert (error.code, error.is_certain) == ("CREDENTIALS_REFUSED", True)


def test_the_token_shows_up_nowhere(tmp_path, twin, caplog, capfd, monkeypatch):
    """Not in an error, a traceback, a repr or a log line, of ours or the libraries', at the finest level."""
    monkeypatch.setenv("GOOGLE_SDK_PYTHON_LOGGING_SCOPE", "google")
    path = _file(tmp_path, json.dumps({"twin_token": CANARY}))
    said = []
    with caplog.at_level(logging.DEBUG):
        for host in (twin.host, "127.0.0.1:1"):
            with _door(path, emulator_host=host) as writes:
                for writes_ in (
                    [Creation(ACTIONS, "a", {"proposalId": "p"})],
                    [Creation("users", "a", {"b": 1})],
                ):
                    with pytest.raises((AdapterError, WriteNotAllowedError)) as caught:
                        writes.commit(writes_)
                    said.append("".join(traceback.format_exception(caught.value)))
                    said.append(repr(caught.value))
                said += [repr(writes), str(vars(writes).keys())]
    out, err = capfd.readouterr()
    assert any("refuses this credential" in text for text in said)  # it was shown to the twin, after all
    for text in (*said, out, err, caplog.text):
        assert CANARY not in text
    assert twin.stats.refused_writes >= 1
