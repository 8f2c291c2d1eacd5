"""A process that is killed again and again at its nth word to the database, until it says all of them.

Run as ``python dying_process.py URL STUDIO``: prints one JSON line per death, with what the log and the
circuit said right after it, and after another process, this one, went on. Each life has a connector of its
own name.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from sqlalchemy import Engine, event, text

from resources.clock import SystemClock
from resources.connector import ConnectorError, Fault, Reading
from resources.connectors.breaker import BreakerPolicy
from resources.connectors.runner import CallPolicy, ConnectorRunner
from resources.logs import configure_logs
from resources.postgres.breakers import PostgresBreakerStore
from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.engine import app_engine

MOST_WORDS = 400
POLICY = CallPolicy(
    deadline_seconds=20,
    attempt_seconds=18,
    attempts=1,
    breaker=BreakerPolicy(failures_to_open=2, open_seconds=0),
)
# A whole life: the circuit opens, is refused nothing, recovers, is degraded by a login, and recovers again.
LIFE = (Fault.TIMEOUT, Fault.TIMEOUT, Fault.UNAVAILABLE, None, None, Fault.AUTH, Fault.AUTH, None)


class Actor:
    """A connector that fails as its life says."""

    version, is_read_only = "1", True

    def __init__(self, connector_id: str, life: tuple[Fault | None, ...]) -> None:
        self.connector_id = connector_id
        self._life = iter(life)

    def read(self, _: float) -> Reading:
        fault = next(self._life)
        if fault is not None:
            raise ConnectorError(fault, "as told")
        return Reading([], [], datetime.now(UTC))


def die(url: str, studio_id: str, connector_id: str, words: int) -> None:
    """Live a whole life; die by SIGKILL at a word: before a statement or a commit."""
    engine, said = app_engine(url, studio_id), [0]

    def count(*_: object) -> None:
        said[0] += 1
        if said[0] == words:
            os.kill(os.getpid(), signal.SIGKILL)

    # After a statement or a commit is before the next.
    for moment in ("before_cursor_execute", "commit"):
        event.listen(engine, moment, count)
    live(engine, studio_id, connector_id, LIFE)
    engine.dispose()


def live(engine: Engine, studio_id: str, connector_id: str, life: tuple[Fault | None, ...]) -> None:
    """Read as often as a life is long."""
    runner = ConnectorRunner(
        Actor(connector_id, life),
        breakers=PostgresBreakerStore(engine, studio_id),
        calls=PostgresCallLog(engine, studio_id),
        clock=SystemClock(),
        policy=POLICY,
    )
    for _ in life:
        with suppress(ConnectorError):
            runner.read()


def look(engine: Engine, studio_id: str, connector_id: str) -> dict[str, object]:
    """Return what the log and the circuit say, and how many rows and events of calls there are."""
    with engine.begin() as connection:
        events = connection.execute(
            text(
                "SELECT name, state FROM studio.audit_events WHERE subject_kind = 'connector' "
                "AND subject_id = :id ORDER BY seq"
            ),
            {"id": connector_id},
        ).all()
        calls = connection.scalar(
            text("SELECT count(*) FROM studio.connector_calls WHERE connector_id = :id"), {"id": connector_id}
        )
    circuit = PostgresBreakerStore(engine, studio_id).look(connector_id)
    return {
        "is_degraded": circuit.is_degraded,
        "calls": calls,
        "events": [[name.rpartition(":")[2], state] for name, state in events],
    }


def is_killed(act: Callable[[], None]) -> bool:
    """Do something in a process of its own; return whether it was killed. It must not fail otherwise."""
    child = os.fork()
    if child == 0:
        # Nothing of the parent's is closed here: its connection is still its own.
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and status:
        raise RuntimeError("a life failed in a way it should not")
    return os.WIFSIGNALED(status)


def main(url: str, studio_id: str) -> None:
    """Die at every word there is, and tell of each death."""
    configure_logs("test")
    engine = app_engine(url, studio_id)
    for words in range(1, MOST_WORDS):
        name = f"puppet_{words}"
        was_killed = is_killed(partial(die, url, studio_id, name, words))
        right_after = look(engine, studio_id, name)
        live(engine, studio_id, name, (None,))
        later = look(engine, studio_id, name)
        told = {"words": words, "was_killed": was_killed, "after": right_after, "later": later}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        if not was_killed:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
