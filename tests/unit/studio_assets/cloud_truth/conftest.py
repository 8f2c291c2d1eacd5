import itertools

import pytest

from resources.raw_store import RawStore


@pytest.fixture(scope="session")
def fresh_root():
    """Hand out a new in-memory root on every call; property tests need one per example."""
    numbers = itertools.count()
    return lambda: f"memory://cloud_truth_{next(numbers)}"


@pytest.fixture
def raw(fresh_root):
    return RawStore(fresh_root())
