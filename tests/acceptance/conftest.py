"""A house per test that is always taken down, with the promise that no process is left."""

import contextlib
import subprocess

import psutil
import pytest

from tests.acceptance.house import House


@pytest.fixture
def house(tmp_path):
    """Give a house with a fresh home in a path with a space."""
    made = House(tmp_path / "a home")
    yield made
    with contextlib.suppress(subprocess.TimeoutExpired):
        made.stop()
    left = made.processes()
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    assert not left, f"left behind: {left}"
