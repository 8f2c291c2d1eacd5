"""Nothing but reads can leave through the channel, whoever asks and however."""

import json

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports.grpc import FirestoreGrpcTransport

from resources.firestore.live_channel import READ_RPCS, WriteRefusedError, open_channel
from tests.unit.resources.firestore.scripted import ScriptedServer, documents

WRITES = (
    "Commit",
    "BatchWrite",
    "Write",
    "CreateDocument",
    "UpdateDocument",
    "DeleteDocument",
    "BeginTransaction",
    "Rollback",
)


@pytest.fixture
def channel():
    channel = open_channel(emulator_host="127.0.0.1:1", credentials_path=None)
    yield channel
    channel.close()


@pytest.mark.parametrize("rpc", WRITES)
@pytest.mark.parametrize("shape", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
def test_writes_are_refused_before_anything_is_sent(channel, rpc, shape):
    """Every RPC that is not a read is refused in this process, whatever the shape of the call."""
    call = getattr(channel, shape)(f"/google.firestore.v1.Firestore/{rpc}")
    with pytest.raises(WriteRefusedError, match=f"{rpc} is not a read"):
        list(call(iter([b""]) if shape.startswith("stream") else b""))


def test_the_list_holds_reads_only():
    assert not READ_RPCS & set(WRITES)
    assert not READ_RPCS & {"Listen", "ExecutePipeline"}


def test_the_vendors_own_client_cannot_write_through_it():
    """Even the full client, put on this channel, can only read."""
    with ScriptedServer(queries=[documents("a")]) as server:
        guarded = open_channel(emulator_host=server.host, credentials_path=None)
        client = firestore.Client(project="p", credentials=AnonymousCredentials())
        client._firestore_api_internal = FirestoreClient(transport=FirestoreGrpcTransport(channel=guarded))
        batch = client.batch()
        batch.set(client.document("kilns/b"), {"name": "B"})
        for write in (
            lambda: client.document("kilns/a").set({"name": "A"}),
            lambda: client.document("kilns/a").delete(),
            batch.commit,
        ):
            with pytest.raises(WriteRefusedError):
                write()
        assert [one.id for one in client.collection("kilns").stream()] == ["a"]
        assert len(server.requests) == 1
        guarded.close()


def test_service_account_opens_a_guarded_channel(tmp_path):
    """Real credentials lead to a channel with the same guard; making it calls nobody."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = tmp_path / "account.json"
    account.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": "reader@p.iam.gserviceaccount.com",
                "token_uri": "https://127.0.0.1:1/token",
                "private_key": pem.decode(),
            }
        )
    )
    channel = open_channel(emulator_host=None, credentials_path=account)
    with pytest.raises(WriteRefusedError):
        channel.unary_unary("/google.firestore.v1.Firestore/Commit")(b"")
    channel.close()


def test_another_kind_of_file_is_no_service_account(tmp_path):
    (tmp_path / "key.json").write_text('{"type": "authorized_user"}')
    with pytest.raises(ValueError, match="Service account"):
        open_channel(emulator_host=None, credentials_path=tmp_path / "key.json")


def test_streams_are_read_in_the_calling_thread():
    """The switch that makes long streams three times faster is still understood by the installed grpc."""
    with ScriptedServer(queries=[documents("a")]) as server:
        channel = open_channel(emulator_host=server.host, credentials_path=None)
        stream = channel.unary_stream("/google.firestore.v1.Firestore/RunQuery")(b"")
        assert type(stream) is grpc._channel._SingleThreadedRendezvous
        assert len(list(stream)) == 1
        channel.close()
