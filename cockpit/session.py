"""Work on a home's data from a command: on the running instance, or on parts started for the moment.

Commands do not care which: they get the environment in which the work can be done.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from cockpit.board import Board, open_board
from cockpit.environment import part_environment
from cockpit.errors import CockpitError
from cockpit.home import CHECKOUT, Home
from cockpit.house import House, open_house, snapshot_part, store_parts
from cockpit.instance import InstanceLock, running_instance
from cockpit.lifecycle import Phase
from cockpit.loading import module_command
from cockpit.parts.python_part import words_of
from cockpit.processes import PROGRESS
from cockpit.supervisor import Running, Supervisor
from cockpit.world import Wish
from resources.logs import configure_logs, known_secrets
from resources.postgres.engine import ensure_databases, owner_engine
from resources.postgres.migrate import migrate
from resources.settings import Settings, load_settings


@contextmanager
def history_settings(home: Home, settings: Settings) -> Iterator[Settings]:
    """Give settings with which the history can be read, with the database server started if need be."""
    instance = running_instance(home)
    if instance is not None:
        yield load_settings(instance.environment)
        return
    lock = InstanceLock(home)
    lock.acquire()
    try:
        house = open_house(home, settings, Wish())
        if house.server is not None:
            house.server.start()
        try:
            ready = load_settings(house.told)
            ensure_databases(house.owner_url)
            migrate(owner_engine(house.owner_url), ready.studio_id)
            yield ready
        finally:
            if house.server is not None:
                house.server.stop()
    finally:
        lock.release()


def run_snapshot_step(home: Home, settings: Settings, arguments: Sequence[str]) -> bool:
    """Make a snapshot, whether or not an instance runs; return whether it was made.

    Its result is in ``run/snapshot.json``. What is missing is started for the moment and stopped again.
    """
    board = open_board(sys.stderr)
    instance = running_instance(home)
    if instance is not None:
        return _on_instance(home, instance.environment, arguments, board.say)
    lock = InstanceLock(home)
    lock.acquire()
    try:
        return _for_the_moment(open_house(home, settings, Wish()), arguments, board)
    finally:
        lock.release()


def _on_instance(
    home: Home, told: Mapping[str, str], arguments: Sequence[str], say: Callable[[str], None]
) -> bool:
    command = module_command("cockpit.work.take_snapshot", *arguments)
    with subprocess.Popen(
        command,
        env=part_environment(home, told, part="snapshot"),
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        said = ""
        for line in process.stdout or ():
            words = words_of(line) if line.startswith(PROGRESS) else line.rstrip()
            if words != said:
                say(words)
            said = words
    return process.returncode == 0


def _for_the_moment(house: House, arguments: Sequence[str], board: Board) -> bool:
    with (house.home.logs / "supervisor.log").open("a", encoding="utf-8") as log:
        configure_logs("supervisor", secrets=known_secrets(house.settings), stream=log)
        parts = [*store_parts(house), snapshot_part(house, arguments, needs=["prepare", "twins"])]
        supervisor = Supervisor(house.home, parts, redactor=house.redactor, watch=board)
        try:
            supervisor.run(_is_over)
        finally:
            supervisor.stop()
            board.close(supervisor.running)
    if supervisor.refusal is not None:
        raise supervisor.refusal
    if supervisor.stop_signal is not None:
        raise KeyboardInterrupt
    for running in supervisor.running:
        if running.life.failures and running.name != "snapshot" and not running.has_come_up:
            raise CockpitError(
                f"{running.part.label} {running.problem}", f"The logs are in {house.home.logs}."
            )
    return all(
        running.life.phase is Phase.DONE for running in supervisor.running if running.name == "snapshot"
    )


def _is_over(parts: Sequence[Running]) -> bool:
    # A snapshot that failed is an answer; a part that fails again and again is one, too.
    return any(
        running.life.phase is Phase.FAILED
        or running.life.failures >= 3
        or (running.name == "snapshot" and (running.has_come_up or running.life.failures > 0))
        for running in parts
    )
