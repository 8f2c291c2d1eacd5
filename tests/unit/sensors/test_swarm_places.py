"""Where a swarm goes on from, and until when it is quiet; whatever the cursor holds."""

import json
from datetime import UTC, datetime, time

import pytest

from sensors.swarms.sensors import place_of
from sensors.swarms.spec import QuietHours

PHOENIX = "America/Phoenix"  # seven hours behind, the year round


@pytest.mark.parametrize(
    "cursor",
    [
        None,
        "",
        "garbage",
        "[]",
        "7",
        '"7"',
        "{}",
        '{"number": null}',
        '{"number": "7"}',
        '{"number": -3}',
        '{"number": 1.5}',
        '{"number": true}',
        '{"number": 1e400}',
        '{"number": 9223372036854775808}',
        '{"number": 7, "keptAt": "yesterday"}',
        '{"number": 7, "keptAt": 7}',
        "[" * 100_000,
    ],
)
def test_a_cursor_that_cannot_be_read_begins_anew(cursor):
    assert place_of(cursor) == (0, None)


def test_a_cursor_says_where_to_go_on_and_of_which_database_it_is():
    kept_at = datetime(2026, 3, 1, 19, 0, 0, 5, tzinfo=UTC)
    assert place_of(json.dumps({"number": 7, "keptAt": kept_at.isoformat()})) == (7, kept_at)
    assert place_of('{"number": 7, "held": null}') == (7, None)  # of a version before


@pytest.mark.parametrize(
    ("begins", "ends", "hour", "until"),
    [
        (time(0), time(5), 9, datetime(2026, 3, 1, 12, tzinfo=UTC)),  # two in the morning
        (time(22), time(5), 6, datetime(2026, 3, 1, 12, tzinfo=UTC)),  # eleven in the evening before
        (time(22), time(5), 8, datetime(2026, 3, 1, 12, tzinfo=UTC)),
    ],
)
def test_quiet_hours_say_until_when(begins, ends, hour, until):
    hours, at = QuietHours(begins, ends), datetime(2026, 3, 1, hour, tzinfo=UTC)
    assert hours.holds(at, PHOENIX)
    assert hours.until(at, PHOENIX) == until
    assert not hours.holds(until, PHOENIX)
