"""``studio up``: start everything and keep it running."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from cockpit.board import Board, open_board
from cockpit.cli.options import print_json, shared
from cockpit.cli.render import render_state
from cockpit.environment import settings_here
from cockpit.errors import CockpitError
from cockpit.home import open_home, read_json
from cockpit.house import House, all_parts, open_house, refuse_taken_port
from cockpit.instance import Instance, InstanceLock, publish, withdraw
from cockpit.lifecycle import Phase
from cockpit.processes import Registry
from cockpit.supervisor import Running, Supervisor
from cockpit.world import Wish
from resources.logs import configure_logs, known_secrets

GIVE_UP_AFTER = 4
LONGEST_PROBLEM = 300
INTERRUPTED = 130
NAMED_SIZES = ("small", "medium", "large")
LARGEST_SIZE = 1_000_000  # documents


@click.command(short_help="Start everything and keep it running.")
@shared
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the pages (default: 3000).")
@click.option("--no-twins", is_flag=True, help="Never start the pretend studio; read real sources only.")
@click.option("--days", type=click.IntRange(0, 3650), help="Days of history to simulate (default: 60).")
@click.option("--seed", type=int, help="Which pretend studio (default: 1).")
@click.option("--size", help="How big: small, medium, large or a number of documents (default: small).")
@click.option("--calm", "is_calm", is_flag=True, help="Pretend a studio in which nothing needs attention.")
@click.option("--once", "is_once", is_flag=True, help="Stop after today's snapshot, its checks and one tick.")
def up(
    *,
    home: Path | None,
    is_json: bool,
    port: int | None,
    no_twins: bool,
    days: int | None,
    seed: int | None,
    size: str | None,
    is_calm: bool,
    is_once: bool,
) -> int:
    """Start everything: database, sources, Dagster and the pages, and keep today's state up to date.

    Without real sources configured, a pretend studio on the real wire protocols is observed. Ends with exit
    code 0 when it is asked to stop (Ctrl-C, or `down`), and with 3 when it cannot go on.
    """
    if size is not None:
        _refuse_bad_size(size)
    settings = settings_here(home=home, port=port)
    place = open_home(settings.home)
    lock = InstanceLock(place)
    lock.acquire()
    try:
        # What a killed instance left may still sit on the port.
        Registry(place).clear_leftovers()
        refuse_taken_port(settings.host, settings.port)
        house = open_house(place, settings, Wish(days, seed, size, no_twins, is_calm or None))
        return _run(house, is_once=is_once, is_json=is_json)
    finally:
        lock.release()


def _refuse_bad_size(size: str) -> None:
    is_number = size.isdigit() and 1 <= int(size) <= LARGEST_SIZE
    if not is_number and size not in NAMED_SIZES:
        raise CockpitError(
            f"{size} is not a size.",
            f"Give one of {', '.join(NAMED_SIZES)}, or a number of documents from 1 to {LARGEST_SIZE}.",
            exit_code=2,
        )


def _run(house: House, *, is_once: bool, is_json: bool) -> int:
    stream = sys.stderr if is_json else sys.stdout
    log = (house.home.logs / "supervisor.log").open("a", encoding="utf-8")
    configure_logs(
        "supervisor", level=house.settings.log_level, secrets=known_secrets(house.settings), stream=log
    )
    for name in ("snapshot.json", "history.json", "status.json"):
        (house.home.run / name).unlink(missing_ok=True)
    board = open_board(stream)
    greeting = _Greeting(house, board)

    def watch(parts: Sequence[Running]) -> None:
        board(parts)
        greeting(parts)

    supervisor = Supervisor(
        house.home, all_parts(house, is_once=is_once), redactor=house.redactor, watch=watch
    )
    _publish(house)
    try:
        supervisor.run(_once_is_over if is_once else _cannot_go_on)
        # Judged before the parts are stopped: a signal in the midst of that has asked for nothing new.
        problems, ended_itself = _problems(supervisor), _has_ended_itself(supervisor)
        was_interrupted = supervisor.stop_signal is not None and not _has_all(supervisor.running)
    finally:
        supervisor.stop()
        board.close(supervisor.running)
        withdraw(house.home)
        log.close()
    if is_once:
        if was_interrupted:
            return _interrupted(is_json=is_json)
        return _report(house, supervisor, problems, is_json=is_json)
    if ended_itself:
        raise CockpitError(
            f"Not everything came up: {' '.join(problems)}", f"The logs are in {house.home.logs}."
        )
    return _farewell(house, problems, is_json=is_json)


class _Greeting:
    """Says once where the pages are, when the first state can be seen there."""

    def __init__(self, house: House, board: Board) -> None:
        self._house, self._board = house, board
        self._told = dict(house.told)
        self._has_said = False

    def __call__(self, parts: Sequence[Running]) -> None:
        if self._house.told != self._told:
            # A part told what others need; commands that attach need it too.
            self._told = dict(self._house.told)
            _publish(self._house)
        up = {running.name for running in parts if running.has_come_up}
        if not self._has_said and {"web", "snapshot"} <= up:
            self._has_said = True
            self._board.say(f"The studio today: {self._house.url}/   Dagster: {self._house.url}/dagster")


def _publish(house: House) -> None:
    instance = Instance(os.getpid(), house.url, house.started_at.isoformat(), dict(house.told))
    publish(house.home, instance)


def _cannot_go_on(parts: Sequence[Running]) -> bool:
    # Without the tables nothing else can ever start.
    return any(running.name == "prepare" and running.life.phase is Phase.FAILED for running in parts)


def _once_is_over(parts: Sequence[Running]) -> bool:
    has_failed = any(
        running.life.phase is Phase.FAILED or running.life.failures >= GIVE_UP_AFTER for running in parts
    )
    return has_failed or _has_all(parts)


def _has_all(parts: Sequence[Running]) -> bool:
    return all(running.has_come_up for running in parts)


def _has_ended_itself(supervisor: Supervisor) -> bool:
    """Say whether the house could not have gone on, asked to stop or not."""
    return supervisor.refusal is not None or _cannot_go_on(supervisor.running)


def _problems(supervisor: Supervisor) -> list[str]:
    if supervisor.refusal is not None:
        return [f"{supervisor.refusal.what} {supervisor.refusal.remedy}".strip()]
    return [
        f"{running.part.label} {_trouble_of(running)}".rstrip(".")[:LONGEST_PROBLEM] + "."
        for running in supervisor.running
        if running.life.phase is Phase.FAILED or running.life.failures >= GIVE_UP_AFTER
    ]


def _trouble_of(running: Running) -> str:
    failures = running.life.failures
    if running.has_come_up:
        return f"works again, after {failures} failures in a row"
    return running.problem or f"is being started again, after {failures} failures in a row"


def _farewell(house: House, problems: Sequence[str], *, is_json: bool) -> int:
    """Tell of trouble there was when the stop was asked for. Stopping was asked for and done: that is 0."""
    if is_json:
        print_json({"ok": True, "problems": list(problems)})
    if problems:
        sys.stderr.write(f"studio: Stopped. Not all was well: {' '.join(problems)}\n")
        sys.stderr.write(f"        The logs are in {house.home.logs}.\n")
    return 0


def _interrupted(*, is_json: bool) -> int:
    if is_json:
        print_json({"ok": False, "error": "Interrupted; what was finished is kept."})
    return INTERRUPTED


def _report(house: House, supervisor: Supervisor, problems: Sequence[str], *, is_json: bool) -> int:
    home, timezone = house.home, house.settings.timezone
    summary = read_json(home.run / "snapshot.json") or {}
    came_up = {f"{running.name}_ready": running.ready_after for running in supervisor.running}
    summary["phases"] = {**summary.get("phases", {}), **came_up}
    summary["ok"] = bool(summary.get("ok") and not problems and not summary["checks"]["failed"])
    summary["problems"] = list(problems)
    if is_json:
        print_json(summary)
    elif summary.get("revision"):
        print("\n".join(render_state(summary, timezone)))
    for problem in problems:
        sys.stderr.write(f"studio: {problem}\n")
    if problems:
        sys.stderr.write(f"        The logs are in {home.logs}.\n")
    return 0 if summary["ok"] else 1
