"""Findings: what is open is what the detector last found, however often and in whatever way it was told.

Over 400 lines because the sequences, cuts and races are all held to the one list of what is open.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from resources.findings import Applied, FindingEvidence, FindingState, Severity, finding_hash
from resources.postgres.engine import app_engine as engine_for
from resources.postgres.errors import HistoryRefusedError, ServerUnreachableError
from resources.postgres.findings import Findings
from tests.integration.postgres.samples import NOON, make_finding

pytestmark = pytest.mark.integration
STUDIO = "monsoonfire"
KINDS = ("battery_low", "device_offline")
SUBJECTS = ("hubitat/1", "hubitat/2", "roborock/ü")
OPEN, RESOLVED = FindingState.OPEN, FindingState.RESOLVED
_TOLD = {"run_id": "run-1", "code_version": "1"}


@pytest.fixture
def findings(app_engine):
    return Findings(app_engine, STUDIO)


@pytest.fixture
def tell(findings):
    """Return a function that applies what the detector finds, a minute later each time."""
    minutes = iter(range(1_000_000))

    def apply(*present, **more):
        at = more.pop("at", None) or NOON + timedelta(minutes=next(minutes))
        return findings.apply("operations", "devices", present, at=at, **_TOLD, **more)

    return apply


def _last(engine):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT COALESCE(max(number), 0) FROM studio.findings"))


def _states(findings, finding_id):
    return [one.state for one in findings.revisions(finding_id)]


def test_a_finding_lives_its_whole_life(findings, tell):
    """Each change is a revision of the same id; what is the same again is none."""
    found = make_finding()
    assert tell(found) == Applied(opened=1)
    assert tell(found) == Applied(unchanged=1)
    assert tell(make_finding(observed=9.0)) == Applied(changed=1)
    assert tell() == Applied(resolved=1)
    assert tell() == Applied()
    assert findings.open() == []
    assert findings.current(found.finding_id).state is RESOLVED
    assert tell(found) == Applied(opened=1)
    (kept,) = findings.open("operations")
    assert (kept.finding_id, kept.revision, kept.number) == (found.finding_id, 4, 4)
    assert _states(findings, found.finding_id) == [OPEN, OPEN, RESOLVED, OPEN]


def test_a_finding_comes_back_as_it_was_told(findings, tell):
    """Every field survives storage; only an unknown beginning is filled in."""
    bare = make_finding(
        subject_id="13", expected=None, observed="wheel jammed ü", unit=None, capability_id=None, evidence=()
    )
    full = make_finding(
        since=NOON - timedelta(hours=3),
        capability_id="hubitat.devices.read",
        evidence=(FindingEvidence("a/b", "3", "12"), FindingEvidence("a/b", "sha256:00")),
    )
    tell(full, bare, at=NOON)
    stored = {one.finding_id: one for one in findings.open()}
    assert stored[full.finding_id].finding == full
    assert stored[bare.finding_id].finding == replace(bare, since=NOON)
    one = stored[bare.finding_id]
    assert (one.run_id, one.code_version, one.observed_at) == ("run-1", "1", NOON)
    assert one == findings.current(one.finding_id) == findings.revisions(one.finding_id)[-1]
    assert findings.current("fnd_" + "0" * 26) is None


def test_when_it_began_is_kept_while_it_is_open(findings, tell):
    """A detector that does not know when it began is told once; a new opening begins anew."""
    tell(make_finding(), at=NOON)
    tell(make_finding(observed=9.0), at=NOON + timedelta(hours=1))
    assert [one.finding.since for one in findings.open()] == [NOON]
    tell(at=NOON + timedelta(hours=2))
    assert findings.current(make_finding().finding_id).finding.since == NOON
    tell(make_finding(observed=9.0), at=NOON + timedelta(hours=3))
    assert [one.finding.since for one in findings.open()] == [NOON + timedelta(hours=3)]
    told = NOON + timedelta(hours=1)
    assert tell(make_finding(since=told), at=NOON + timedelta(hours=4)) == Applied(changed=1)
    assert [one.finding.since for one in findings.open()] == [told]


def test_newer_evidence_of_the_same_is_no_news(findings, tell):
    tell(make_finding())
    newer = make_finding(evidence=(FindingEvidence("studio/cloud_truth/hubitat_devices", "4", "12"),))
    assert tell(newer) == Applied(unchanged=1)
    assert tell(make_finding(severity=Severity.HIGH)) == Applied(changed=1)


def test_only_what_was_looked_at_is_resolved(findings, tell):
    """A device that could not be read keeps its finding; another detector's are never touched."""
    seen, unseen = make_finding(subject_id="1"), make_finding(subject_id="2")
    tell(seen, unseen)
    other = replace(seen, detector="others")
    findings.apply("operations", "others", [other], at=NOON, **_TOLD)
    elsewhere = replace(seen, department="finance")
    findings.apply("finance", "devices", [elsewhere], at=NOON, **_TOLD)
    assert tell(scope=["1"]) == Applied(resolved=1)
    assert tell(scope=[]) == Applied()
    opened = {one.finding_id for one in findings.open()}
    assert opened == {unseen.finding_id, other.finding_id, elsewhere.finding_id}
    assert [one.finding_id for one in findings.open("finance")] == [elsewhere.finding_id]


def test_what_nothing_could_be_told_of_stays(findings, tell):
    """By id, whatever else is resolved; what is found all the same is told."""
    kept, gone = (make_finding(subject_id=name) for name in ("1", "2"))
    assert tell(kept, gone) == Applied(opened=2)
    assert tell(besides=[kept.finding_id]) == Applied(resolved=1)
    assert _states(findings, kept.finding_id) == [OPEN]
    assert tell(make_finding(subject_id="1", observed=9.0), besides=[kept.finding_id]) == Applied(changed=1)
    assert tell() == Applied(resolved=1)


def test_what_is_resolved_keeps_all_that_was_said_of_it(findings, tell, app_engine, monkeypatch):
    """Copied where it is, some at a time: every word, number and link of it, and the hash that follows."""
    monkeypatch.setattr("resources.postgres.findings._MOST_AT_ONCE", 2)
    money = {"expected": None, "observed": "words", "unit": None, "currency": "usd", "observed_cents": 2**62}
    differing = ({}, {"observed": 9.5}, {"expected": "üblich", "observed": None}, money, {"evidence": ()})
    said = [make_finding(subject_id=str(number), **more) for number, more in enumerate(differing)]
    tell(*said)
    before = {one.finding_id: one for one in findings.open()}
    assert tell() == Applied(resolved=5)
    after = [findings.current(one.finding_id) for one in said]
    for one in after:
        was = before[one.finding_id]
        assert (one.finding, one.state, one.revision) == (was.finding, RESOLVED, 2)
        assert one.content_hash == finding_hash(was.finding, RESOLVED, was.finding.since)
        assert one.observed_at > was.observed_at
    assert sorted(one.number for one in after) == [6, 7, 8, 9, 10]
    assert _last(app_engine) == 10


def test_what_is_newer_stays(findings, tell):
    """A run that was overtaken neither opens, changes nor resolves what a later look decided."""
    later, earlier = NOON + timedelta(hours=1), NOON
    tell(make_finding(subject_id="1"), make_finding(subject_id="2"), at=later)
    tell(make_finding(subject_id="1"), at=later + timedelta(minutes=1))
    before = findings.open()
    applied = tell(make_finding(subject_id="2"), make_finding(subject_id="3"), at=earlier)
    assert applied == Applied(opened=1, late=2)
    assert [one.finding.subject_id for one in findings.open()] == ["3", "1"]
    assert before[0] in findings.open()


def test_the_worst_and_oldest_come_first(findings, tell):
    kinds = [("low", 5), ("critical", 1), ("high", 2), ("high", 3), ("medium", 9)]
    found = [
        make_finding(subject_id=str(number), severity=severity, since=NOON - timedelta(hours=hours))
        for number, (severity, hours) in enumerate(kinds)
    ]
    tell(*found)
    assert [one.finding.subject_id for one in findings.open()] == ["1", "3", "2", "4", "0"]


@pytest.mark.parametrize(
    ("present", "words"),
    [
        ([make_finding(detector="others")], "as one of devices"),
        ([make_finding(department="finance")], "as one of devices"),
        ([make_finding(), make_finding(observed=3.0)], "twice"),
    ],
)
def test_what_contradicts_itself_is_refused_whole(findings, tell, present, words):
    with pytest.raises(ValueError, match=words):
        tell(make_finding(subject_id="99"), *present)
    assert findings.open() == []


def test_an_instant_without_zone_is_refused(tell):
    with pytest.raises(ValueError, match="time zone"):
        tell(at=NOON.replace(tzinfo=None))


_PRESENT = st.dictionaries(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(SUBJECTS)), st.sampled_from([1.0, 2.0, "gone"])
)


def _found(present):
    return [
        make_finding(kind=kind, subject_id=subject, observed=observed)
        for (kind, subject), observed in present.items()
    ]


def _open(findings):
    return {(one.finding.kind, one.finding.subject_id): one.finding.observed for one in findings.open()}


class _CutError(Exception):
    """Stands for a process that ends in the middle of a transaction."""


class _Cut:
    """Ends the next apply at its n-th statement."""

    def __init__(self, engine):
        self.left = None
        event.listen(engine, "before_cursor_execute", self)

    def __call__(self, *_):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise _CutError


@pytest.fixture
def cut(app_engine):
    return _Cut(app_engine)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(_PRESENT, st.integers(0, 5), st.booleans()), min_size=1, max_size=8))
def test_what_is_open_is_what_was_found_last(findings, tell, cut, app_engine, steps):
    """However often each set is applied, and wherever a run before it was cut off."""
    for present, statements, is_again in steps:
        before, earlier = _last(app_engine), _open(findings)
        cut.left = statements
        try:
            tell(*_found(present))
        except _CutError:
            assert _last(app_engine) == before
            assert _open(findings) == earlier
        cut.left = None
        tell(*_found(present))
        assert _open(findings) == present
        differing = {key for key in earlier.keys() | present.keys() if earlier.get(key) != present.get(key)}
        numbers = [one.number for one in findings.changes_after(before)]
        assert numbers == list(range(before + 1, before + 1 + len(differing)))
        if is_again:
            assert tell(*_found(present)) == Applied(unchanged=len(present))
            assert _last(app_engine) == before + len(differing)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    presents=st.lists(st.tuples(_PRESENT, st.sets(st.sampled_from(SUBJECTS))), max_size=6),
)
def test_partial_looks_touch_only_their_scope(findings, tell, presents):
    """A model of a few lines says the same: outside the scope nothing goes away."""
    tell()
    model = {}
    for present, scope in presents:
        tell(*_found(present), scope=scope)
        model = {key: value for key, value in model.items() if key[1] not in scope} | present
        assert _open(findings) == model
    tell()
    assert _open(findings) == {}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(presents=st.lists(_PRESENT, min_size=1, max_size=6), page=st.integers(1, 4))
def test_a_reader_by_number_sees_every_change_once_and_in_order(findings, tell, presents, page):
    """Following the changes page by page rebuilds what is open."""
    seen, number = {}, _last(findings._engine)
    for one in findings.open():
        seen[one.finding_id] = one
    for present in presents:
        tell(*_found(present))
        while changes := findings.changes_after(number, page, department="operations"):
            assert len(changes) <= page
            for one in changes:
                assert one.number > number
                number = one.number
                seen[one.finding_id] = one
        is_open = {key for key, one in seen.items() if one.state is OPEN}
        assert is_open == {one.finding_id for one in findings.open()}
    assert findings.changes_after(number) == []
    assert findings.changes_after(0, department="finance") == []


def test_a_late_commit_is_never_passed_over(postgres_url, findings):
    """While one transaction holds numbers, the next waits; so a reader never sees a gap that fills later."""
    first, second = (engine_for(postgres_url, STUDIO) for _ in range(2))
    written, go_on = threading.Event(), threading.Event()

    @event.listens_for(first, "commit")
    def _wait(_):
        if not written.is_set():
            written.set()
            assert go_on.wait(30)

    try:
        with ThreadPoolExecutor(2) as pool:
            slow = pool.submit(
                Findings(first, STUDIO).apply,
                "operations",
                "a",
                [make_finding(detector="a")],
                at=NOON,
                **_TOLD,
            )
            assert written.wait(30)
            quick = pool.submit(
                Findings(second, STUDIO).apply, "finance", "b",
                [make_finding(department="finance", detector="b")], at=NOON, **_TOLD,
            )  # fmt: skip
            _until_somebody_waits(findings)
            assert findings.changes_after(0) == []
            assert not quick.done()
            go_on.set()
            assert slow.result(30) == quick.result(30) == Applied(opened=1)
        assert [(one.number, one.finding.detector) for one in findings.changes_after(0)] == [
            (1, "a"),
            (2, "b"),
        ]
    finally:
        go_on.set()
        first.dispose()
        second.dispose()


def _until_somebody_waits(findings):
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    for _ in range(10_000):
        with findings._engine.connect() as connection:
            if connection.scalar(query):
                return
    pytest.fail("nobody waits")


def test_many_detectors_at_once_lose_nothing(postgres_url, findings):
    """Eight processes with the same and with different findings: one of each, numbers without gaps."""
    engines = [engine_for(postgres_url, STUDIO) for _ in range(8)]

    def run(number):
        detector = f"d{number % 4}"
        present = [make_finding(detector=detector, subject_id=str(each)) for each in range(20)]
        return Findings(engines[number], STUDIO).apply("operations", detector, present, at=NOON, **_TOLD)

    try:
        with ThreadPoolExecutor(8) as pool:
            applied = list(pool.map(run, range(8)))
    finally:
        for engine in engines:
            engine.dispose()
    assert sorted(one.opened for one in applied) == [0] * 4 + [20] * 4
    assert [one.number for one in findings.changes_after(0, 1000)] == list(range(1, 81))


def test_studios_do_not_share_findings(findings, tell, postgres_url):
    """The same thing may be found in two studios; neither sees, resolves or numbers with the other."""
    tell(make_finding())
    engine = engine_for(postgres_url, "claycorner")
    theirs = Findings(engine, "claycorner")
    assert theirs.apply("operations", "devices", [], at=NOON, **_TOLD) == Applied()
    assert theirs.apply("operations", "devices", [make_finding()], at=NOON, **_TOLD) == Applied(opened=1)
    assert [one.number for one in theirs.changes_after(0)] == [1]
    liar = Findings(engine, STUDIO)
    assert liar.open() == []
    assert liar.changes_after(0) == []
    with pytest.raises(HistoryRefusedError):
        liar.apply("operations", "devices", [make_finding(subject_id="77")], at=NOON, **_TOLD)
    assert len(findings.open()) == 1
    engine.dispose()


_COPY = (
    "INSERT INTO studio.findings (studio_id, number, finding_id, revision, department, detector, kind, "
    "subject_kind, subject_id, severity, confidence, state, since, likely_cause, next_step, evidence, "
    "content_hash, observed_at, run_id, code_version) "
    "SELECT studio_id, {number}, {finding_id}, {revision}, department, {detector}, kind, "
    "subject_kind, {subject_id}, {severity}, {confidence}, {state}, since, {words}, next_step, {evidence}, "
    "{content_hash}, {observed_at}, run_id, code_version FROM studio.findings"
)
_NEXT = {
    "number": "number + 1",
    "finding_id": "finding_id",
    "revision": "revision + 1",
    "detector": "detector",
    "subject_id": "subject_id",
    "severity": "severity",
    "confidence": "confidence",
    "state": "'resolved'",
    "words": "likely_cause",
    "evidence": "evidence",
    "content_hash": "repeat('0', 64)",
    "observed_at": "observed_at",
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"number": "number"}, "number_key"),
        ({"number": "number + 2"}, "number_follows"),
        ({"number": "0"}, "number_check"),
        ({"revision": "revision + 2"}, "no_gap"),
        ({"revision": "revision", "state": "'open'"}, "findings_pkey"),
        ({"content_hash": "content_hash"}, "says the same"),
        ({"observed_at": "observed_at - interval '1 second'"}, "is older"),
        ({"detector": "'others'"}, "of another thing"),
        ({"subject_id": "'77'"}, "of another thing"),
        ({"finding_id": "'fnd_' || repeat('0', 26)", "revision": "1"}, "begin_open"),
        ({"finding_id": "'fnd_' || repeat('u', 26)", "revision": "1", "state": "'open'"}, "finding_id_check"),
        ({"severity": "'dire'"}, "severity_check"),
        ({"confidence": "1.5"}, "confidence_check"),
        ({"state": "'closed'"}, "state_check"),
        ({"words": "''"}, "likely_cause_check"),
        ({"words": "E'a\\nb'"}, "likely_cause_check"),
        ({"words": "repeat('a', 501)"}, "likely_cause_check"),
        ({"evidence": "'{}'"}, "evidence_check"),
        ({"content_hash": "'x'"}, "content_hash_check"),
    ],
)
def test_the_database_itself_refuses_what_breaks_a_rule(findings, tell, app_engine, change, words):
    """Also from a client that does not know the rules."""
    tell(make_finding())
    with pytest.raises(DBAPIError, match=words), app_engine.begin() as connection:
        connection.execute(text(_COPY.format(**(_NEXT | change))))
    assert len(findings.changes_after(0)) == 1
    with app_engine.begin() as connection:
        connection.execute(text(_COPY.format(**_NEXT)))  # without the change it is taken
    assert findings.open() == []


@pytest.mark.parametrize("change", ["UPDATE {} SET run_id = 'x'", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize("table", ["findings", "connector_readings", "connector_confirmations"])
def test_the_runtime_cannot_rewrite(app_engine, table, change):
    with pytest.raises(DBAPIError, match="permission denied"), app_engine.begin() as connection:
        connection.execute(text(change.format(f"studio.{table}")))


def test_a_database_that_does_not_answer_is_said_to(postgres_server):
    engine = engine_for("postgresql://ann:canary-9x@/studio?host=/nowhere", STUDIO)
    with pytest.raises(ServerUnreachableError, match="Nothing was changed") as refused:
        Findings(engine, STUDIO).apply("operations", "devices", [], at=NOON, **_TOLD)
    assert "canary-9x" not in str(refused.value)


def test_five_thousand_unchanged_findings_take_one_pass(findings, tell, app_engine):
    """Two statements, however many findings there are: the lock, and one look at what is known."""
    found = [make_finding(subject_id=str(number)) for number in range(5_000)]
    assert tell(*found) == Applied(opened=5_000)
    statements = []
    event.listen(app_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    assert tell(*found) == Applied(unchanged=5_000)
    assert len(statements) == 2


@pytest.mark.parametrize("table", ["findings", "connector_readings"])
def test_the_row_before_is_looked_up_by_key_even_without_statistics(app_engine, table):
    """Otherwise a big first write costs a pass over all rows for every row."""
    key = "finding_id" if table == "findings" else "connector_id"
    with app_engine.connect() as connection:
        connection.execute(text("SET plan_cache_mode = force_generic_plan"))
        connection.exec_driver_sql(
            f"PREPARE one (text, text, integer) AS SELECT * FROM studio.{table} AS t "  # noqa: S608 - our names
            f"WHERE t.studio_id = $1 AND t.{key} = $2 AND t.revision = $3"
        )
        plan = connection.exec_driver_sql("EXPLAIN EXECUTE one ('monsoonfire', 'x', 1)").scalars().all()
    assert f"Index Scan using {table}_pkey" in "\n".join(plan)


def test_money_is_kept_to_the_cent(findings, tell, app_engine):
    """Amounts come back as they went in, beyond what a float could hold, also when they are resolved."""
    money = {"expected_cents": 2**53 + 1, "observed_cents": -1, "currency": "usd"}
    tell(make_finding(expected=None, observed=None, unit=None, **money))
    tell()
    for kept in findings.changes_after(0):
        assert {name: getattr(kept.finding, name) for name in money} == money
    with app_engine.connect() as connection:
        seen = connection.execute(text("SELECT expected_cents, currency FROM analytics.findings")).one()
    assert tuple(seen) == (2**53 + 1, "usd")
