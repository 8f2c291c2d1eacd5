"""``studio bench NAME``: run one benchmark of ``tests/benchmarks`` and print its result."""

import importlib.util
import inspect
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import psutil

from cockpit.cli.options import JSON_OPTION, print_json
from cockpit.errors import CockpitError
from cockpit.home import CHECKOUT

BENCHMARKS = CHECKOUT / "tests" / "benchmarks"


@click.command(short_help="Measure, beside raw limits; without a name it says what there is.")
@JSON_OPTION
@click.argument("name", required=False)
@click.option("--steps", type=click.IntRange(min=1), help="How long, for benchmarks that play steps.")
@click.option("--seed", type=int, help="Decides everything random, for benchmarks that take one.")
@click.option("--soak", is_flag=True, help="Go on for long instead, for benchmarks that look for leaks.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="How long to soak.")
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="An option of the benchmark.")
def bench(
    *,
    is_json: bool,
    name: str | None,
    steps: int | None,
    seed: int | None,
    soak: bool,
    minutes: float | None,
    options: tuple[str, ...],
) -> int:
    """Run the benchmark NAME and print what it measured: ratios against the raw limit of the same run.

    Exits 1 when the benchmark counts violations and found some.
    """
    files = {
        path.stem.replace("_", "-"): path
        for path in BENCHMARKS.glob("*.py")
        if "\ndef run(" in path.read_text("utf-8")
    }
    known = sorted(files)
    if name not in known:
        raise CockpitError(
            f"There is no benchmark {name}." if name else "Which benchmark?",
            f"There are: {', '.join(known)}.",
            exit_code=2,
        )
    run = _load(files[name]).run
    wanted = _parse(options) | {
        option: value
        for option, value in (("steps", steps), ("seed", seed), ("soak", soak or None), ("minutes", minutes))
        if value is not None
    }
    _require_known(name, run, wanted)
    result = {"bench": name, **run(**wanted), "machine": machine()}
    if is_json:
        print_json(result)
    else:
        _print(result)
    return 1 if result.get("violations") else 0


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on."""
    return {
        "cpus": os.cpu_count(),
        "memoryGb": round(psutil.virtual_memory().total / 1e9, 1),
        "loadAverage": [round(each, 2) for each in os.getloadavg()],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    if spec is None or spec.loader is None:  # pragma: no cover - a file that was listed a moment ago
        raise CockpitError(f"{path} cannot be loaded.", "Check its permissions.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _require_known(name: str, run: Callable[..., Any], wanted: Mapping[str, Any]) -> None:
    known = inspect.signature(run).parameters
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise CockpitError(
            f"The benchmark {name} has no option {', '.join(unknown)}.",
            f"It has: {', '.join(sorted(known)) or 'none'}.",
            exit_code=2,
        )


def _parse(options: tuple[str, ...]) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for option in options:
        name, separator, value = option.partition("=")
        if not separator:
            raise CockpitError(
                f"{option} is not NAME=VALUE.", "Write it like --set documents=1000.", exit_code=2
            )
        parsed[name] = int(value) if value.isdigit() else value
    return parsed


def _print(result: Mapping[str, Any]) -> None:
    for case in result.get("results", []):
        print(
            f"{case['case']}: ratio {case['ratio']} (ours {case['ours']}, raw {case['raw']} {result['unit']})"
        )
    for name, value in result.items():
        if name not in {"results", "machine"}:
            print(f"{name}: {value}")
    print(f"machine: {result['machine']}")
