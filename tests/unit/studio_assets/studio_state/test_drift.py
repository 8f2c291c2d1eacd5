"""Drift: our numbers against the source's, honest about what cannot be compared."""

import threading
from datetime import timedelta

import pytest

from resources.errors import SourceUnreadableError
from resources.rows import QuarantinedDocument, ReadMode
from studio_assets.studio_state.counters import COUNTERS
from studio_assets.studio_state.drift import DRIFT_DETECTED, ask_source, drift_event, measure
from studio_assets.studio_state.server_counts import CountQuery
from tests.unit.studio_assets.studio_state.reads import READ_AT, full_read, full_reads

COMPARABLE = [counter.path for counter in COUNTERS if counter.question]
ZERO = {counter.path: 0 for counter in COUNTERS}


def measured(ask, *, counters=ZERO, reads=None, threshold=0):
    return measure(counters, reads or full_reads(), ask, as_of=READ_AT, threshold=threshold, concurrency=2)


def metric(report, path):
    return next(m for m in report.metrics if m.metric == path)


def nothing(_query):
    return 0


def test_agreement_is_no_drift_and_full_confidence():
    report = measured(nothing)
    assert [m.metric for m in report.metrics] == COMPARABLE
    assert not report.drifting
    assert {m.confidence for m in report.metrics} == {1.0}


def test_what_the_source_cannot_answer_is_listed_with_its_reason():
    """No number is made up for joins, Stripe, or absent fields."""
    report = measured(nothing)
    reasons = {entry.metric: entry.reason for entry in report.not_comparable}
    assert set(reasons) == {counter.path for counter in COUNTERS} - set(COMPARABLE)
    assert reasons["finance.unpaidEvents"] == "Firestore cannot join two collections."
    assert all(reasons.values())


@pytest.mark.parametrize(
    ("observed", "is_drift"), [(0, False), (2, False), (-2, False), (3, True), (-3, True)]
)
def test_only_a_difference_beyond_the_threshold_is_drift(observed, is_drift):
    """On the threshold is still fine; the sign of the difference is kept."""
    report = measured(nothing, counters=ZERO | {"counts.loansOut": observed}, threshold=2)
    found = metric(report, "counts.loansOut")
    assert found.is_drift is is_drift
    assert found.delta == observed


def test_documents_set_aside_explain_a_difference_up_to_their_number():
    """The server counts quarantined documents and we do not; that is said, and costs confidence."""
    aside = (QuarantinedDocument("l1", "dueAt", "is not a date and time"),)
    reads = full_reads(library_loans=full_read("library_loans", documents=9, quarantined=aside))
    one_more = measured(lambda q: 1 if q.collection == "library_loans" else 0, reads=reads)
    found = metric(one_more, "counts.loansOut")
    assert (found.expected, found.observed, found.is_drift) == (1, 0, False)
    assert found.confidence == 0.9
    assert "1 documents" in found.note
    two_more = measured(lambda q: 2 if q.collection == "library_loans" else 0, reads=reads)
    assert metric(two_more, "counts.loansOut").is_drift


def test_tolerated_values_explain_only_counters_that_look_at_them():
    """A due date given as text is invisible to the server's range, and to nothing else."""
    read = full_read("library_loans", warnings={"due_at: instant given as text": 1})
    report = measured(nothing, reads=full_reads(library_loans=read))
    assert metric(report, "counts.loansOverdue").confidence < 1
    assert metric(report, "counts.loansOut").confidence == 1


def test_a_question_the_source_refuses_is_not_comparable_and_names_its_index():
    def refuse(query):
        if len(query.where) > 1 and query.collection == "events":
            raise SourceUnreadableError("needs an index", reason="bad-response", is_transient=False)
        return 0

    report = measured(refuse)
    reasons = {entry.metric: entry.reason for entry in report.not_comparable}
    assert "events(status, startAt)" in reasons["counts.eventsUpcoming"]
    assert "counts.loansOut" not in reasons


def test_each_question_is_asked_once():
    """Counters share parts of their questions; the source is not asked twice for one of them."""
    asked, lock = [], threading.Lock()

    def ask(query):
        with lock:
            asked.append((query.collection, query.where))
        return 0

    measured(ask)
    assert len(asked) == len(set(asked))


def test_the_source_is_asked_at_the_instant_of_the_read():
    """Each collection is counted at its own read time, under its own name at the source."""
    calls = []

    class Documents:
        def count(self, collection, *, read_time, where=()):
            calls.append((collection, read_time, where))
            return 4

    earlier = READ_AT - timedelta(minutes=3)
    ask = ask_source(Documents(), full_reads(kiln_firings=full_read("kiln_firings", read_at=earlier)))
    assert ask(CountQuery("kiln_firings")) == 4
    assert calls == [("kilnFirings", earlier, ())]


def test_drift_becomes_one_event_and_agreement_none():
    report = measured(nothing, counters=ZERO | {"counts.loansOut": 3})
    event = drift_event(report, at=READ_AT, run_id="run")
    assert event.name == DRIFT_DETECTED
    assert [(m["metric"], m["expected"], m["observed"]) for m in event.payload["metrics"]] == [
        ("counts.loansOut", 0, 3)
    ]
    assert drift_event(measured(nothing), at=READ_AT, run_id="run") is None


def test_a_difference_seen_through_changes_is_shown_but_alarms_nobody():
    """What was tolerated in unchanged documents is not known, so the comparison is worth half at most."""
    reads = full_reads(library_loans=full_read("library_loans", mode=ReadMode.INCREMENTAL))
    report = measured(nothing, counters=ZERO | {"counts.loansOut": 3}, reads=reads)
    found = metric(report, "counts.loansOut")
    assert (found.is_drift, found.confidence) == (True, 0.5)
    assert "Read by changes" in found.note
    assert drift_event(report, at=READ_AT, run_id="run") is None
