"""Promises of the scores: what counts as found, missed, false, excused and misnamed."""

from datetime import UTC, datetime, timedelta

import pytest

from cockpit.cli.evaluation.scoring import Alert, Rule, Score, Watch, score
from resources.findings import Finding, FindingEvidence, Severity
from twins.world.incidents import Case, Label

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = START + 70 * DAY
RULES = {"late_capture": Rule(frozenset({"captured_late"}), due_after=2 * DAY, is_by_case=True)}


def alert(path, day, *, kind="captured_late", cleared=None):
    return Alert(
        kind,
        frozenset({path} if path else ()),
        START + day * DAY,
        None if cleared is None else START + cleared * DAY,
    )


def label(*paths, kind="late_capture", origin="incident", day=10, ended=None):
    cases = [Case(START + day * DAY, (path,)) for path in paths]
    ended_at = None if ended is None else START + ended * DAY
    return Label("i-1", kind, "finance", origin, START + day * DAY, ended_at, paths, "notes", cases)


def scored(alerts, labels, rules=RULES, *, first_look=None):
    return score(alerts, labels, rules, until=UNTIL, days=70, first_look=first_look).to_json()


def test_each_case_counts_and_its_delay_is_told():
    """One of two cases found two days late, the other missed; nothing false."""
    told = scored([alert("charges/a", 12)], [label("charges/a", "charges/b")])
    assert told["classes"]["late_capture"] == {
        "injected": 2,
        "found": 1,
        "misclassified": 0,
        "delay_days_median": 2.0,
    }
    assert (told["recall"], told["precision"], told["false_alerts_per_week"]) == (0.5, 1.0, 0.0)


def test_a_whole_incident_counts_once_where_cases_do_not():
    """Any of its documents is enough."""
    rules = {"late_capture": Rule(frozenset({"captured_late"}))}
    told = scored([alert("charges/b", 12)], [label("charges/a", "charges/b")], rules)
    assert told["classes"]["late_capture"]["injected"] == told["classes"]["late_capture"]["found"] == 1


def test_another_name_is_found_and_misclassified():
    """It counts as found, has no delay, and its alert is not false."""
    told = scored([alert("charges/a", 12, kind="odd")], [label("charges/a")])
    assert told["classes"]["late_capture"]["misclassified"] == 1
    assert told["recall"] == 1.0
    assert told["alerts"] == {"right": 1, "false": 0, "excused": 0}
    assert told["detection_delay_days"] is None


def test_an_alert_nothing_explains_is_false():
    """By its own kind, per week of the days looked at."""
    told = scored([alert("charges/z", 12), alert("charges/y", 12, kind="odd")], [label("charges/a")])
    assert told["false_alerts_per_week"] == 0.2
    assert told["false_by_kind"] == {"captured_late": 1, "odd": 1}
    assert (told["precision"], told["recall"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    "habit", [label("charges/a", origin="quirk"), label("charges/a", kind="another_department")]
)
def test_habits_and_foreign_kinds_are_neither_missed_nor_false(habit):
    """A quirk, or a kind without a rule, excuses an alert and asks for none."""
    told = scored([alert("charges/a", 12)], [habit])
    assert told["alerts"] == {"right": 0, "false": 0, "excused": 1}
    assert told["precision"] is None
    assert told["recall"] is None


def test_an_alert_belongs_to_what_stood_at_its_time():
    """Cleared before the incident began, or raised long after its end, it is false."""
    told = scored(
        [alert("charges/a", 3, cleared=5), alert("charges/a", 30)], [label("charges/a", day=10, ended=20)]
    )
    assert told["alerts"]["false"] == 2
    early = scored([alert("charges/a", 3)], [label("charges/a", day=10)])
    assert early["alerts"]["right"] == 1
    assert early["classes"]["late_capture"]["delay_days_median"] == 0.0


@pytest.mark.parametrize(("raised", "excused"), [(30, 1), (31, 0)])
def test_what_was_over_before_anybody_looked_still_explains_the_first_look(raised, excused):
    """It could not be told earlier; told later than at the first look, it is false."""
    habit = label("charges/a", origin="quirk", day=10, ended=20)
    told = scored([alert("charges/a", raised)], [habit], first_look=START + 30 * DAY)
    assert told["alerts"] == {"right": 0, "false": 1 - excused, "excused": excused}


def test_what_did_not_stand_long_enough_need_not_be_found():
    """Too short for the detector's own limit: missing it is no miss, finding it counts."""
    brief = label("charges/a", day=10, ended=12)
    assert scored([], [brief])["recall"] is None
    assert scored([alert("charges/a", 11)], [brief])["recall"] == 1.0
    assert scored([], [label("charges/a", day=10, ended=14)])["recall"] == 0.0
    assert scored([], [label("charges/a", day=68)])["recall"] is None


def test_an_alert_about_a_number_is_matched_by_kind_and_time():
    """A counter out of line names no document."""
    rules = {"request_spike": Rule(frozenset({"requests_high"}))}
    spike = label("agentRequests/a", kind="request_spike", day=10, ended=11)
    hits = [alert(None, 11, kind="requests_high"), alert(None, 40, kind="requests_high")]
    told = scored(hits, [spike], rules)
    assert told["alerts"] == {"right": 1, "false": 1, "excused": 0}
    assert told["recall"] == 1.0


def test_years_add_up():
    """Counts of several years are summed; shares are of the sums."""
    total = Score()
    for alerts in ([alert("charges/a", 12)], []):
        total.add(score(alerts, [label("charges/a")], RULES, until=UNTIL, days=70))
    told = total.to_json()
    assert told["days"] == 140
    assert told["recall"] == 0.5
    assert told["detection_delay_days"] == {"p50": 2.0, "p90": 2.0}


def finding(subject, *rows):
    evidence = [FindingEvidence("studio/cloud_truth/materials_orders", "r1", row) for row in rows]
    return Finding(
        department="finance",
        detector="reconcile",
        kind="captured_late",
        subject_kind="order",
        subject_id=subject,
        severity=Severity.LOW,
        confidence=1.0,
        likely_cause="Words.",
        next_step="Words.",
        evidence=evidence,
    )


def test_a_watch_turns_looks_into_alerts():
    """Raised at the first look that shows it, cleared at the first that does not; a return is a new one."""
    watch = Watch()
    looks = [[finding("a", "1")], [finding("a", "1", "2"), finding("b", "3")], [], [finding("a", "1")]]
    for number, findings in enumerate(looks):
        watch.look(START + number * DAY, findings)
    paths = frozenset({"materialsOrders/1", "materialsOrders/2"})
    assert watch.alerts == [
        Alert("captured_late", paths, START, START + 2 * DAY),
        Alert("captured_late", frozenset({"materialsOrders/3"}), START + DAY, START + 2 * DAY),
        Alert("captured_late", frozenset({"materialsOrders/1"}), START + 3 * DAY),
    ]
