from datetime import UTC, datetime, timedelta

import grpc
import pytest

from twins.firestore.clock import TwinClock, to_datetime
from twins.firestore.faults import Fault
from twins.firestore.messages import Write, api, request_class, to_micros, to_timestamp
from twins.firestore.paths import document_name
from twins.firestore.server import SERVICE_NAME, FirestoreTwin, touched_collections

ROOT = "projects/p/databases/(default)/documents"
DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def twin():
    with FirestoreTwin() as twin:
        yield twin


@pytest.fixture(scope="module")
def channel(twin):
    with grpc.insecure_channel(twin.host) as channel:
        yield channel


@pytest.fixture(autouse=True)
def _fresh(twin):
    twin.faults.clear()
    twin.stats.reset()


def stream(channel, request):
    method = request.DESCRIPTOR.name.removesuffix("Request")
    answer = getattr(api, f"{method}Response").pb().FromString
    stub = channel.unary_stream(
        f"/{SERVICE_NAME}/{method}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=answer,
    )
    return stub(request, timeout=20)


def commit(channel, *paths):
    request = request_class("Commit")(database=ROOT.removesuffix("/documents"))
    for path in paths:
        write = Write()
        write.update.name = document_name("p", path)
        request.writes.append(write)
    stub = channel.unary_unary(
        f"/{SERVICE_NAME}/Commit",
        request_serializer=type(request).SerializeToString,
        response_deserializer=api.CommitResponse.pb().FromString,
    )
    return stub(request, timeout=20)


def query(collection):
    request = request_class("RunQuery")(parent=ROOT)
    request.structured_query.from_.add().collection_id = collection
    return request


def read_until_error(answers):
    """Return (documents received, final status)."""
    count = 0
    try:
        for answer in answers:
            count += answer.HasField("document")
    except grpc.RpcError as error:
        return count, error.code()
    return count, grpc.StatusCode.OK


@pytest.mark.parametrize("after", [0, 1, 4, 5])
def test_a_cut_lets_exactly_its_documents_through(twin, channel, after):
    """Also at the very end: everything arrived, and the client still cannot know that it is complete."""
    twin.store.put_many((document_name("p", f"cut/{number}"), {}) for number in range(5))
    twin.faults.add(Fault("cut", collection="cut", after_documents=after))
    assert read_until_error(stream(channel, query("cut"))) == (after, grpc.StatusCode.UNAVAILABLE)
    assert read_until_error(stream(channel, query("cut"))) == (5, grpc.StatusCode.OK)


def test_a_cut_beyond_the_end_waits_for_a_longer_answer(twin, channel):
    twin.store.put(document_name("p", "short/x"), {})
    twin.faults.add(Fault("cut", collection="short", after_documents=2))
    assert read_until_error(stream(channel, query("short"))) == (1, grpc.StatusCode.OK)
    assert len(twin.faults.armed()) == 1


def test_what_was_asked_is_counted_and_priced(twin, channel):
    """Documents, empty answers and offsets are billed as the service bills them; so are broken streams."""
    twin.store.put_many((document_name("p", f"bill/{number}"), {}) for number in range(5))
    assert read_until_error(stream(channel, query("bill")))[0] == 5
    assert twin.stats.documents_billed == 5
    assert read_until_error(stream(channel, query("never")))[0] == 0
    assert twin.stats.documents_billed == 6
    skipping = query("bill")
    skipping.structured_query.offset = 3
    assert read_until_error(stream(channel, skipping))[0] == 2
    assert twin.stats.documents_billed == 11
    counting = request_class("RunAggregationQuery")(parent=ROOT)
    counting.structured_aggregation_query.structured_query.from_.add().collection_id = "bill"
    counting.structured_aggregation_query.aggregations.add().count.SetInParent()
    assert next(stream(channel, counting)).result.aggregate_fields["field_1"].integer_value == 5
    assert twin.stats.documents_billed == 12
    assert twin.stats.calls == {"RunQuery": 3, "RunAggregationQuery": 1}


def test_the_past_is_written_by_moving_the_clock():
    """A world can commit in past days and read each of them as it was."""
    clock = TwinClock(retention=timedelta(days=7))
    with FirestoreTwin(clock=clock) as twin, grpc.insecure_channel(twin.host) as channel:
        times = []
        for day in range(10):
            clock.set(DAY + timedelta(days=day))
            times.append(to_datetime(to_micros(commit(channel, f"c/{day}").commit_time)))
        assert times == [DAY + timedelta(days=day) for day in range(10)]
        for day in (3, 9):
            request = query("c")
            request.read_time.CopyFrom(to_timestamp(to_micros_of(DAY + timedelta(days=day))))
            assert read_until_error(stream(channel, request)) == (day + 1, grpc.StatusCode.OK)
        request.read_time.CopyFrom(to_timestamp(to_micros_of(DAY + timedelta(days=1))))
        assert read_until_error(stream(channel, request)) == (0, grpc.StatusCode.FAILED_PRECONDITION)
        request.read_time.CopyFrom(to_timestamp(to_micros_of(DAY + timedelta(days=11))))
        assert read_until_error(stream(channel, request)) == (0, grpc.StatusCode.INVALID_ARGUMENT)
        clock.release()
        assert to_datetime(to_micros(commit(channel, "c/now").commit_time)) > DAY + timedelta(days=10)


def to_micros_of(instant):
    return round(instant.timestamp() * 1_000_000)


def test_an_unknown_method_is_unimplemented(channel):
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{SERVICE_NAME}/Listen")(b"", timeout=20)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_taken_port_is_an_error_in_plain_words(twin):
    """Two twins on one port would each get some of the calls."""
    port = int(twin.host.partition(":")[2])
    with pytest.raises(OSError, match=f"Port {port} .* is taken"):
        FirestoreTwin(port)


def test_a_stopped_twin_answers_nothing_and_keeps_its_documents():
    twin = FirestoreTwin().start()
    twin.store.put(document_name("p", "c/x"), {"n": 1})
    with grpc.insecure_channel(twin.host) as channel:
        assert read_until_error(stream(channel, query("c"))) == (1, grpc.StatusCode.OK)
        twin.stop()
        assert read_until_error(stream(channel, query("c")))[1] is grpc.StatusCode.UNAVAILABLE
    assert twin.store.get(document_name("p", "c/x")) == {"n": 1}


def test_stopping_does_not_wait_for_a_call_that_hangs():
    twin = FirestoreTwin().start()
    twin.faults.add(Fault("hang"))
    with grpc.insecure_channel(twin.host) as channel:
        answers = stream(channel, query("c"))
        while not twin.faults.struck:
            pass
        twin.stop()
        assert read_until_error(answers)[1] is not grpc.StatusCode.DEADLINE_EXCEEDED


def test_every_request_names_its_collections():
    """Faults find their target whatever the RPC."""
    name = document_name("p", "a/1/b/2")
    write = Write(delete=name)
    group = request_class("PartitionQuery")(parent=ROOT)
    group.structured_query.from_.add().collection_id = "g"
    for request, expected in [
        (query("q"), {"q"}),
        (group, {"g"}),
        (request_class("GetDocument")(name=name), {"b"}),
        (request_class("DeleteDocument")(name=name), {"b"}),
        (request_class("BatchGetDocuments")(documents=[name, document_name("p", "c/1")]), {"b", "c"}),
        (request_class("Commit")(writes=[write]), {"b"}),
        (request_class("BatchWrite")(writes=[write]), {"b"}),
        (request_class("UpdateDocument")(document={"name": name}), {"b"}),
        (request_class("CreateDocument")(collection_id="n"), {"n"}),
        (request_class("ListDocuments")(collection_id="l"), {"l"}),
        (request_class("BeginTransaction")(), set()),
    ]:
        assert touched_collections(request) == expected
