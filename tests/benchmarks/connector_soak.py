"""``studio bench connectors --soak``: both connectors polled for long, while random faults come and go.

Polls go through the runner of the product, with circuits and records in PostgreSQL; the pretend hub and
robots are another process. Every minute what this process holds is weighed; at the end nothing may have
leaked, every circuit must have done what a second description of it says, and no command may have arrived.

The Roborock connector's clock goes faster than time, so that its home grows old and the limits of the
maker's cloud are met within minutes; the breaker's and the poller's do not.
"""

import asyncio
import gc
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from resources.clock import SystemClock
from resources.connector import Command, CommandPlan, Connector, ConnectorError, Health, Reading
from resources.connectors.breaker import BreakerPolicy, CallRefusedError
from resources.connectors.runner import CallPolicy, ConnectorRunner, DegradedChange
from tests.benchmarks.connector_model import OK, Attempt, BreakerModel, Weight, leaks, period_errors
from tests.benchmarks.connector_twins import TwinsApart
from tests.benchmarks.connector_world import Database, hub_connector, robot_connector

DEVICES = 5
WARM_SHARE, LONGEST_WARM_SECONDS = 0.2, 180.0
WEIGH_EVERY_SECONDS = 20.0
CLOCK_SPEED = 40
_ROOM_SECONDS = 0.25  # between polls, for weighing
_HEALTHY_SECONDS, _ILL_SECONDS = (4.0, 30.0), (3.0, 70.0)

HUB_TROUBLE: Sequence[tuple[str, ...]] = tuple(
    (kind,)
    for kind in (
        *("timeout", "hang", "slow", "late", "html502", "html503", "boot", "badjson", "cut", "short_json"),
        *(
            "wrong_shape",
            "error_flag",
            "html_type",
            "401",
            "404",
            "429",
            "500",
            "reset",
            "refused",
            "redirect",
        ),
        *("huge", "packed", "black_hole"),
    )
)
ROBOT_TROUBLE: Sequence[tuple[str, ...]] = (
    *((kind,) for kind in ("refused", "black_hole", "mute_hello", "drop_after_hello", "reset", "slow")),
    *((kind,) for kind in ("split", "merge", "bad_crc", "truncated", "garbage", "wrong_key", "not_json")),
    *((kind,) for kind in ("mute", "off", "unknown_codes", "error", "busy", "unknown_method")),
    *((kind,) for kind in ("broker_refuses", "broker_down", "broker_hangs", "broker_mute", "broker_garbage")),
    *((kind,) for kind in ("broker_bad_crc", "cloud_html_502", "cloud_bad_json", "cloud_hang", "cloud_401")),
    # A whole outage: neither wire helps the other.
    *(("off", "broker_down"), ("black_hole", "broker_hangs"), ("refused", "broker_refuses")),
    *(("mute", "cloud_hang"), ("reset", "broker_garbage"), ("off", "broker_down", "cloud_drop")),
    *(("off", "broker_down"), ("mute",), ("bad_crc", "broker_bad_crc"), ("off", "broker_mute")),
)
_OWN_THREADS = "soak-"


class FastClock:
    """A clock that goes faster than time."""

    def __init__(self, speed: int) -> None:
        self._started, self._speed = datetime.now(UTC), speed

    def now(self) -> datetime:
        """Return its instant, UTC."""
        now = datetime.now(UTC)
        return self._started + (now - self._started) * self._speed


class Watched:
    """A connector that notes every time it is really asked; between the runner and the real one."""

    def __init__(self, inner: Connector) -> None:
        self.connector_id, self.version, self.is_read_only = inner.connector_id, inner.version, True
        self._inner = inner
        self._lock = threading.Lock()
        self._attempts: list[list[Any]] = []
        self.longest_overrun = 0.0

    def read(self, deadline_seconds: float) -> Reading:
        """Ask, and note."""
        note: list[Any] = [time.time(), None, None]
        with self._lock:
            self._attempts.append(note)
        ending = "unknown"
        try:
            answer = self._inner.read(deadline_seconds)
            ending = OK
        except ConnectorError as error:
            ending = error.fault.value
            raise
        else:
            return answer
        finally:
            note[1:] = time.time(), ending
            self.longest_overrun = max(self.longest_overrun, note[1] - note[0] - deadline_seconds)

    def taken(self, now: float) -> list[Attempt]:
        """Return the attempts since the last time; one that still runs was given up as timed out."""
        with self._lock:
            notes, self._attempts = self._attempts, []
        return [Attempt(began, ended or now, ending or "timeout") for began, ended, ending in notes]

    def health(self, deadline_seconds: float) -> Health:
        """Pass on."""
        return self._inner.health(deadline_seconds)

    def execute(self, command: Command, *, is_dry_run: bool, deadline_seconds: float) -> CommandPlan:
        """Pass on."""
        return self._inner.execute(command, is_dry_run=is_dry_run, deadline_seconds=deadline_seconds)

    def close(self) -> None:
        """Pass on."""
        self._inner.close()


@dataclass(slots=True)
class Poller:
    """One connector, polled at a period by a thread of its own."""

    watched: Watched
    runner: ConnectorRunner
    database: Database
    model: BreakerModel
    period: float
    offset: float
    planned: list[float] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    worked_around: Counter[str] = field(default_factory=Counter)
    silent_devices: int = 0
    attempts: int = 0
    missed: int = 0
    idle_until: float = 0.0

    def poll_until(self, started: float, ends_at: float) -> None:
        """Poll at every multiple of the period; a poll whose time came during another is missed."""
        due = started + self.offset
        while due < ends_at:
            self.idle_until = due
            time.sleep(max(0.0, due - time.time()))
            self.idle_until = 0.0
            self.planned.append(due)
            self.began.append(time.time())
            self.poll()
            due += self.period
            while due < time.time() - self.period:
                self.missed += 1
                due += self.period
        self.idle_until = float("inf")

    def poll(self) -> str:
        """Poll once, and hold the circuit against the model."""
        began_at, is_refused, ending = time.time(), False, OK
        try:
            reading = self.runner.read()
            self.worked_around.update(fault.value for fault in reading.worked_around)
            self.silent_devices += len(reading.failures)
        except CallRefusedError:
            is_refused, ending = True, "refused"
        except ConnectorError as error:
            ending = error.fault.value
        returned_at = time.time()
        self.seconds.append(returned_at - began_at)
        self.endings[ending] += 1
        attempts = self.watched.taken(returned_at)
        self.attempts += len(attempts)
        circuit = self.database.breakers.look(self.watched.connector_id)
        self.model.called(began_at, attempts, time.time(), is_refused=is_refused)
        retry_at = circuit.retry_at.timestamp() if circuit.retry_at else None
        self.model.compare(circuit.state.value, circuit.failures, circuit.fault, retry_at)
        return ending


class Trouble(threading.Thread):
    """Lets one twin be in random trouble, and be well in between."""

    def __init__(
        self,
        twins: TwinsApart,
        lock: threading.Lock,
        connector: str,
        kinds: Sequence[tuple[str, ...]],
        seed: str,
    ) -> None:
        super().__init__(name=f"{_OWN_THREADS}{connector}", daemon=True)
        self._twins, self._lock, self._connector, self._kinds = twins, lock, connector, kinds
        self._random = random.Random(seed)
        self._is_over = threading.Event()
        self.seen: Counter[str] = Counter()

    def run(self) -> None:
        while not self._is_over.wait(self._random.uniform(*_HEALTHY_SECONDS)):
            kinds = self._random.choice(self._kinds)
            with self._lock:
                self._twins.fail(self._connector, *kinds)
            self.seen["+".join(kinds)] += 1
            self._is_over.wait(self._random.uniform(*_ILL_SECONDS))
            with self._lock:
                self._twins.clear(self._connector)

    def end(self) -> None:
        self._is_over.set()
        self.join()


def soak(minutes: float, seed: int, period: float) -> dict[str, Any]:
    """Poll for so long and return the figures; ``violations`` counts what must not be.

    Args:
        minutes: How long.
        seed: Decides which faults come, when, and for how long.
        period: Seconds from one poll to the next; no call may take longer.
    """
    policies = {
        # A call ends within three quarters of the period, so that the next poll is never late for it.
        "hubitat": CallPolicy(
            period * 0.75, period * 0.3, 2, 0.2, breaker=BreakerPolicy(5, period * 3, period)
        ),
        "roborock": CallPolicy(period * 0.75, period * 0.75, 1, breaker=BreakerPolicy(5, period * 3, period)),
    }
    changes: Counter[tuple[str, bool]] = Counter()

    def note_change(change: DegradedChange) -> None:
        changes[change.connector_id, change.is_degraded] += 1

    with TemporaryDirectory(prefix="studio-soak-") as name:
        folder = Path(name)
        with Database(folder) as database, TwinsApart(DEVICES, folder / "session.json") as twins:
            before = _weigh(0.0, database)
            pollers = []
            for number, made in enumerate(
                (hub_connector(twins), robot_connector(folder, clock=FastClock(CLOCK_SPEED)))
            ):
                watched, policy = Watched(made), policies[made.connector_id]
                runner = ConnectorRunner(
                    watched,
                    breakers=database.breakers,
                    calls=database.calls,
                    clock=SystemClock(),
                    policy=policy,
                    on_change=note_change,
                )
                model = BreakerModel(policy.breaker.failures_to_open, policy.breaker.open_seconds)
                pollers.append(Poller(watched, runner, database, model, period, number * period / 2))
            told = _run(minutes, seed, pollers, twins, database)
            for poller in pollers:
                connector = poller.watched.connector_id
                poller.model.compare_changes(changes[connector, True], changes[connector, False])
            return _report(told | {"before": before}, pollers, database, twins.status()) | {
                "minutes": minutes,
                "seed": seed,
                "periodSeconds": period,
            }


def _run(
    minutes: float,
    seed: int,
    pollers: Sequence[Poller],
    twins: TwinsApart,
    database: Database,
) -> dict[str, Any]:
    lock = threading.Lock()
    for poller in pollers:
        poller.poll()  # the vendors' libraries are loaded by the first call, which would be late for it
        poller.seconds.clear()
    started = time.time()
    ends_at = started + minutes * 60
    troubles = [
        Trouble(twins, lock, "hubitat", HUB_TROUBLE, f"hub-{seed}"),
        Trouble(twins, lock, "roborock", ROBOT_TROUBLE, f"robots-{seed}"),
    ]
    threads = [
        threading.Thread(
            target=poller.poll_until,
            args=(started + poller.period / 2, ends_at),
            name=f"{_OWN_THREADS}poller",
            daemon=True,
        )
        for poller in pollers
    ]
    for one in (*troubles, *threads):
        one.start()
    warm_at = started + min(LONGEST_WARM_SECONDS, minutes * 60 * WARM_SHARE)
    warm: Weight | None = None
    between: list[Weight] = []
    while time.time() < ends_at:
        _wait_for_room(pollers, ends_at)
        weight = _weigh(time.time() - started, database)
        if warm is None and time.time() >= warm_at:
            warm = weight
        elif warm is not None:
            between.append(weight)
        _say(weight, pollers)
        time.sleep(min(WEIGH_EVERY_SECONDS, max(0.0, ends_at - time.time())))
    for thread in threads:
        thread.join()
    for trouble in troubles:
        trouble.end()
    is_recovered = all(_recovers(poller) for poller in pollers)
    for poller in pollers:
        poller.runner.close()
    return {
        "warm": warm or between[0],
        "between": between,
        "end": _settled(warm or between[0], time.time() - started, database),
        "isRecovered": is_recovered,
        "faults": {trouble.name.partition("-")[2]: trouble.seen for trouble in troubles},
        "idle": _idle(database),
    }


def _wait_for_room(pollers: Sequence[Poller], ends_at: float) -> None:
    """Wait for a moment at which nobody polls, and nobody will in an instant."""
    while time.time() < ends_at and any(one.idle_until < time.time() + _ROOM_SECONDS for one in pollers):
        time.sleep(0.01)


def _recovers(poller: Poller) -> bool:
    """Return whether, with all well, the connector is in order again as soon as its rest is over."""
    until = time.time() + poller.model.open_seconds + 4 * poller.period
    while time.time() < until:
        if poller.poll() == OK:
            return not poller.runner.state().is_degraded
        time.sleep(poller.period / 4)
    return False


def _settled(warm: Weight, at: float, database: Database) -> Weight:
    """Weigh, once what is on its way out has gone."""
    gc.collect()
    for _ in range(50):
        weight = _weigh(at, database)
        if not leaks(warm, weight, ()):
            break
        time.sleep(0.1)
    return weight


def _idle(database: Database) -> int:
    """Return how many sockets are left once the database's are closed."""
    database.engine.dispose()
    return len(psutil.Process().net_connections("all"))


def _weigh(at: float, database: Database) -> Weight:
    """Weigh this process, but for the database's connections: their pool keeps as many as it may."""
    process, pooled = psutil.Process(), database.pooled()
    tasks = [one for one in gc.get_objects() if isinstance(one, asyncio.Task) and not one.done()]
    return Weight(
        at=round(at, 1),
        tasks=len(tasks),
        sockets=len(process.net_connections("all")) - pooled,
        files=process.num_fds() - pooled,
        threads=sum(not one.name.startswith(_OWN_THREADS) for one in threading.enumerate()),
        memory_mb=round(process.memory_full_info().uss / 1e6, 2),
    )


def _say(weight: Weight, pollers: Sequence[Poller]) -> None:
    polls = ", ".join(f"{one.watched.connector_id} {dict(one.endings)}" for one in pollers)
    sys.stderr.write(f"{weight.at:.0f} s: {polls}; {weight}\n")


def _report(
    told: Mapping[str, Any], pollers: Sequence[Poller], database: Database, twins: Mapping[str, Any]
) -> dict[str, Any]:
    wrong = leaks(told["warm"], told["end"], told["between"])
    connectors = {}
    for poller in pollers:
        name, model = poller.watched.connector_id, poller.model
        recorded, audited = database.recorded(name), database.audited(name)
        wrong += [f"{name}: {violation}" for violation in model.violations]
        if recorded != sum(poller.endings.values()):
            wrong.append(f"{name}: {sum(poller.endings.values())} calls, {recorded} records")
        if audited.get("called", 0) != recorded:
            wrong.append(f"{name}: {recorded} records, {audited.get('called', 0)} of them in the audit log")
        modes = audited.get("degraded_entered", 0), audited.get("degraded_left", 0)
        # An answer that refuses a login mends the circuit and degrades it again: two events at once.
        if modes[0] < model.entered or modes[0] - modes[1] != model.entered - model.left:
            wrong.append(f"{name}: the audit log has other changes of mode than there were: {modes}")
        if poller.missed:
            wrong.append(f"{name}: {poller.missed} polls missed")
        connectors[name] = {
            "polls": len(poller.began),
            "missed": poller.missed,
            "lateMs": period_errors(poller.planned, poller.began),
            "longestSeconds": round(max(poller.seconds), 2),
            "deadlineSeconds": round(poller.period * 0.75, 2),
            "longestOverrunMs": round(poller.watched.longest_overrun * 1000),
            "endings": dict(poller.endings),
            "attempts": poller.attempts,
            "workedAround": dict(poller.worked_around),
            "devicesThatFailedInGoodReads": poller.silent_devices,
            "records": recorded,
            "audited": audited,
            "faults": dict(told["faults"][name]),
            "openings": model.openings,
            "probesThatFailed": model.reopenings,
            "closings": model.closings,
            "enteredDegraded": model.entered,
            "leftDegraded": model.left,
        }
    if not told["isRecovered"]:
        wrong.append("a connector was not in order again once all was well")
    if twins["acts"]:
        wrong.append(f"{len(twins['acts'])} commands arrived")
    if twins["connections"]:
        wrong.append(f"{twins['connections']} connections are still open at the broker")
    weights = {name: _plain(told[name]) for name in ("before", "warm", "end")}
    return {
        "violations": len(wrong),
        "wrong": wrong,
        "unit": "milliseconds late",
        "results": [],
        "connectors": connectors,
        "weights": weights,
        "socketsWithoutDatabase": told["idle"],
        "memoryMb": [one.memory_mb for one in told["between"]],
        "commandsThatArrived": len(twins["acts"]),
    }


def _plain(weight: Weight) -> dict[str, Any]:
    return {name: getattr(weight, name) for name in Weight.__dataclass_fields__}
