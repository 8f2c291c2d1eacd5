"""Waits until Dagster's daemon has evaluated a sensor since the house was started."""

import sys
import time
from datetime import datetime

from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

LIMIT_SECONDS = 100.0
POLL_SECONDS = 0.3
ENDED = (TickStatus.SUCCESS, TickStatus.SKIPPED)


def main() -> int:
    """Return 0 after a sensor's tick; 1 when one failed, or when none came in time."""
    since = datetime.fromisoformat(sys.argv[1]).timestamp()
    deadline = time.monotonic() + LIMIT_SECONDS
    with DagsterInstance.get() as instance:
        while time.monotonic() < deadline:
            ticks = [tick for tick in _newest_ticks(instance) if tick.timestamp >= since]
            failed = [tick for tick in ticks if tick.status is TickStatus.FAILURE]
            if failed:
                sys.stdout.write(f"The sensor {failed[0].instigator_name} failed: {_reason(failed[0])}\n")
                return 1
            if any(tick.status in ENDED for tick in ticks):
                return 0
            time.sleep(POLL_SECONDS)
    sys.stdout.write(f"No sensor was evaluated within {LIMIT_SECONDS:.0f} s.\n")
    return 1


def _newest_ticks(instance: DagsterInstance) -> list[InstigatorTick]:
    sensors = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    return [
        tick
        for sensor in sensors
        for tick in instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id, limit=1)
    ]


def _reason(tick: InstigatorTick) -> str:
    return tick.error.message.strip().splitlines()[0] if tick.error else "no reason was given"


if __name__ == "__main__":
    sys.exit(main())
