"""The reader against the twin: every object once or an error, never a shorter list; and it never writes."""

import logging
import threading
import time
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import stripe
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.errors import SourceUnreadableError
from resources.stripe.gateway import ListStats
from resources.stripe.guard import KeyRefusedError, ReadOnlyTransport
from resources.stripe.live import LivePaymentSource, live_payment_source
from twins.stripe.access import READER_KEY
from twins.stripe.faults import FaultAction
from twins.stripe.kinds import KINDS
from twins.stripe.seed import SEED_START, seed_payments
from twins.stripe.server import StripeTwin

TYPES = ("balance_transactions", "charges", "disputes", "payment_intents", "payouts", "refunds")
PAYMENTS = 1500
LATER = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def seeded():
    """A twin with 1,500 payments, one each twenty minutes."""
    with StripeTwin(now=lambda: LATER) as twin:
        seed_payments(twin.ledger, PAYMENTS, spacing_seconds=1200)
        yield twin


@pytest.fixture
def calm(seeded):
    """The seeded twin without faults, without readers left over, and with fresh statistics."""
    _wait_for_readers()
    seeded.stats.clear()
    yield seeded
    seeded.faults.clear()


def _wait_for_readers():
    """Return when no thread of a reader is left; one that was given up ends with its request."""
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("stripe-charges") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a reading thread is still there"
        threading.Event().wait(0.01)


def _source(twin, **options):
    return live_payment_source(READER_KEY, api_base=twin.base_url, **options)


def _read(source, object_type="charges", *, before=LATER, start=None, stats=None):
    stats = stats or ListStats()
    pages = source.list_objects(object_type, created_before=before, created_from=start, stats=stats)
    return [record for page in pages for record in page]


def _expected(twin, object_type, *, before=LATER, start=None):
    low = start.timestamp() if start else 0
    return {e.id for e in twin.ledger.entries(KINDS[object_type]) if low <= e["created"] < before.timestamp()}


@pytest.mark.parametrize("concurrency", [1, 3, 8])
@pytest.mark.parametrize("object_type", TYPES)
def test_a_whole_list_is_read_exactly_once(calm, object_type, concurrency):
    """Every object, none twice, with the content the SDK sees; close to the fewest requests possible."""
    stats = ListStats()
    found = _read(_source(calm, concurrency=concurrency), object_type, stats=stats)
    assert {record["id"] for record in found} == _expected(calm, object_type)
    assert len(found) == len(_expected(calm, object_type)) == stats.objects
    sdk = stripe.StripeClient(READER_KEY, base_addresses={"api": calm.base_url})
    sample = found[len(found) // 2]
    assert orjson.loads(sdk.raw_request("get", f"/v1/{object_type}/{sample['id']}").body) == sample
    assert stats.requests <= len(found) / 100 + 4 * concurrency + 2
    assert calm.stats.requests[f"GET {object_type}"] == stats.requests + 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bounds=st.tuples(st.integers(-3600, PAYMENTS * 1200), st.integers(-3600, PAYMENTS * 1200)),
    micros=st.sampled_from([0, 1, 999_999]),
)
def test_any_stretch_of_time_is_read_exactly(calm, bounds, micros):
    """[from, before) to the microsecond, empty stretches included."""
    start = SEED_START + timedelta(seconds=bounds[0], microseconds=micros)
    before = SEED_START + timedelta(seconds=bounds[1], microseconds=micros)
    found = [record["id"] for record in _read(_source(calm), start=start, before=before)]
    assert len(found) == len(set(found))
    assert set(found) == _expected(calm, "charges", start=start, before=before)


def test_an_empty_list_is_empty(twin):
    """No objects is an answer, from a source that was read."""
    assert _read(_source(twin)) == []


def test_objects_made_while_reading_do_not_disturb(calm):
    """New charges after the instant of the read are neither read nor make others be missed."""
    end = SEED_START + timedelta(seconds=PAYMENTS * 1200)
    pages = _source(calm, concurrency=2).list_objects("charges", created_before=end, stats=ListStats())
    expected = _expected(calm, "charges", before=end)
    found = [record["id"] for record in next(pages)]
    with calm.ledger.lock:
        for second in range(500):
            calm.ledger.add(KINDS["charges"], int(end.timestamp()) + second, {"livemode": False})
    found += [record["id"] for page in pages for record in page]
    assert sorted(found) == sorted(expected)


TRANSIENT = {
    "500": lambda faults: faults.fail(500, skip=3, times=2),
    "503": lambda faults: faults.fail(503, times=3),
    "409": lambda faults: faults.fail(409, skip=1),
    "disconnect": lambda faults: faults.spoil(FaultAction.DISCONNECT, skip=2, times=2),
    "truncated": lambda faults: faults.spoil(FaultAction.TRUNCATED, skip=2, times=2),
    "cut": lambda faults: faults.spoil(FaultAction.CUT, skip=2, times=2),
    "malformed": lambda faults: faults.spoil(FaultAction.MALFORMED, skip=1),
    "429": lambda faults: faults.fail(429, skip=2, times=4, retry_after="0.05"),
    "429 without a hint": lambda faults: faults.fail(429, skip=2, times=1),
}


@pytest.mark.parametrize("fault", sorted(TRANSIENT))
def test_a_passing_fault_costs_time_not_objects(calm, fault):
    """Whatever breaks on the way, the list that comes is the whole list."""
    TRANSIENT[fault](calm.faults)
    stats = ListStats()
    found = _read(_source(calm), stats=stats)
    assert {record["id"] for record in found} == _expected(calm, "charges")
    assert len(found) == stats.objects == len(_expected(calm, "charges"))
    assert stats.retries >= 1


def test_a_limit_is_no_failed_attempt(calm):
    """However often the server says "later", the reader comes back until its time is over."""
    calm.faults.fail(429, times=12, retry_after="0.01")
    stats = ListStats()
    assert len(_read(_source(calm, concurrency=1), "payouts", stats=stats)) == len(_expected(calm, "payouts"))
    assert stats.retries == 12


LASTING = {
    "500": (lambda faults: faults.fail(500, skip=4, times=None), "unavailable"),
    "disconnect": (lambda faults: faults.spoil(FaultAction.DISCONNECT, skip=4, times=None), "unavailable"),
    "truncated": (lambda faults: faults.spoil(FaultAction.TRUNCATED, times=None), "unavailable"),
    "cut": (lambda faults: faults.spoil(FaultAction.CUT, times=None), "bad-response"),
    "malformed": (lambda faults: faults.spoil(FaultAction.MALFORMED, skip=4, times=None), "bad-response"),
    "empty object": (lambda faults: faults.spoil(FaultAction.BODY, times=None, body=b"{}"), "bad-response"),
    "429": (lambda faults: faults.fail(429, skip=4, times=None, retry_after="0.3"), "rate-limited"),
    "hang": (lambda faults: faults.spoil(FaultAction.HANG, skip=4, times=None), "timeout"),
}


@pytest.mark.parametrize("fault", sorted(LASTING))
def test_a_lasting_fault_is_an_error_within_the_deadline(calm, fault, monkeypatch):
    """The reader says why, in time, and never ends as if the list were whole."""
    monkeypatch.setattr("resources.stripe.pages.FIRST_WAIT_SECONDS", 0.01)
    ask, reason = LASTING[fault]
    request, patience = urllib3.PoolManager.request, []

    def noted(pool, *asked, timeout, **options):
        patience.append(timeout)
        return request(pool, *asked, timeout=timeout, **options)

    monkeypatch.setattr(urllib3.PoolManager, "request", noted)
    ask(calm.faults)
    with pytest.raises(SourceUnreadableError) as failure:
        _read(_source(calm, deadline_seconds=1.0))
    assert failure.value.reason == reason
    assert failure.value.is_transient
    # One request alone may take 30 seconds when nobody looks at the deadline.
    assert all(timeout.connect_timeout <= 1 and timeout.read_timeout <= 1 for timeout in patience)
    assert patience
    assert "charges" in str(failure.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"object":"list","data":[],"has_more":true,"url":"/v1/charges"}',
        b'{"object":"list","data":[{"id":"ch_1","created":4000000000}],"has_more":false}',
        b'{"object":"list","data":[{"id":"ch_1"}],"has_more":false}',
        b'{"object":"list","data":[{"id":"ch_1","created":1767225600,"livemode":true}],"has_more":false}',
        b'{"object":"list","data":[%s],"has_more":false}'
        % b",".join(b'{"id":"ch_1","created":1767225600,"amount":%d}' % amount for amount in (1, 2)),
    ],
)
def test_a_page_that_cannot_be_right_is_an_error(calm, body):
    """More announced but none sent; outside the time; no identity; wrong mode; one id, two contents."""
    calm.faults.spoil(FaultAction.BODY, body=body)
    with pytest.raises(SourceUnreadableError) as failure:
        _read(_source(calm))
    assert failure.value.reason == "bad-response"


def test_where_auto_paging_would_call_a_cut_list_whole(calm):
    """The SDK ends quietly at an empty page that announces more: why the studio has its own reader."""
    cut = b'{"object":"list","data":[],"has_more":true,"url":"/v1/charges"}'
    calm.faults.spoil(FaultAction.BODY, skip=2, body=cut)
    sdk = stripe.StripeClient(READER_KEY, base_addresses={"api": calm.base_url})
    assert len(list(sdk.v1.charges.list({"limit": 100}).auto_paging_iter())) == 200
    calm.faults.spoil(FaultAction.BODY, skip=2, body=cut)
    with pytest.raises(SourceUnreadableError, match="announced more"):
        _read(_source(calm))


@pytest.mark.parametrize(
    ("key", "words"),
    [("rk_test_noaccess_0001", "may not read charges"), ("rk_test_", "does not know the key")],
)
def test_a_refused_key_is_told_apart(calm, key, words):
    """Missing permission and unknown key: both final, each with its remedy, neither with the key in it."""
    client = stripe.StripeClient(
        key, http_client=ReadOnlyTransport(calm.base_url), base_addresses={"api": calm.base_url}
    )
    with pytest.raises(SourceUnreadableError, match=words) as failure:
        _read(LivePaymentSource(client, is_live_mode=False))
    assert (failure.value.reason, failure.value.is_transient) == ("permission-denied", False)
    assert key not in str(failure.value)
    assert calm.stats.requests["GET charges"] == 1


def test_a_full_access_key_never_gets_as_far_as_a_request(calm):
    """Refused when the source is made."""
    with pytest.raises(KeyRefusedError):
        live_payment_source("sk_test_twin_world_0001", api_base=calm.base_url)
    assert not calm.stats.requests


def test_a_type_that_is_no_list_is_a_mistake_of_ours(calm):
    """Nothing else can be asked for, so no path can be smuggled in."""
    for name in ("invoices", "charges/../refunds", "charges?limit=1", ""):
        with pytest.raises(ValueError, match="not a list"):
            _read(_source(calm), name)
    with pytest.raises(ValueError, match="time zone"):
        _read(_source(calm), before=datetime(2026, 1, 1))  # noqa: DTZ001 - the naive time is the point


def test_the_rate_limit_is_kept_over_all_threads(calm):
    """A server that allows 40 a second never has to refuse a reader that asks 30 times a second."""
    calm.faults.requests_per_second = 40
    client = _source(calm)._client
    source = LivePaymentSource(client, is_live_mode=False, requests_per_second=30)
    lists = [ListStats() for _ in range(3)]
    threads = [threading.Thread(target=_read, args=(source,), kwargs={"stats": stats}) for stats in lists]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - started
    assert [stats.retries for stats in lists] == [0, 0, 0]
    assert sum(stats.requests for stats in lists) <= 5 + 30 * took + 1
    assert {stats.objects for stats in lists} == {len(_expected(calm, "charges"))}


def test_a_limit_of_the_server_is_waited_out(calm):
    """When the server allows less than expected, the read is slower but whole."""
    calm.faults.requests_per_second = 6
    stats = ListStats()
    found = _read(_source(calm), stats=stats)
    assert {record["id"] for record in found} == _expected(calm, "charges")
    assert stats.retries > 0


def test_a_caller_that_stops_early_leaves_nothing_running(calm):
    """Closing the iterator ends the reading; no thread goes on asking."""
    calm.faults.latency_seconds = 0.05
    pages = _source(calm).list_objects("charges", created_before=LATER, stats=ListStats())
    next(pages)
    pages.close()
    _wait_for_readers()


class _LockStep:
    """Lets one request through each time the reader has begun all it wants to have under way and waits."""

    def __init__(self):
        self._send, self._wait = ReadOnlyTransport.request, wait
        self._changed = threading.Condition()
        self._wanted = self._held = self.most = 0
        self._gave_up = False

    def wait(self, running, **options):
        with self._changed:
            self._wanted = len(running)
            self._changed.notify_all()
        return self._wait(running, **options)

    def request(self, *arguments, **options):
        with self._changed:
            self._held += 1
            self._changed.notify_all()
            self._gave_up |= not self._changed.wait_for(self._may_pass, timeout=20)
            self.most = max(self.most, self._held)
            self._held -= 1
            self._wanted = 0
        return self._send(*arguments, **options)

    def _may_pass(self):
        return self._gave_up or self._held == self._wanted


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_windows_hide_latency(calm, monkeypatch, concurrency):
    """While answers do not come, as many requests as allowed are under way at once, and never one more."""
    step = _LockStep()
    monkeypatch.setattr("resources.stripe.pages.PAGE_SIZE", 10)  # so that there is enough to ask for
    monkeypatch.setattr("resources.stripe.live.wait", step.wait)

    def request(transport, *arguments, **options):
        return step.request(transport, *arguments, **options)

    monkeypatch.setattr(ReadOnlyTransport, "request", request)
    found = _read(_source(calm, concurrency=concurrency))
    assert {record["id"] for record in found} == _expected(calm, "charges")
    assert step.most == concurrency


def test_reading_never_writes(calm):
    """After everything the reader can do, the twin has seen only GETs."""
    for object_type in TYPES:
        _read(_source(calm), object_type)
    assert {request.split()[0] for request in calm.stats.requests} == {"GET"}
    assert calm.stats.refused_writes == 0


def test_no_object_and_no_key_reaches_the_log(calm, caplog):
    """The SDK logs bodies at debug level; through our transport it has none to log."""
    caplog.set_level(logging.DEBUG)
    _read(_source(calm))
    text = caplog.text + str([record.args for record in caplog.records])
    assert "member" not in text
    assert READER_KEY not in text
    assert "balance_transaction" not in text
