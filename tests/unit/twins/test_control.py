"""Promises of the control server: status and faults, and a sentence for every mistake."""

import json
import urllib.error
import urllib.request

import pytest

from twins.control import FIRESTORE_KINDS, STRIPE_KINDS, Control, FaultRequest, FaultRequestError
from twins.firestore.server import FirestoreTwin
from twins.stripe.server import StripeTwin


@pytest.fixture
def twins():
    """Return a control server with both twins behind it; only the control server answers."""
    firestore, stripe = FirestoreTwin(), StripeTwin()
    with stripe, Control(firestore, stripe, lambda: {"isReady": False, "day": None}) as control:
        yield control, firestore, stripe
    firestore.stop()


def _ask(control, method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{control.url}{path}", data, method=method)  # noqa: S310 - our own loopback server
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def test_status_tells_how_the_world_and_the_twins_are(twins):
    """Not ready while the world is not; addresses and counts of both twins."""
    control, firestore, stripe = twins
    status, body = _ask(control, "GET", "/status")
    assert status == 200
    assert body["ready"] is False
    assert body["firestore"]["host"] == firestore.host
    assert body["stripe"]["baseUrl"] == stripe.base_url


def test_twins_without_a_world_are_ready(twins):
    """Empty twins have nothing to wait for."""
    control, _, _ = twins
    control._describe_world = lambda: None
    assert control.status()["ready"] is True


@pytest.mark.parametrize("kind", FIRESTORE_KINDS)
def test_every_firestore_fault_strikes_reads_only(twins, kind):
    """A fault is armed for each reading RPC and for no write: the world must be able to go on."""
    control, firestore, _ = twins
    wish = {"target": "firestore", "kind": kind, "collection": "batches", "count": 2, "seconds": 1}
    assert _ask(control, "POST", "/faults", wish) == (200, {"ok": True})
    armed = firestore.faults.armed()
    assert {fault.method for fault in armed} >= {"RunQuery", "RunAggregationQuery", "ListDocuments"}
    assert not {fault.method for fault in armed} & {"Commit", "BatchWrite", None}
    assert {(fault.kind, fault.collection, fault.count) for fault in armed} == {(kind, "batches", 2)}


@pytest.mark.parametrize("kind", STRIPE_KINDS)
def test_every_stripe_fault_strikes_get_requests(twins, kind):
    """A fault waits for reads of its list, or delays every answer."""
    control, _, stripe = twins
    wish = {"target": "stripe", "kind": kind, "path": "charges", "count": 1, "seconds": 0.5}
    assert _ask(control, "POST", "/faults", wish)[0] == 200
    if kind == "latency":
        assert stripe.faults.latency_seconds == 0.5
        return
    assert stripe.faults.take("POST", "charges") is None
    assert stripe.faults.take("GET", "refunds") is None
    assert stripe.faults.take("GET", "charges") is not None


def test_one_method_can_be_named(twins):
    """A fault for one RPC is armed once."""
    control, firestore, _ = twins
    _ask(control, "POST", "/faults", {"target": "firestore", "kind": "cut", "method": "RunQuery"})
    assert [fault.method for fault in firestore.faults.armed()] == ["RunQuery"]


def test_faults_are_taken_back(twins):
    """After DELETE nothing is armed in either twin."""
    control, firestore, stripe = twins
    _ask(control, "POST", "/faults", {"target": "firestore", "kind": "unavailable"})
    _ask(control, "POST", "/faults", {"target": "stripe", "kind": "server_error"})
    assert _ask(control, "DELETE", "/faults") == (200, {"ok": True})
    assert firestore.faults.armed() == []
    assert stripe.faults.take("GET", "charges") is None


def test_a_fault_for_a_time_ends_by_itself(twins):
    """After its time the fault is gone, without being asked."""
    control, firestore, _ = twins
    wish = {"target": "firestore", "kind": "unavailable", "for_seconds": 0.01}
    _ask(control, "POST", "/faults", wish)
    control._timers[0].join(10)
    assert firestore.faults.armed() == []


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({}, "target is one of firestore, stripe, identity, hubitat, roborock"),
        ({"target": "firestore", "kind": "earthquake"}, "has no fault 'earthquake'"),
        ({"target": "stripe", "kind": "hang", "count": 0}, "count is a whole number from 1"),
        ({"target": "firestore", "kind": "cut", "after_documents": -1}, "after_documents is a whole number"),
        ({"target": "firestore", "kind": "latency"}, "latency needs seconds"),
        ({"target": "stripe", "kind": "hang", "for_seconds": "soon"}, "for_seconds is a number"),
        ({"target": "stripe", "kind": "hang", "seconds": -1}, "seconds is a number"),
        ({"target": "hubitat", "kind": "hang", "for_seconds": float("nan")}, "for_seconds is a number"),
        ({"target": "hubitat", "kind": "hang", "for_seconds": float("inf")}, "for_seconds is a number"),
        ({"target": "hubitat", "kind": "hang", "for_seconds": 1e20}, "for_seconds is a number"),
        ({"target": "stripe", "kind": "hang", "colection": "x"}, "unknown field 'colection'"),
    ],
)
def test_a_fault_that_means_nothing_is_refused_with_a_sentence(twins, wish, sentence):
    """Nothing is armed, and the person is told what would be understood."""
    control, firestore, _ = twins
    with pytest.raises(FaultRequestError, match=sentence):
        FaultRequest.parse(wish)
    status, body = _ask(control, "POST", "/faults", wish)
    assert status == 400
    assert sentence in body["error"]
    assert firestore.faults.armed() == []


def test_what_is_no_json_object_is_refused(twins):
    """Lists, texts and nothing at all are answered with 400, unknown paths with 404."""
    control, _, _ = twins
    assert _ask(control, "POST", "/faults", [1])[0] == 400
    assert _ask(control, "POST", "/faults")[0] == 400
    for method in ("GET", "POST", "DELETE"):
        assert _ask(control, method, "/elsewhere", {"a": 1} if method == "POST" else None)[0] == 404
