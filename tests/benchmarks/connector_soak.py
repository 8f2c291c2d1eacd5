"""``studio bench connectors --soak``: both connectors polled for long, while random faults come and go.

Polls go through the runner of the product, with circuits and records in PostgreSQL; the pretend hub and
robots are another process. What this process holds is weighed three times a minute; at the end nothing may
have leaked, every circuit must have done what a second description of it says, and no command may have
arrived.

The Roborock connector's clock goes faster than time, so that its home grows old and the limits of the
maker's cloud are met within minutes; the breaker's and the poller's do not.
"""

import asyncio
import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from resources.clock import SystemClock
from resources.connectors.breaker import BreakerPolicy
from resources.connectors.runner import CallPolicy, ConnectorRunner, DegradedChange
from tests.benchmarks.connector_model import OK, BreakerModel, Weight, leaks, period_errors
from tests.benchmarks.connector_poller import FastClock, Poller, Watched
from tests.benchmarks.connector_trouble import HUB_TROUBLE, OWN_THREADS, ROBOT_TROUBLE, Trouble
from tests.benchmarks.connector_twins import TwinsApart
from tests.benchmarks.connector_world import Database, hub_connector, robot_connector

DEVICES = 5
WARM_SHARE, LONGEST_WARM_SECONDS = 0.2, 180.0
WEIGH_EVERY_SECONDS = 20.0
CLOCK_SPEED = 40
_ROOM_SECONDS = 0.25  # between polls, for weighing


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
            name=f"{OWN_THREADS}poller",
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
        threads=sum(not one.name.startswith(OWN_THREADS) for one in threading.enumerate()),
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
