"""Promises of the plan: the same world every time, in order, in slots."""

import hashlib
import itertools
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from twins.world import almanac
from twins.world.operations import SLOT, WriteKind, apply_write
from twins.world.plan import WARM_UP_DAYS, WRITES_PER_STEP, Plan, opening_of
from twins.world.settings import WorldSettings, parse_size
from twins.world.truth import Truth

ROOT = Path(__file__).resolve().parents[4]


def _steps(settings, days, **options):
    end = almanac.day_end(settings.first_day + timedelta(days=days - 1))
    return list(itertools.takewhile(lambda step: step.at < end, Plan(settings, **options).steps()))


def _fingerprint(steps):
    return hashlib.sha256(repr(steps).encode()).hexdigest()


def test_two_processes_plan_the_same_world(settings):
    """Nothing of a process (hash seed, time, machine) enters the plan."""
    script = (
        "import datetime, hashlib, itertools\n"
        "from twins.world import almanac\n"
        "from twins.world.plan import Plan\n"
        "from twins.world.settings import WorldSettings\n"
        f"settings = WorldSettings(1, datetime.date.fromisoformat('{settings.first_day}'))\n"
        "end = almanac.day_end(settings.first_day + datetime.timedelta(days=9))\n"
        "steps = list(itertools.takewhile(lambda step: step.at < end, Plan(settings).steps()))\n"
        "print(hashlib.sha256(repr(steps).encode()).hexdigest())\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert other.stdout.strip() == _fingerprint(_steps(settings, 10))


def test_the_seed_and_the_first_day_make_the_world(settings):
    """Another seed or another first day is another world."""
    other_seed = WorldSettings(2, settings.first_day)
    other_day = WorldSettings(1, settings.first_day + timedelta(days=1))
    assert len({_fingerprint(_steps(each, 2)) for each in (settings, other_seed, other_day)}) == 3


@hypothesis_settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(-(2**40), 2**40),
    first_day=st.dates(date(2024, 1, 1), date(2030, 12, 31)),
    days=st.integers(1, 12),
    calm=st.booleans(),
    size=st.sampled_from(["small", "300", "6000"]),
)
def test_any_world_can_be_written(seed, first_day, days, calm, size):
    """Every update finds its document, steps come in order, and what they say of time agrees."""
    settings = WorldSettings(seed, first_day, parse_size(size), has_incidents=not calm)
    documents, last = {}, None
    for step in _steps(settings, days):
        assert last is None or step.at >= last
        last = step.at
        assert len(step.writes) <= WRITES_PER_STEP
        assert len({write.path for write in step.writes}) == len(step.writes)
        assert all(step.at - SLOT < call.at <= step.at for call in step.calls)
        for write in step.writes:
            apply_write(documents, write)
            touched = write.data.get("updatedAt") if write.kind is WriteKind.UPDATE else None
            assert touched is None or step.at - SLOT < touched <= step.at
    assert documents


def test_nothing_is_committed_across_midnight(truth):
    """A day's commits are over a second before it ends, so a read at its end shows exactly that day."""
    for step in _steps(truth.plan.settings, 5):
        end = almanac.day_end(almanac.day_of(step.at))
        assert end - step.at >= timedelta(seconds=1)


def test_the_cloud_is_empty_before_the_first_day_and_full_after_it(settings):
    """Weeks before the first day are written in one go when it begins; only Stripe saw them pass."""
    steps = _steps(settings, 1)
    opening = opening_of(settings)
    assert min(step.at for step in steps if step.writes) == opening
    before = [step for step in steps if step.at < opening]
    assert before
    assert not any(step.writes for step in before)
    first_call = min(call.at for step in before for call in step.calls)
    assert almanac.day_of(first_call) == settings.first_day - timedelta(days=WARM_UP_DAYS)
    present = Truth(settings, opening).documents(opening)
    batches = [document for path, document in present.items() if path.startswith("batches/")]
    assert any(batch["createdAt"] < opening for batch in batches if not isinstance(batch["createdAt"], str))


def test_a_longer_look_sees_the_same_beginning(settings):
    """What happens later never changes what happened before: ten days are the beginning of twenty."""
    short, long = _steps(settings, 10), _steps(settings, 20)
    assert long[: len(short)] == short
    assert len(long) > len(short)


@pytest.mark.parametrize("target", [20_000, 31_000])
def test_a_number_of_documents_is_reached(settings, target):
    """The archive fills a world up to the number asked for, less what sixty days will bring."""
    large = WorldSettings(1, settings.first_day, parse_size(str(target)))
    bulk = [step for step in _steps(large, 1) if step.is_bulk]
    paths = [write.path for step in bulk for write in step.writes]
    assert len(paths) == len(set(paths)) == target - 15_000
    assert all(write.kind is WriteKind.SET for step in bulk for write in step.writes)
    assert not [step for step in _steps(large, 1, has_archive=False) if step.is_bulk]
