"""What the stock client library does on a bad day, shown with injected faults.

These are the reasons why the house reads below the client's document layer. They describe
google-cloud-firestore 2.34.1: when one of them fails after an upgrade, the trap may be gone, and the reader's
rules can be looked at again.
"""

import threading
import time

import pytest
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.cloud.firestore_v1.base_query import FieldFilter

from tests.contract.firestore.conftest import client_of, unique_id
from twins.firestore.faults import Fault
from twins.firestore.server import FirestoreTwin

DOCUMENTS = 30
RESUME = Retry(predicate=if_exception_type(exceptions.ServiceUnavailable), initial=0.01, timeout=20)


@pytest.fixture(scope="module")
def faulty():
    """Return a twin of our own to break."""
    with FirestoreTwin() as twin:
        yield twin


@pytest.fixture(scope="module")
def db(faulty):
    client = client_of(faulty.host)
    yield client
    client.close()


@pytest.fixture
def numbers(db, faulty):
    """Return a collection of thirty numbered documents; faults are cleared afterwards."""
    collection = db.collection(unique_id())
    batch = db.batch()
    for number in range(DOCUMENTS):
        batch.set(collection.document(f"{number:02d}"), {"i": number, "g": number % 3})
    batch.commit()
    yield collection
    faulty.faults.clear()


def cut(faulty, documents):
    """Break the next query's stream after that many documents."""
    faulty.faults.add(Fault("cut", method="RunQuery", after_documents=documents))


def ids(query, **options):
    return [each.id for each in query.stream(**options)]


def test_a_cut_stream_crashes_with_the_default_retry(numbers, faulty):
    """The stock retry ends in an AttributeError instead of resuming."""
    cut(faulty, 12)
    with pytest.raises(AttributeError, match="_retry"):
        ids(numbers)


def test_a_plain_scan_resumes_with_an_explicit_retry(numbers, faulty):
    """Without limit or projection, an explicit retry resumes and each document comes once."""
    cut(faulty, 12)
    assert ids(numbers, retry=RESUME) == [f"{number:02d}" for number in range(DOCUMENTS)]


def test_a_resumed_limit_gives_too_many_documents(numbers, faulty):
    """The limit starts anew after a resume: 12 and then 18 more, where 20 were asked for."""
    cut(faulty, 12)
    assert len(ids(numbers.limit(20), retry=RESUME)) == 30


def test_a_resumed_offset_skips_again(numbers, faulty):
    """Offset and limit both start anew after a resume: 3 and then 8 more, where 8 were asked for."""
    cut(faulty, 3)
    assert len(ids(numbers.offset(4).limit(8), retry=RESUME)) == 11


def test_a_resumed_projection_fails_without_its_order_field(numbers, faulty):
    """A projection that leaves out the order field cannot be resumed."""
    cut(faulty, 12)
    with pytest.raises(ValueError, match="g"):
        ids(numbers.select(["i"]).order_by("g"), retry=RESUME)


@pytest.mark.parametrize("is_pinned", [False, True])
def test_a_resumed_read_is_torn_unless_pinned(db, numbers, faulty, is_pinned):
    """Money that moves during a resume is counted twice, unless the whole read has one read time."""
    numbers.document("a").set({"account": True, "cents": 100})
    numbers.document("b").set({"account": True, "cents": 0})
    pinned = numbers.document("a").get().read_time if is_pinned else None
    cut(faulty, 1)
    seen = {}
    accounts = numbers.where(filter=FieldFilter("account", "==", True))
    for each in accounts.stream(retry=RESUME, read_time=pinned):
        seen[each.id] = each.get("cents")
        if len(seen) == 1:
            batch = db.batch()
            batch.update(numbers.document("a"), {"cents": 0})
            batch.update(numbers.document("b"), {"cents": 100})
            batch.commit()
    assert sum(seen.values()) == (100 if is_pinned else 200)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("unavailable", exceptions.ServiceUnavailable),
        ("cut", exceptions.ServiceUnavailable),
        ("deadline_exceeded", exceptions.DeadlineExceeded),
        ("permission_denied", exceptions.PermissionDenied),
        ("resource_exhausted", exceptions.ResourceExhausted),
    ],
)
def test_each_fault_reaches_the_client_as_its_own_error(numbers, faulty, kind, error):
    """Every kind of fault is the error the client would see from the service, once."""
    faulty.faults.add(Fault(kind))
    with pytest.raises(error):
        numbers.document("00").get(retry=None)
    assert numbers.document("00").get().exists
    faulty.faults.add(Fault(kind, method="RunAggregationQuery"))
    with pytest.raises(error):
        numbers.count(alias="n").get(retry=None)


def test_a_fault_strikes_only_where_it_is_aimed(db, numbers, faulty):
    """A fault for one collection and one method leaves all others alone, and stays until cleared."""
    other = db.collection(unique_id())
    other.document("x").set({"n": 1})
    faulty.faults.add(Fault("permission_denied", method="RunQuery", collection=numbers.id, count=None))
    assert ids(other) == ["x"]
    assert numbers.document("00").get().exists
    for _ in range(2):
        with pytest.raises(exceptions.PermissionDenied):
            ids(numbers)
    faulty.faults.clear()
    assert len(ids(numbers)) == DOCUMENTS


def test_a_lost_reply_may_hide_a_commit(numbers, faulty):
    """A commit can have happened although the client is told it did not."""
    faulty.faults.add(Fault("unavailable", method="Commit", after_documents=1))
    with pytest.raises(exceptions.ServiceUnavailable):
        numbers.document("00").update({"i": 999}, retry=None)
    assert numbers.document("00").get().get("i") == 999


def test_a_hanging_call_ends_with_the_clients_own_deadline(numbers, faulty):
    """A server that answers nothing costs the client its timeout, and no thread of the server for longer."""
    faulty.faults.add(Fault("hang"))
    with pytest.raises((exceptions.DeadlineExceeded, exceptions.RetryError)):
        numbers.document("00").get(retry=None, timeout=0.3)
    assert numbers.document("00").get().exists


def test_clearing_the_faults_lets_hanging_calls_go_on(numbers, faulty):
    """A call that hangs is answered as soon as the faults are cleared."""
    faulty.faults.add(Fault("hang"))
    answers = []
    reader = threading.Thread(target=lambda: answers.append(numbers.document("00").get(timeout=30).exists))
    reader.start()
    deadline = time.monotonic() + 20
    while faulty.faults.armed() and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    faulty.faults.clear()
    reader.join(20)
    assert answers == [True]


def test_latency_delays_and_does_not_break(numbers, faulty):
    """A slow server is slow, and right."""
    faulty.faults.add(Fault("latency", method="RunQuery", seconds=0.2, after_documents=5))
    began = time.monotonic()
    assert len(ids(numbers)) == DOCUMENTS
    assert time.monotonic() - began >= 0.2
