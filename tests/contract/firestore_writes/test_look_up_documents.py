"""Single documents by id: all that exist, none twice, as of one instant, or an error."""

from concurrent import futures
from datetime import timedelta

import grpc
import pytest
from google.cloud.firestore_v1 import types

from resources.errors import SourceUnreadableError
from resources.firestore.live import LiveDocumentSource
from twins.firestore.faults import Fault


@pytest.fixture
def three(place):
    for name in "abc":
        place.cloud.document(f"things/{name}").set({"n": name, "m": {"k": 1, "l": 2}, "secret": "canary"})
    return place


def test_documents_come_by_id_with_the_fields_asked_for(three):
    """What is missing is missing, what was not asked for is not read, the version is the cloud's own."""
    found = three.reader.lookup("things", ["c", "a", "none"], ["n", "m.k", "absent"])
    assert {name: one.record for name, one in found.items()} == {
        "a": {"n": "a", "m": {"k": 1}},
        "c": {"n": "c", "m": {"k": 1}},
    }
    assert found["a"].document_id == "a"
    assert found["a"].update_time == three.cloud.document("things/a").get().update_time


def test_documents_come_as_they_were(three):
    """With a read time, later changes are not seen; without one, they are."""
    at = three.reader.lookup("things", ["a"], ["n"])["a"].update_time
    three.cloud.document("things/a").update({"n": "later"})
    assert three.reader.lookup("things", ["a"], ["n"])["a"].record == {"n": "later"}
    assert three.reader.lookup("things", ["a"], ["n"], read_time=at)["a"].record == {"n": "a"}
    assert three.reader.lookup("things", ["a"], ["n"], read_time=at - timedelta(seconds=1)) == {}


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_broken_answer_is_asked_for_again(faulty, after):
    """A stream that breaks half way gives all documents in the end, and none twice."""
    twin, place = faulty
    for name in "abc":
        place.cloud.document(f"things/{name}").set({"n": name})
    twin.faults.add(Fault("cut", method="BatchGetDocuments", after_documents=after))
    found = place.reader.lookup("things", ["a", "b", "c"], ["n"])
    assert {name: one.record["n"] for name, one in found.items()} == {"a": "a", "b": "b", "c": "c"}
    assert twin.faults.struck == 1


def test_a_cloud_that_does_not_answer_is_an_error_in_time(faulty):
    """No answer is not the same as no document."""
    twin, place = faulty
    twin.faults.add(Fault("hang", method="BatchGetDocuments", count=None))
    with pytest.raises(SourceUnreadableError) as caught:
        place.reader.lookup("things", ["a"], ["n"], deadline_seconds=0.5)
    assert caught.value.reason == "timeout"


def test_an_impossible_id_is_an_error(place):
    """The cloud's refusal is passed on, without its words."""
    with pytest.raises(SourceUnreadableError) as caught:
        place.reader.lookup("things", ["__bad__"], ["n"])
    assert caught.value.reason == "bad-response"


def test_an_answer_that_leaves_a_document_out_is_an_error():
    """A stream that ends well but says nothing about a document has not said that there is none."""

    def answer(_request, _context):
        yield types.BatchGetDocumentsResponse.serialize(types.BatchGetDocumentsResponse(missing="x/a"))

    handler = grpc.unary_stream_rpc_method_handler(answer)
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                "google.firestore.v1.Firestore", {"BatchGetDocuments": handler}
            )
        ]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with LiveDocumentSource("p", emulator_host=f"127.0.0.1:{port}") as reader:
        assert reader.lookup("things", ["a"], ["n"]) == {}
        with pytest.raises(SourceUnreadableError) as caught:
            reader.lookup("things", ["a", "b"], ["n"])
    assert caught.value.reason == "bad-response"
    server.stop(0).wait()
