"""Instants and studio-local days survive being told, written and read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from resources.clock import day_end, day_start, instant_text, local_date, parse_instant

ZONE = "America/Phoenix"


@pytest.mark.parametrize("offset_hours", [0, -7, 9])
def test_instants_survive_their_text(offset_hours):
    zone = timezone(timedelta(hours=offset_hours))
    instant = datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=zone)
    assert parse_instant(instant_text(instant)) == instant
    assert instant_text(instant).endswith("Z")
    assert instant_text(instant) == instant_text(instant.astimezone(UTC))


def test_a_day_holds_its_first_instant_and_not_its_end():
    day = local_date(datetime(2026, 3, 1, 6, 59, tzinfo=UTC), ZONE)
    assert local_date(day_start(day, ZONE), ZONE) == day
    assert local_date(day_end(day, ZONE) - timedelta(microseconds=1), ZONE) == day
    assert day_end(day, ZONE) == day_start(day + timedelta(days=1), ZONE)
