"""Made-up series with known events, of the shapes that series have: for tests and for measuring."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

START = datetime(2025, 1, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A series and the index ranges (both included) of what is out of line in it."""

    name: str
    points: list[tuple[datetime, float]]
    events: list[tuple[int, int]]


def _stamps(count: int, step: timedelta) -> list[datetime]:
    return [START + step * place for place in range(count)]


def _with_spikes(rng, values, places, size):
    events = []
    for place in places:
        values[place] += size * rng.choice([-1, 1])
        events.append((int(place), int(place)))
    return events


def _places(rng, count, begin, number, apart):
    found: list[int] = []
    while len(found) < number:
        place = int(rng.integers(begin, count - apart))
        if all(abs(place - other) >= apart for other in found):
            found.append(place)
    return sorted(found)


def daily_weekly(rng, has_events):
    n = 240
    week = rng.normal(0, 15, 7)
    values = 100 + week[np.arange(n) % 7] + rng.normal(0, 4, n)
    events = _with_spikes(rng, values, _places(rng, n, 60, 4, 20), 40) if has_events else []
    return "daily_weekly", timedelta(days=1), values, events


def daily_noise(rng, has_events):
    n = 240
    values = 50 + rng.normal(0, 3, n)
    events = _with_spikes(rng, values, _places(rng, n, 60, 4, 20), 27) if has_events else []
    return "daily_noise", timedelta(days=1), values, events


def level_shift(rng, has_events):
    n = 240
    values = 50 + rng.normal(0, 3, n)
    events = []
    if has_events:
        at = int(rng.integers(80, 180))
        values[at:] += 25 * rng.choice([-1, 1])
        events = [(at, at + 6)]
    return "level_shift", timedelta(days=1), values, events


def trend(rng, has_events):
    n = 240
    values = 20 + 0.5 * np.arange(n) + rng.normal(0, 3, n)
    events = _with_spikes(rng, values, _places(rng, n, 60, 3, 20), 30) if has_events else []
    return "trend", timedelta(days=1), values, events


def trend_weekly(rng, has_events):
    n = 300
    week = rng.normal(0, 10, 7)
    values = 200 + 0.4 * np.arange(n) + week[np.arange(n) % 7] + rng.normal(0, 4, n)
    events = _with_spikes(rng, values, _places(rng, n, 80, 3, 20), 40) if has_events else []
    return "trend_weekly", timedelta(days=1), values, events


def walk(rng, has_events):
    n = 300
    values = 500 + np.cumsum(rng.normal(0, 3, n))
    events = _with_spikes(rng, values, _places(rng, n, 60, 3, 20), 40) if has_events else []
    return "walk", timedelta(days=1), values, events


def constant(rng, has_events):
    n = 120
    values = np.full(n, 42.0)
    events = _with_spikes(rng, values, _places(rng, n, 40, 2, 20), 20) if has_events else []
    return "constant", timedelta(days=1), values, events


def few_counts(rng, has_events):
    n = 300
    values = rng.poisson(0.3, n).astype(float)
    events = []
    if has_events:
        for place in _places(rng, n, 60, 3, 20):
            values[place] += 9
            events.append((place, place))
    return "few_counts", timedelta(days=1), values, events


def counts(rng, has_events):
    n = 300
    week = np.array([8, 9, 10, 10, 12, 18, 14])
    values = rng.poisson(week[np.arange(n) % 7]).astype(float)
    events = []
    if has_events:
        for place in _places(rng, n, 60, 3, 20):
            values[place] += 30
            events.append((place, place))
    return "counts", timedelta(days=1), values, events


def hourly(rng, has_events):
    n = 24 * 56
    hour = np.arange(n) % 24
    weekend = (np.arange(n) // 24) % 7 >= 5
    values = 100 + 40 * np.sin(2 * np.pi * hour / 24) - 20 * weekend + rng.normal(0, 4, n)
    events = []
    if has_events:
        for place in _places(rng, n, 24 * 21, 3, 72):
            long = int(rng.integers(1, 8))
            values[place : place + long] += 45 * rng.choice([-1, 1])
            events.append((place, place + long - 1))
    return "hourly", timedelta(hours=1), values, events


def hourly_outage(rng, has_events):
    n = 24 * 42
    hour = np.arange(n) % 24
    values = np.maximum(0, 200 + 150 * np.sin(2 * np.pi * (hour - 8) / 24) + rng.normal(0, 12, n))
    events = []
    if has_events:
        place = int(rng.integers(24 * 21, n - 48)) // 24 * 24 + 12
        values[place : place + 6] = 0
        events.append((place, place + 5))
    return "hourly_outage", timedelta(hours=1), values, events


FAMILIES: tuple[Callable, ...] = (
    *(daily_weekly, daily_noise, level_shift, trend, trend_weekly, walk, constant, few_counts, counts),
    *(hourly, hourly_outage),
)


def make(family: Callable, seed: int, *, has_events: bool = True) -> Made:
    rng = np.random.default_rng([seed, len(family.__name__), sum(map(ord, family.__name__))])
    name, step, values, events = family(rng, has_events)
    return Made(name, list(zip(_stamps(len(values), step), map(float, values), strict=True)), events)


def gappy(made: Made, seed: int, share: float = 0.15) -> Made:
    """Return the series with values missing at random, unordered, never those of events."""
    rng = np.random.default_rng(seed)
    wanted = {place for first, last in made.events for place in range(first, last + 1)}
    kept = [p for p in range(len(made.points)) if p in wanted or rng.random() >= share]
    places = {old: new for new, old in enumerate(kept)}
    events = [(places[first], places[last]) for first, last in made.events]
    return Made(f"{made.name} with gaps", [made.points[p] for p in kept], events)


def matched(made: Made, found) -> tuple[int, int]:
    """Return how many known events were found, and how many found ones are none."""
    stamps = [stamp for stamp, _ in made.points]
    known = [(stamps[first], stamps[last]) for first, last in made.events]
    slack = (stamps[1] - stamps[0]) * 1.01
    hit = sum(any(e.start <= last + slack and e.end >= first - slack for e in found) for first, last in known)
    false = sum(
        not any(e.start <= last + slack and e.end >= first - slack for first, last in known) for e in found
    )
    return hit, false


def every(seeds: range, *, has_events: bool = True) -> Iterator[Made]:
    for family in FAMILIES:
        for seed in seeds:
            yield make(family, seed, has_events=has_events)
