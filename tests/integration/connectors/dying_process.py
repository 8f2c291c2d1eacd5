"""A process that is killed again and again at its nth word to the database, until it says all of them.

Run as ``python dying_process.py URL STUDIO``: prints one JSON line per death, with what the log and the
circuit said right after it, and after another process went on. Each life has a connector of its own name.
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

from sqlalchemy import event, text

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


def live(url: str, studio_id: str, connector_id: str, life: tuple[Fault | None, ...], words: int) -> None:
    """Live a life; die by SIGKILL at a word: before a statement or a commit (0: never)."""
    engine, said = app_engine(url, studio_id), [0]

    def count(*_: object) -> None:
        said[0] += 1
        if said[0] == words:
            os.kill(os.getpid(), signal.SIGKILL)

    if words:
        # After a statement or a commit is before the next.
        for moment in ("before_cursor_execute", "commit"):
            event.listen(engine, moment, count)
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
    engine.dispose()


def look(url: str, studio_id: str, connector_id: str) -> dict[str, object]:
    """Return what the log and the circuit say, and how many rows and events of calls there are."""
    engine = app_engine(url, studio_id)
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
    engine.dispose()
    return {
        "is_degraded": circuit.is_degraded,
        "calls": calls,
        "events": [[name.rpartition(":")[2], state] for name, state in events],
    }


def in_child(act: Callable[[], object]) -> tuple[bool, object]:
    """Run in a process of its own; return whether it was killed, and what it returned."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            pipe.write(json.dumps(act()))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status), json.loads(told) if told else None


def main(url: str, studio_id: str) -> None:
    """Die at every word there is, and tell of each death."""
    configure_logs("test")
    for words in range(1, MOST_WORDS):
        name = f"puppet_{words}"
        was_killed, _ = in_child(partial(live, url, studio_id, name, LIFE, words))
        _, right_after = in_child(partial(look, url, studio_id, name))
        in_child(partial(live, url, studio_id, name, (None,), 0))
        _, later = in_child(partial(look, url, studio_id, name))
        told = {"words": words, "was_killed": was_killed, "after": right_after, "later": later}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        if not was_killed:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
