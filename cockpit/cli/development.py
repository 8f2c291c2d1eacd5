"""``studio test`` and ``studio check``: what a developer and the continuous integration run."""

import subprocess
import sys
import time
from pathlib import Path

import click

from cockpit.home import CHECKOUT

PACKAGES = ("policies", "resources", "studio_assets", "sensors", "cockpit", "twins")
FAST = ("tests/unit", "tests/architecture")
# Generated cases are worth their minute before a commit, not at every key stroke.
QUICKLY = ("--ignore-glob=*_by_property.py", "-n", "2")
# Many tests wait for something: three processes fill two cores. A file's own servers stay in one of them.
WHOLE = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
# The slowest first, so that no process is left alone with them at the end.
RINGS = ("acceptance", "integration", "contract", "architecture", "unit")


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    short_help="Run the tests (--fast: only the quick ones).",
)
@click.option("--fast", "is_fast", is_flag=True, help="Only the rings that take seconds.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(*, is_fast: bool, arguments: tuple[str, ...]) -> int:
    """Run the tests. Other ARGUMENTS go to pytest."""
    rings = (
        FAST if is_fast else tuple(f"tests/{ring}" for ring in RINGS if (CHECKOUT / "tests" / ring).is_dir())
    )
    left_out = " (without the property tests)" if is_fast else ""
    print(f"Rings: {', '.join(ring.removeprefix('tests/') for ring in rings)}{left_out}", flush=True)
    paths = () if any(Path(argument.split("::")[0]).exists() for argument in arguments) else rings
    return _run("pytest", *paths, *(QUICKLY if is_fast else WHOLE), *arguments)


@click.command(short_help="Format, lint, types, import law and the quick tests.")
def check() -> int:
    """Check format, lint, types, the import law and the quick tests; stop at nothing, report all."""
    failed = []
    steps = {
        "format": ("ruff", "format", "--check", "."),
        "lint": ("ruff", "check", "."),
        "types": ("mypy",),
        "imports": ("lint-imports",),
        "tests": ("pytest", *FAST, *QUICKLY, "-q"),
    }
    for name, command in steps.items():
        started = time.monotonic()
        code = _run(*command)
        print(f"{name}: {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - started:.0f} s)", flush=True)
        if code:
            failed.append(name)
    print(f"Failed: {', '.join(failed)}." if failed else "All checks hold.")
    return 1 if failed else 0


def _run(program: str, *arguments: str) -> int:
    installed = Path(sys.executable).with_name(program)
    return subprocess.run([str(installed), *arguments], cwd=CHECKOUT, check=False).returncode
