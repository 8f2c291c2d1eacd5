"""The calendar of device incidents: by seed alone, labelled whole, and none in a calm world."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from twins.world.device_troubles import KINDS, LONGEST, DeviceTroubles
from twins.world.incident_kinds import OPERATIONS
from twins.world.settings import WorldSettings

FIRST_DAY = date(2026, 9, 22)
UNTIL = datetime(2026, 11, 21, 18, tzinfo=UTC)
SETTINGS = WorldSettings(seed=1, first_day=FIRST_DAY)


def hours():
    start = datetime(2026, 9, 15, tzinfo=UTC)
    return [start + timedelta(hours=number) for number in range(24 * 68)]


def test_every_kind_happens_every_week_and_is_labelled():
    """Sixty days hold eight of each, in the operations department, each about one device."""
    labels = DeviceTroubles(SETTINGS).labels(UNTIL)
    for kind in KINDS:
        assert 7 <= sum(label.kind == kind.name for label in labels) <= 9
    assert {label.department for label in labels} == {OPERATIONS}
    assert {label.origin for label in labels} == {"incident"}
    assert len({label.id for label in labels}) == len(labels)
    assert all(len(label.affected) == 1 for label in labels)
    assert all(label.ended_at is None or label.started_at < label.ended_at <= UNTIL for label in labels)
    assert [label.started_at for label in labels] == sorted(label.started_at for label in labels)


def test_what_is_wrong_at_an_instant_is_what_the_labels_say():
    """Nothing is wrong that no label names, and every label is lived."""
    troubles = DeviceTroubles(SETTINGS)
    labels = troubles.labels(UNTIL + LONGEST)
    lived = set()
    for hour in hours():
        now = {(trouble.device, trouble.kind) for trouble in troubles.at(hour).values()}
        said = {
            (label.affected[0], label.kind)
            for label in labels
            if label.started_at <= hour and (label.ended_at is None or hour < label.ended_at)
        }
        assert now == said
        lived |= now
    assert {kind for _, kind in lived} == {kind.name for kind in KINDS}


def test_a_robot_has_an_error_exactly_while_it_is_in_trouble():
    """The code is the robot's own; without trouble it is 0."""
    troubles = DeviceTroubles(SETTINGS)
    codes = {troubles.robot_error("pretend-throwing-room", hour) for hour in hours()}
    codes |= {troubles.robot_error("pretend-kiln-room", hour) for hour in hours()}
    assert codes <= {0, 5, 8, 513}
    assert len(codes) > 1
    assert {troubles.robot_error("pretend-glaze-room", hour) for hour in hours()} == {0}


def test_a_calm_world_has_none_and_another_seed_has_others():
    """Without incidents nothing is wrong; the seed decides."""
    calm = DeviceTroubles(replace(SETTINGS, has_incidents=False))
    assert calm.labels(UNTIL) == []
    assert not any(calm.at(hour) for hour in hours())
    assert DeviceTroubles(SETTINGS).labels(UNTIL) == DeviceTroubles(replace(SETTINGS)).labels(UNTIL)
    assert DeviceTroubles(replace(SETTINGS, seed=2)).labels(UNTIL) != DeviceTroubles(SETTINGS).labels(UNTIL)


@pytest.mark.parametrize("days", [1, 10, 30])
def test_labels_do_not_change_as_time_goes_on(days):
    """An earlier look shows the same incidents, only fewer, and less of them ended."""
    earlier = UNTIL - timedelta(days=days)
    then = {label.id: label for label in DeviceTroubles(SETTINGS).labels(earlier)}
    now = {label.id: label for label in DeviceTroubles(SETTINGS).labels(UNTIL)}
    assert then.keys() <= now.keys()
    assert all(now[name].started_at == label.started_at <= earlier for name, label in then.items())
