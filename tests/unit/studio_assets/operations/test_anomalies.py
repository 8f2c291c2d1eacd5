"""Numbers of StudioState against their own past: one finding per number, with rows, and none when calm."""

from datetime import UTC, date, datetime, timedelta

import pytest

from resources.clock import day_end
from studio_assets.calendar import StudioCalendar
from studio_assets.operations.anomalies import WATCHED, departures, find_anomalies, kind_of
from studio_assets.studio_state.counters import COUNTERS
from studio_assets.studio_state.predicates import Moment
from tests.unit.studio_assets.operations.conftest import tables_of

FIRST = date(2026, 3, 1)
PENDING = "ops.agentRequestsPending"
CALENDAR = StudioCalendar()


def history(values):
    return {PENDING: [(FIRST + timedelta(days=n), value) for n, value in enumerate(values)]}


def moment_of(number):
    return Moment(day_end(FIRST + timedelta(days=number), "America/Phoenix"), "America/Phoenix")


def findings(values, number, tables=None):
    found = departures(history(values), CALENDAR)
    return find_anomalies(found, moment_of(number), tables or {}, "2026-04-20.1")


CALM = [3, 2, 4, 3, 2] * 10


def test_a_burst_is_one_finding_that_ends():
    values = [*CALM, 22, 20, *CALM]
    assert findings(values, 49) == []
    (one,) = findings(values, 50)
    assert (one.kind, one.subject_id, one.observed) == ("unusual_agent_requests_pending", PENDING, 22.0)
    assert one.since == datetime(2026, 4, 20, 7, tzinfo=UTC)
    assert findings(values, 51)[0].finding_id == one.finding_id
    assert findings(values, 55) == []


def test_the_newest_rows_are_its_evidence():
    rows = [
        {"document_id": f"q{n}", "created_at": datetime(2026, 4, 20, 20, tzinfo=UTC) - timedelta(days=n)}
        for n in range(5)
    ]
    (one,) = findings([*CALM, 22], 50, tables_of({"agent_requests": rows}))
    assert [link.row for link in one.evidence] == [PENDING, "q1", "q0"]


def test_fewer_than_usual_small_changes_and_short_histories_are_nothing():
    assert findings([*([30, 31, 29] * 20), 0], 60) == []
    assert findings([*([3] * 50), 8], 50) == []
    assert findings([*([3] * 20), 40], 20) == []


@pytest.mark.parametrize("counter", WATCHED)
def test_what_is_watched_exists(counter):
    known = {one.path: one.sources for one in COUNTERS}
    assert WATCHED[counter].source in known[counter]
    assert kind_of(counter).startswith("unusual_")
