"""The live door, against a server that says exactly what the test wants it to say."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from resources.errors import SourceUnreadableError
from resources.firestore.gateway import CollectionQuery, ScanStats, Where
from resources.firestore.live import LiveDocumentSource
from tests.unit.resources.firestore.scripted import (
    READ_TIME,
    ROOT,
    Break,
    RunQueryResponse,
    ScriptedServer,
    Wait,
    count,
    document,
    documents,
    only_read_time,
)

QUERY = CollectionQuery("kilns", ("name",))
Status = grpc.StatusCode
UNAVAILABLE = Break(Status.UNAVAILABLE)


def source(server, **options):
    return LiveDocumentSource("p", emulator_host=server.host, **{"sleep": lambda _: None, **options})


def scan(server, query=QUERY, **options):
    """Return the ids and names that came, and what it cost."""
    stats = ScanStats()
    with source(server, **options) as live:
        batches = list(live.scan(query, read_time=READ_TIME, stats=stats))
    pairs = [
        (document_id, record.get("name"))
        for batch in batches
        for document_id, record in zip(batch.ids, batch.records, strict=True)
    ]
    assert all(document_id == name for document_id, name in pairs)
    return [document_id for document_id, _ in pairs], stats


def cursor(request):
    return [
        value.reference_value.removeprefix(f"{ROOT}/kilns/")
        for value in request.structured_query.start_at.values
    ]


def test_request_is_pinned_projected_and_ordered_by_name():
    """Every page asks for the contract's fields only, at one instant, in name order."""
    with ScriptedServer(queries=[documents("a")]) as server:
        scan(server, page_size=7)
    (request,) = server.requests
    query = request.structured_query
    assert request.parent == ROOT
    assert request.read_time.ToMicroseconds() == READ_TIME.timestamp() * 1e6
    assert [query.from_[0].collection_id, query.limit.value] == ["kilns", 7]
    assert [one.field_path for one in query.select.fields] == ["name"]
    assert [one.field.field_path for one in query.order_by] == ["__name__"]
    assert not query.start_at.values
    assert server.metadata[0]["google-cloud-resource-prefix"] == "projects/p/databases/(default)"


def test_pages_follow_one_another_by_name():
    """A full page leads to the next, after its last document; a short one ends the scan."""
    with ScriptedServer(queries=[documents("a", "b"), documents("c", "d"), documents("e")]) as server:
        ids, stats = scan(server, page_size=2)
    assert ids == ["a", "b", "c", "d", "e"]
    assert [cursor(request) for request in server.requests] == [[], ["b"], ["d"]]
    assert not any(request.structured_query.start_at.before for request in server.requests)
    assert (stats.documents, stats.billed_reads, stats.resumes) == (5, 5, 0)


def test_collection_that_ends_with_a_page_costs_one_empty_query():
    with ScriptedServer(queries=[documents("a", "b"), [only_read_time()]]) as server:
        ids, stats = scan(server, page_size=2)
    assert ids == ["a", "b"]
    assert stats.billed_reads == 3


def test_answers_without_a_document_are_no_documents():
    """Progress reports in a stream are passed over, wherever they stand."""
    script = [only_read_time(), *documents("a"), only_read_time(), *documents("b"), b""]
    with ScriptedServer(queries=[script]) as server:
        ids, _ = scan(server)
    assert ids == ["a", "b"]


@pytest.mark.parametrize(
    "code",
    [
        Status.UNAVAILABLE,
        Status.INTERNAL,
        Status.DEADLINE_EXCEEDED,
        Status.RESOURCE_EXHAUSTED,
        Status.ABORTED,
        Status.CANCELLED,
        Status.UNKNOWN,
    ],
    ids=lambda code: code.name,
)
def test_broken_stream_is_taken_up_after_the_last_document(code):
    """Nothing is skipped and nothing comes twice, whatever transient fault broke the stream."""
    scripts = [[*documents("a", "b"), Break(code)], [Break(code)], documents("c")]
    with ScriptedServer(queries=scripts) as server:
        ids, stats = scan(server)
    assert ids == ["a", "b", "c"]
    assert [cursor(request) for request in server.requests] == [[], ["b"], ["b"]]
    assert stats.resumes == 2


def test_break_at_the_end_of_a_page_asks_once():
    """A page that came whole and then broke is not asked for twice."""
    with ScriptedServer(queries=[[*documents("a", "b"), UNAVAILABLE], documents("c")]) as server:
        ids, stats = scan(server, page_size=2)
    assert ids == ["a", "b", "c"]
    assert (len(server.requests), stats.resumes) == (2, 1)


def test_break_between_bounded_batches_does_not_end_the_scan(monkeypatch):
    """A stream that breaks after part of a page was already handed out is taken up too."""
    monkeypatch.setattr("resources.firestore.live_pages.RUN_BYTES", 1)
    with ScriptedServer(queries=[[*documents("a", "b"), UNAVAILABLE], documents("c")]) as server:
        ids, _ = scan(server)
    assert ids == ["a", "b", "c"]


def test_large_documents_come_in_small_batches():
    """Memory is bounded by bytes, not by documents: a megabyte each must not wait for thousands."""

    def large(fields):
        fields["name"].string_value = "x" * 1_000_000

    script = [document(f"d{number}", large) for number in range(12)]
    with ScriptedServer(queries=[script]) as server, source(server) as live:
        sizes = [len(batch.ids) for batch in live.scan(QUERY, read_time=READ_TIME, stats=ScanStats())]
    assert sum(sizes) == 12
    assert max(sizes) <= 5


def test_a_source_that_stays_away_is_given_up():
    """After some fruitless tries the read ends with a plain sentence that blames nobody's data."""
    with ScriptedServer(queries=[documents("a"), [Break(Status.UNAVAILABLE, "kiln of Jane Doe")]]) as server:
        with source(server, page_size=1, attempts=3) as live, pytest.raises(SourceUnreadableError) as fault:
            list(live.scan(QUERY, read_time=READ_TIME, stats=ScanStats()))
        assert len(server.requests) == 1 + 4
    assert fault.value.reason == "unavailable"
    assert fault.value.is_transient
    assert str(fault.value) == "Firestore cannot be reached (collection kilns, UNAVAILABLE)."


def test_documents_that_came_restore_the_tries():
    """A scan that goes on, however haltingly, is not given up."""
    halting = [[*documents(f"d{number}"), UNAVAILABLE] for number in range(9)]
    with ScriptedServer(queries=[*halting, documents("e")]) as server:
        ids, stats = scan(server, attempts=1)
    assert len(ids) == 10
    assert stats.resumes == 9


@pytest.mark.parametrize(
    ("broken", "reason", "words"),
    [
        (Break(Status.PERMISSION_DENIED), "permission-denied", "roles/datastore.viewer"),
        (Break(Status.UNAUTHENTICATED), "permission-denied", "credentials"),
        (Break(Status.NOT_FOUND), "bad-response", "no such project or database"),
        (Break(Status.UNIMPLEMENTED), "bad-response", "does not offer"),
        (Break(Status.FAILED_PRECONDITION, "The query requires an index"), "bad-response", "no index"),
        (
            Break(Status.FAILED_PRECONDITION, "The requested 'read_time' is too old"),
            "read-time-too-old",
            "no longer",
        ),
        (Break(Status.INVALID_ARGUMENT, "read_time cannot be before ..."), "read-time-too-old", "no longer"),
        (
            Break(Status.INVALID_ARGUMENT, "read_time is in the future"),
            "bad-response",
            "not reached that instant",
        ),
        (Break(Status.INVALID_ARGUMENT, "bad field"), "bad-response", "does not accept this query"),
        (Break(Status.DATA_LOSS), "unknown", "does not explain"),
    ],
    ids=lambda value: getattr(getattr(value, "code", None), "name", None),
)
def test_refusals_are_not_tried_again(broken, reason, words):
    """What waiting cannot mend is told at once."""
    with ScriptedServer(queries=[[broken]]) as server:
        with source(server) as live, pytest.raises(SourceUnreadableError, match=words) as fault:
            list(live.scan(QUERY, read_time=READ_TIME, stats=ScanStats()))
        assert len(server.requests) == 1
    assert (fault.value.reason, fault.value.is_transient) == (reason, False)
    assert "bad field" not in str(fault.value)


def test_quota_used_up_is_told_as_such():
    with (
        ScriptedServer(queries=[[Break(Status.RESOURCE_EXHAUSTED)]]) as server,
        source(server, attempts=2) as live,
        pytest.raises(SourceUnreadableError, match="quota") as fault,
    ):
        list(live.scan(QUERY, read_time=READ_TIME, stats=ScanStats()))
    assert (fault.value.reason, fault.value.is_transient) == ("rate-limited", True)


def test_silent_source_runs_into_the_deadline():
    """A call that says nothing does not hang the reader."""
    with (
        ScriptedServer(queries=[[*documents("a"), Wait()]]) as server,
        source(server, deadline_seconds=0.3) as live,
        pytest.raises(SourceUnreadableError, match="too long") as fault,
    ):
        list(live.scan(QUERY, read_time=READ_TIME, stats=ScanStats()))
    assert fault.value.reason == "timeout"


def test_nobody_listening_is_unavailable():
    with (
        LiveDocumentSource("p", emulator_host="127.0.0.1:1", attempts=1, sleep=lambda _: None) as live,
        pytest.raises(SourceUnreadableError) as fault,
    ):
        live.read_time()
    assert fault.value.reason == "unavailable"


def test_abandoned_scan_ends_the_call(monkeypatch):
    """A reader that stops looking does not leave a stream open, and books what it was sent."""
    monkeypatch.setattr("resources.firestore.live_pages.RUN_BYTES", 1)
    with ScriptedServer(queries=[[*documents("a"), Wait()]]) as server, source(server) as live:
        stats = ScanStats()
        stream = live.scan(QUERY, read_time=READ_TIME, stats=stats)
        assert list(next(stream).ids) == ["a"]
        stream.close()
        assert server.hung_up.wait(10)
    assert (stats.documents, stats.billed_reads) == (1, 1)


def test_next_page_is_asked_for_while_the_last_one_is_read():
    """The reader's work and the source's overlap: handing out a page does not keep the source waiting."""
    pages = [documents("a"), [*documents("b"), Wait()]]
    with ScriptedServer(queries=pages) as server, source(server, page_size=1) as live:
        stream = live.scan(QUERY, read_time=READ_TIME, stats=ScanStats())
        assert list(next(stream).ids) == ["a"]
        assert server.asked.acquire(timeout=10)
        assert server.asked.acquire(timeout=10)
        stream.close()
        assert server.hung_up.wait(10)


def test_unexpected_layout_is_read_with_the_vendors_parser():
    """Bytes in an order no server is known to use are still read exactly."""
    inner = RunQueryResponse.FromString(document("a")).document
    entry = b"\x12\x03\x8a\x01\x00" + b"\x0a\x04name"  # value before key, and an empty text
    value_first = (
        b"\x0a"
        + bytes([len(inner.name) + 2 + len(entry) + 2])
        + b"\x0a"
        + bytes([len(inner.name)])
        + inner.name.encode()
        + b"\x12"
        + bytes([len(entry)])
        + entry
    )
    with ScriptedServer(queries=[[value_first]]) as server, source(server) as live:
        (batch,) = live.scan(QUERY, read_time=READ_TIME, stats=ScanStats())
    assert batch.columns is None
    assert (list(batch.ids), list(batch.records)) == (["a"], [{"name": ""}])


def test_garbage_is_a_bad_response():
    with (
        ScriptedServer(queries=[[b"\x0a\xff\xff"]]) as server,
        source(server) as live,
        pytest.raises(SourceUnreadableError, match="cannot be read") as fault,
    ):
        list(live.scan(QUERY, read_time=READ_TIME, stats=ScanStats()))
    assert fault.value.reason == "bad-response"


def test_range_scans_go_on_after_field_and_name():
    """A scan of changes is ordered by the change time and then by name, and taken up after both."""

    def changed(fields):
        fields["at"].timestamp_value.seconds = 1_777_000_000

    query = CollectionQuery(
        "kilns", ("name",), (Where("at", ">=", READ_TIME), Where("kind", "==", "electric"))
    )
    pages = [[document("a", changed), document("b", changed)], [document("c", changed)]]
    with ScriptedServer(queries=pages) as server, source(server, page_size=2) as live:
        batches = list(live.scan(query, read_time=READ_TIME, stats=ScanStats()))
    assert [list(batch.ids) for batch in batches] == [["a", "b"], ["c"]]
    first, second = (request.structured_query for request in server.requests)
    assert [one.field.field_path for one in first.order_by] == ["at", "__name__"]
    assert [one.field_path for one in first.select.fields] == ["name", "at"]
    at, name = second.start_at.values
    assert at.timestamp_value.seconds == 1_777_000_000
    assert name.reference_value.endswith("/kilns/b")
    filters = first.where.composite_filter.filters
    assert [one.field_filter.field.field_path for one in filters] == ["at", "kind"]


def test_count_is_the_sources_own():
    """Counts are pinned to the instant, carry the conditions, and are integers."""
    with ScriptedServer(counts=[[count(41)]]) as server, source(server) as live:
        found = live.count("kilns", read_time=READ_TIME, where=[Where("status", "in", ["idle", "firing"])])
    assert found == 41
    assert type(found) is int
    (request,) = server.requests
    assert request.read_time.ToMicroseconds() == READ_TIME.timestamp() * 1e6
    query = request.structured_aggregation_query.structured_query
    (condition,) = query.where.composite_filter.filters
    values = condition.field_filter.value.array_value.values
    assert [value.string_value for value in values] == ["idle", "firing"]


def test_count_of_nothing_is_zero():
    with ScriptedServer(counts=[[count(0)]]) as server, source(server) as live:
        assert live.count("kilns", read_time=READ_TIME) == 0


def test_count_is_tried_again():
    with ScriptedServer(counts=[[UNAVAILABLE], [UNAVAILABLE], [count(3)]]) as server, source(server) as live:
        assert live.count("kilns", read_time=READ_TIME) == 3


@pytest.mark.parametrize("script", [[], [b"\x0a\xff"]], ids=["nothing", "garbage"])
def test_count_without_an_answer_is_a_bad_response(script):
    with (
        ScriptedServer(counts=[script]) as server,
        source(server) as live,
        pytest.raises(SourceUnreadableError) as fault,
    ):
        live.count("kilns", read_time=READ_TIME)
    assert fault.value.reason == "bad-response"


def test_read_time_is_the_sources_clock():
    """The instant comes from the source, not from this machine."""
    with ScriptedServer(counts=[[count(0)]]) as server, source(server) as live:
        assert live.read_time() == READ_TIME


def test_one_source_serves_many_threads():
    """Collections are read side by side over one connection without mixing answers."""
    pages = [documents("a", "b", "c")]
    with ScriptedServer(queries=pages) as server, source(server) as live, ThreadPoolExecutor(4) as pool:

        def read(_):
            stats = ScanStats()
            return [i for batch in live.scan(QUERY, read_time=READ_TIME, stats=stats) for i in batch.ids]

        assert list(pool.map(read, range(24))) == [["a", "b", "c"]] * 24


def test_closed_source_opens_again():
    with ScriptedServer(counts=[[count(1)]]) as server:
        live = source(server)
        assert live.count("kilns", read_time=READ_TIME) == 1
        live.close()
        live.close()
        assert live.count("kilns", read_time=READ_TIME) == 1
        live.close()


def test_missing_credentials_are_told_before_any_call(tmp_path):
    """A path to nothing is a plain sentence naming the setting."""
    live = LiveDocumentSource("p", credentials_path=tmp_path / "missing.json")
    with pytest.raises(SourceUnreadableError, match="GOOGLE_APPLICATION_CREDENTIALS") as fault:
        live.read_time()
    assert (fault.value.reason, fault.value.is_transient) == ("permission-denied", False)
