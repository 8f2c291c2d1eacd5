"""Numbers out of line: found where they are known to be, silent where nothing is, whatever the shape."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from studio_assets.operations.baselines import Tuning, judge
from tests.unit.studio_assets.operations import families

SEEDS = range(3)
START = datetime(2025, 1, 6, tzinfo=UTC)


def daily(values):
    return [(START + timedelta(days=n), float(value)) for n, value in enumerate(values)]


@pytest.mark.parametrize("family", families.FAMILIES, ids=lambda family: family.__name__)
def test_events_are_found_and_little_else_is(family):
    """Loosely held, seeds fixed: at least four of five events, at most one false one in 500 values."""
    known = hits = false = values = 0
    for seed in SEEDS:
        made = families.make(family, seed)
        hit, wrong = families.matched(made, judge(made.points).events)
        known, hits, false = known + len(made.events), hits + hit, false + wrong
        values += len(made.points)
    assert hits >= 0.8 * known
    assert false <= max(1, values / 500)


def test_gaps_and_disorder_change_little():
    made = families.make(families.daily_weekly, 4)
    thinned = families.gappy(made, 4)
    disordered = random.Random(3).sample(thinned.points, len(thinned.points))
    hit, false = families.matched(thinned, judge(disordered).events)
    assert hit >= len(made.events) - 1
    assert false == 0


def test_nothing_is_said_of_a_short_history():
    judged = judge(daily([5, 6, 5, 6, 5, 90]))
    assert judged.events == ()
    assert not any(judged.has_verdict)


@pytest.mark.parametrize("points", [[], daily([3]), daily([0, 0]), daily([float("nan")] * 40)])
def test_next_to_nothing_is_no_error(points):
    assert judge(points).events == ()


def test_what_is_known_of_a_day_does_not_depend_on_later_days():
    made = families.make(families.counts, 2)
    whole = judge(made.points)
    part = judge(made.points[:150])
    assert list(whole.scores[:150]) == list(part.scores)


def test_a_new_level_is_one_event_and_then_how_it_is():
    noise = [50 + (n * 7 % 5) for n in range(60)]
    judged = judge(daily([*noise, *(value + 40 for value in noise)]))
    (event,) = judged.events
    assert event.start == START + timedelta(days=60)
    assert event.end < START + timedelta(days=70)
    assert not event.is_open


def test_a_change_below_the_floor_is_no_event():
    values = [10] * 60 + [13] + [10] * 20
    assert judge(daily(values), tuning=Tuning(least_change=4)).events == ()
    assert len(judge(daily([*values[:60], 40, *values[61:]]), tuning=Tuning(least_change=4)).events) == 1


def test_closed_days_are_neither_judged_nor_learnt_from():
    values = [20 + n % 3 for n in range(90)]
    closed = {(START + timedelta(days=n)).date() for n in range(50, 58)}
    values[50:58] = [0] * 8
    judged = judge(daily(values), is_open=lambda day: day not in closed)
    assert judged.events == ()
    assert judge(daily(values)).events != ()


def test_an_event_that_goes_on_is_open():
    (event,) = judge(daily([*([10, 12, 11] * 20), 60, 61])).events
    assert (event.is_open, event.observed) == (True, 61.0) or event.observed == 60.0


def test_only_what_is_very_far_off_counts_on_a_day_that_is_not_ordinary():
    """Work piles up after a holiday: that is expected; ten times as much is not."""
    usual = [5, 6, 4, 5, 6] * 12
    after_holiday = (START + timedelta(days=55)).date()

    def found(value):
        values = [*usual[:55], value, *usual[56:]]
        return judge(daily(values), is_settled=lambda day: day != after_holiday).events

    assert found(12) == ()
    (event,) = found(60)
    assert event.start.date() == after_holiday


def test_a_day_off_is_one_event_and_no_new_level():
    """Half-hourly values at a third for a whole day: the return to the old level is no second event."""
    hour = [200 + 90 * ((n % 48) > 18) + (n * 7 % 11) for n in range(48 * 20)]
    hour[48 * 15 : 48 * 16] = [value / 3 for value in hour[48 * 15 : 48 * 16]]
    points = [(START + timedelta(minutes=30 * n), float(value)) for n, value in enumerate(hour)]
    (event,) = judge(points).events
    assert (event.start - START).days == 15


def test_errors_that_grow_with_the_value_are_no_events_where_it_is_large():
    """A spike of half the value at the low of the day is told, though highs are off by more every day."""
    chance = random.Random(5)
    values = [
        (200 + 150 * ((n % 24) in range(8, 20))) * (1 + 0.05 * chance.gauss(0, 1)) for n in range(24 * 30)
    ]
    values[24 * 25 + 3] *= 1.5
    points = [(START + timedelta(hours=n), value) for n, value in enumerate(values)]
    assert [(event.start - START) // timedelta(hours=1) for event in judge(points).events] == [24 * 25 + 3]


def test_a_job_of_every_night_is_no_news_from_the_fourth_on():
    """Five minutes, a little sooner or later; what is much higher or at another time is news still."""
    noise, jobs, begin = random.Random(5), 100, datetime(2026, 3, 2, tzinfo=UTC)
    values = [noise.gauss(2, 0.3) for at in range(9 * 288)]
    for day in range(9):
        values[day * 288 + jobs + (day % 3 - 1)] += 8 + day % 4
    values[7 * 288 + jobs] += 30
    values[8 * 288 + jobs + 40] += 8
    stamps = [begin + timedelta(minutes=5 * at) for at in range(len(values))]
    told = [event.start for event in judge(zip(stamps, values, strict=True)).events]
    assert [stamp for stamp in told if stamp >= stamps[4 * 288]] == [
        stamps[7 * 288 + jobs],
        stamps[8 * 288 + jobs + 40],
    ]


def test_the_second_weekend_of_a_series_that_began_with_one_is_no_event():
    """Nothing was said yet while the first went by, so that nobody knows how weekends are."""
    noise, begin = random.Random(6), datetime(2026, 3, 7, tzinfo=UTC)
    stamps = [begin + timedelta(hours=at) for at in range(16 * 24)]
    values = [noise.gauss(100, 3) - (18 if stamp.weekday() >= 5 else 0) for stamp in stamps]
    assert judge(zip(stamps, values, strict=True)).events == ()
