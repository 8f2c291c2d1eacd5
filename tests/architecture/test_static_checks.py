"""Format, lint and types, as part of the suite: what is not checked on every run is not a rule."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Keeping what was found out for a next time costs a check a quarter more. Who checks types by hand has a next
# time, and has kept it; a clean checkout has none.
TYPES = ("mypy",) if (ROOT / ".mypy_cache").is_dir() else ("mypy", f"--cache-dir={os.devnull}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command",
    [("ruff", "format", "--check", "."), ("ruff", "check", "."), TYPES],
    ids=["formatted", "linted", "typed"],
)
def test_the_tools_find_nothing(command):
    """The whole checkout is formatted, lint-free and strictly typed; every exception stands in pyproject."""
    program, *arguments = command
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
