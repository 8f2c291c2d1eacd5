"""History keeps what it is given, says it back, and writes nothing twice."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.postgres.errors import HistoryRefusedError, ServerUnreachableError
from resources.postgres.history import History
from resources.rows import (
    Completeness,
    CounterChange,
    DriftMetric,
    OperationalEvent,
    QuarantinedDocument,
    SnapshotDiff,
)
from tests.integration.postgres.samples import DAY, NOON, failed, make_read, sha

pytestmark = pytest.mark.integration

PROVENANCE = {"run_id": "run-1", "code_version": "1"}


# Reads


def test_a_read_comes_back_as_it_was_kept(history):
    assert history.record_read(make_read(), "run-1", "1") == 1
    assert history.latest_read("firestore", "batches") == make_read()


def test_a_read_of_the_same_instant_gets_the_next_revision_and_wins(history):
    """A past day that failed to read is read again at the same instant."""
    history.record_read(failed(), "run-1", "1")
    assert history.record_read(make_read(), "run-2", "1") == 2
    assert history.latest_read("firestore", "batches").completeness is Completeness.FULL


def test_a_failed_read_is_newest_but_the_last_full_one_is_found(history):
    history.record_read(make_read(), "run-1", "1")
    later = failed(read_at=NOON + timedelta(minutes=15))
    history.record_read(later, "run-2", "1")
    assert history.latest_read("firestore", "batches") == later
    assert history.latest_read("firestore", "batches", completeness=Completeness.FULL) == make_read()


def test_the_newest_read_is_by_the_instant_it_shows_not_by_when_it_was_made(history):
    """Past days are filled in after today was read."""
    history.record_read(make_read(), "run-1", "1")
    past = make_read(read_at=NOON - timedelta(days=3), snapshot_date=DAY - timedelta(days=3))
    history.record_read(past, "run-2", "1")
    assert history.latest_read("firestore", "batches") == make_read()
    assert history.latest_read("firestore", "batches", snapshot_date=past.snapshot_date) == past


def test_the_newest_read_of_every_collection(history):
    reads = [
        make_read(source="stripe", name="charges"),
        make_read(name="kilns"),
        make_read(),
        make_read(name="kilns", read_at=NOON - timedelta(hours=1)),
        failed(name="events"),
    ]
    for read in reads:
        history.record_read(read, "run-1", "1")
    assert [r.name for r in history.latest_reads()] == ["batches", "events", "kilns", "charges"]
    assert history.latest_reads()[2] == reads[1]
    full = history.latest_reads(completeness=Completeness.FULL)
    assert [r.name for r in full] == ["batches", "kilns", "charges"]
    assert history.latest_reads(snapshot_date=DAY + timedelta(days=1)) == []


def test_nothing_read_is_none_not_an_empty_read(history):
    assert history.latest_read("firestore", "batches") is None
    assert history.latest_reads() == []


def test_ids_that_no_database_can_hold_are_kept_readable(history):
    """A document id may hold NUL or half a surrogate pair; the whole read must not fail for it."""
    odd = (QuarantinedDocument("id\x00\ud800", "a\x00", "is no text\x00"),)
    history.record_read(make_read(quarantined=odd, warnings={"a\x00: b": 1}), "run-1", "1")
    kept = history.latest_read("firestore", "batches")
    assert kept.quarantined == (QuarantinedDocument("id\\x00\\xd800", "a\\x00", "is no text\\x00"),)
    assert kept.warnings == {"a\\x00: b": 1}


def test_many_quarantined_documents_keep_their_order(history):
    many = tuple(QuarantinedDocument(f"d{number}", "state", "is missing") for number in range(3000))
    history.record_read(make_read(quarantined=many), "run-1", "1")
    assert history.latest_read("firestore", "batches").quarantined == many


@pytest.mark.parametrize(
    "broken",
    [
        make_read(content_hash=None),
        make_read(reason="but it is full"),
        failed(reason=None),
        make_read(completeness=Completeness.PARTIAL, reason="cut off"),
        make_read(documents=-1),
        make_read(content_hash="not a hash"),
        make_read(name="Batches!"),
        make_read(seconds=-0.1),
    ],
    ids=lambda read: f"{read.completeness}-{read.reason}-{read.name}-{read.documents}",
)
def test_a_read_that_contradicts_itself_is_refused_whole(history, broken):
    """Only a full read has a hash, only a read that is not full has a reason, and so on."""
    with pytest.raises(HistoryRefusedError, match="Nothing of it was kept"):
        history.record_read(broken, "run-1", "1")
    assert history.latest_reads() == []


def test_an_instant_without_a_time_zone_is_refused(history):
    with pytest.raises(HistoryRefusedError, match="time zone"):
        history.record_read(make_read(read_at=datetime(2026, 3, 1)), "run-1", "1")  # noqa: DTZ001 - the point


# Snapshots


def test_the_same_content_makes_no_new_revision(take, history):
    first, is_new = take(content="a")
    again, is_new_again = take(content="a", observed_at=NOON + timedelta(minutes=15))
    assert (is_new, is_new_again) == (True, False)
    assert again == first
    assert history.revisions(DAY) == [first]


def test_changed_content_is_the_next_revision_also_when_it_changes_back(take, history):
    for content in ("a", "b", "a"):
        assert take(content=content)[1]
    assert [snapshot.revision for snapshot in history.revisions(DAY)] == [1, 2, 3]
    assert history.current_snapshot(DAY).content_hash == sha("a")
    assert history.snapshot(DAY, 2).content_hash == sha("b")
    assert history.snapshot(DAY, 4) is None


def test_a_snapshot_comes_back_whole(take, history):
    taken, _ = take(content="abc", counters={"counts.b": (2, "documents"), "finance.a": (-5, "cents")})
    assert history.current_snapshot() == taken
    assert taken.payload == {"schemaVersion": "v3.1", "content": "abc"}
    assert history.counters(taken) == {"counts.b": (2, "documents"), "finance.a": (-5, "cents")}


def test_the_newest_day_is_current_whenever_it_was_written(take, history):
    take(day=DAY)
    take(day=DAY - timedelta(days=5), observed_at=NOON + timedelta(days=1))
    assert history.current_snapshot().snapshot_date == DAY


def test_the_previous_snapshot_is_the_earlier_revision_or_the_latest_of_an_earlier_day(take, history):
    old, _ = take(day=DAY - timedelta(days=2), content="x")
    older_then, _ = take(day=DAY - timedelta(days=2), content="y")
    first, _ = take(content="a")
    second, _ = take(content="b")
    assert history.previous_snapshot(second) == first
    assert history.previous_snapshot(first) == older_then
    assert history.previous_snapshot(older_then) == old
    assert history.previous_snapshot(old) is None


def test_as_of_an_instant_shows_what_was_known_then(take, history):
    take(content="a", observed_at=NOON)
    take(content="b", observed_at=NOON + timedelta(hours=1))
    take(day=DAY + timedelta(days=1), content="c", observed_at=NOON + timedelta(days=1))
    assert history.as_of(NOON - timedelta(seconds=1)) is None
    assert history.as_of(NOON).payload["content"] == "a"
    assert history.as_of(NOON + timedelta(hours=2)).payload["content"] == "b"
    assert history.as_of(NOON + timedelta(days=2)).payload["content"] == "c"
    assert history.as_of(NOON + timedelta(days=2), DAY).payload["content"] == "b"


def test_snapshots_lists_the_newest_revision_of_each_day_newest_first(take, history):
    days = [DAY + timedelta(days=number) for number in (0, 1, 3)]
    for day in days:
        take(day=day, content="a")
    take(day=days[1], content="b")
    assert [(s.snapshot_date, s.revision) for s in history.snapshots()] == [
        (days[2], 1),
        (days[1], 2),
        (days[0], 1),
    ]
    assert [s.snapshot_date for s in history.snapshots(1)] == [days[2]]
    assert [s.snapshot_date for s in history.snapshots(before=days[2])] == [days[1], days[0]]
    assert history.missing_days(DAY, days[2]) == [DAY + timedelta(days=2)]
    assert history.missing_days(DAY, DAY) == []


def test_two_writers_with_the_same_content_make_one_revision(app_engine, take, history):
    """Both look, both see nothing, both write: the database lets one of them."""
    count = 12
    gate = threading.Barrier(count)
    results = []

    def write():
        gate.wait()
        results.append(take(content="a"))

    threads = [threading.Thread(target=write) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count
    assert sum(is_new for _, is_new in results) == 1
    assert len(history.revisions(DAY)) == 1


def test_many_writers_with_different_content_leave_no_gap(take, history):
    count = 12
    gate = threading.Barrier(count)

    def write(number):
        gate.wait()
        take(content=f"content {number}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [snapshot.revision for snapshot in history.revisions(DAY)] == list(range(1, count + 1))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc")), max_size=12), data=st.data())
def test_revisions_are_the_runs_of_equal_content(take, history, contents, data):
    """A naive list of what changed per day agrees with history, whatever the order of days."""
    base = DAY + timedelta(days=10 * len(history.snapshots(10_000)) + 10)  # fresh days for every example
    expected = {}
    for offset, content in contents:
        day = base + timedelta(days=offset)
        revisions = expected.setdefault(day, [])
        is_change = not revisions or revisions[-1] != content
        if is_change:
            revisions.append(content)
        snapshot, is_new = take(day=day, content=content)
        assert is_new is is_change
        assert snapshot.revision == len(revisions)
    for day, revisions in expected.items():
        assert [snapshot.payload["content"] for snapshot in history.revisions(day)] == revisions


# Diff, drift, events


def _diff(to, before, *changes, read_at=NOON):
    return SnapshotDiff(
        to_date=to.snapshot_date,
        to_revision=to.revision,
        to_read_at=read_at,
        from_date=before.snapshot_date if before else None,
        from_revision=before.revision if before else None,
        from_read_at=read_at - timedelta(days=1) if before else None,
        changes=changes,
        sources_changed=("batches",) if changes else (),
    )


def test_a_diff_comes_back_and_the_same_one_is_kept_once(take, history):
    first, _ = take(content="a")
    second, _ = take(content="bb")
    change = CounterChange("counts.batchesActive", 1, 2)
    diff = _diff(second, first, change)
    assert history.append_diff(diff, NOON, **PROVENANCE)
    assert history.diff_for(DAY, 2) == diff
    assert not history.append_diff(replace(diff, to_read_at=NOON + timedelta(hours=1)), NOON, **PROVENANCE)
    assert history.diff_for(DAY, 1) is None


def test_a_diff_with_a_day_filled_in_later_replaces_the_first_one(take, history):
    """The first snapshot ever has nothing before it, until history is filled in behind it."""
    today, _ = take(content="a")
    assert history.append_diff(_diff(today, None), NOON, **PROVENANCE)
    yesterday, _ = take(day=DAY - timedelta(days=1), content="b")
    diff = _diff(today, yesterday, CounterChange("counts.batchesActive", 3, 1))
    assert history.append_diff(diff, NOON, **PROVENANCE)
    assert history.diff_for(DAY, 1) == diff


def test_a_diff_against_a_later_snapshot_is_refused(take, history):
    first, _ = take(content="a")
    second, _ = take(content="b")
    with pytest.raises(HistoryRefusedError, match="studio_state_diffs_from_before_to"):
        history.append_diff(_diff(first, second), NOON, **PROVENANCE)


def test_a_change_that_changes_nothing_is_refused_with_its_whole_diff(take, history):
    today, _ = take()
    with pytest.raises(HistoryRefusedError, match="differ"):
        history.append_diff(_diff(today, None, CounterChange("counts.x", 1, 1)), NOON, **PROVENANCE)
    assert history.diff_for(DAY, 1) is None


def test_drift_is_kept_when_it_says_something_new(take, history):
    today, _ = take()
    agreed = [DriftMetric("counts.a", "firestore", 3, 3, is_drift=False, confidence=1.0)]
    apart = [DriftMetric("counts.a", "firestore", 4, 3, is_drift=True, confidence=0.5, note="read later")]
    assert history.append_drift(today, agreed, NOON, **PROVENANCE)
    assert not history.append_drift(today, agreed, NOON + timedelta(hours=1), **PROVENANCE)
    assert history.append_drift(today, apart, NOON + timedelta(hours=2), **PROVENANCE)
    assert history.drift_for(DAY, 1) == apart
    assert history.drift_for(DAY, 1)[0].delta == -1
    assert not history.append_drift(today, [], NOON, **PROVENANCE)
    assert history.drift_for(DAY, 2) == []


def test_drift_of_a_snapshot_that_does_not_exist_is_refused(take, history):
    today, _ = take()
    metric = DriftMetric("counts.a", "firestore", 3, 3, is_drift=False, confidence=1.0)
    with pytest.raises(HistoryRefusedError):
        history.append_drift(replace(today, revision=9), [metric], NOON, **PROVENANCE)


@pytest.mark.parametrize("confidence", [-0.01, 1.01])
def test_confidence_is_between_nought_and_one(take, history, confidence):
    today, _ = take()
    metric = DriftMetric("counts.a", "firestore", 3, 3, is_drift=False, confidence=confidence)
    with pytest.raises(HistoryRefusedError, match="confidence"):
        history.append_drift(today, [metric], NOON, **PROVENANCE)


def test_events_come_back_newest_first(history):
    events = [
        OperationalEvent(
            f"system:{word}:started", NOON + timedelta(minutes=number), {"n": number}, run_id=None
        )
        for number, word in enumerate(("database", "world", "web"))
    ]
    for event in events:
        history.record_event(event)
    assert history.events() == events[::-1]
    assert history.events(2) == [events[2], events[1]]
    assert history.events(name="system:world:started") == [events[1]]


@pytest.mark.parametrize("name", ["started", "a:b", "a:b:c:d", "a b:c:d", "::"])
def test_an_event_name_reads_subject_object_action(history, name):
    with pytest.raises(HistoryRefusedError, match="operational_events_name_check"):
        history.record_event(OperationalEvent(name, NOON))


def test_an_event_with_a_nul_in_a_message_is_kept(history):
    history.record_event(OperationalEvent("read:batches:failed", NOON, {"error": ["a\x00b"]}))
    assert history.events()[0].payload == {"error": ["a\\x00b"]}


def test_instants_come_back_in_utc(history):
    assert history.events() == []
    history.record_event(OperationalEvent("a:b:c", NOON))
    assert history.events()[0].at.tzinfo is UTC


def test_an_unreachable_server_is_a_plain_transient_error():
    from resources.postgres.engine import app_engine

    engine = app_engine("postgresql://ann:canary-9x@/studio?host=/nowhere", "monsoonfire")
    with pytest.raises(ServerUnreachableError, match="Nothing was changed") as refused:
        History(engine, "monsoonfire").latest_reads()
    assert "canary-9x" not in str(refused.value)
