"""Asking every configured connector at the same time, and what is known of those that did not answer.

Nothing a device, a hub or a vendor's cloud does raises here: it is a fault of one connector and is told as
such. A past day asks nobody: its devices are what was read of them on that day, or nothing.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from policies.errors import DeniedError
from resources.clock import day_end, day_start
from resources.connector import ConnectorError, Fault, Reading
from resources.connectors.circuits import CircuitState
from resources.connectors.registry import ROWS
from resources.connectors.runner import ConnectorState
from resources.logs import logger
from resources.postgres.device_readings import DeviceReadings, StoredReading
from resources.postgres.errors import PostgresError
from resources.settings import Settings
from studio_assets.devices.section import ConnectorRead, Limits, count_devices, limits_of

CONNECTORS = tuple(row.connector_id for row in ROWS)
"""Every connector there is, in the order people see them."""


class Devices(Protocol):
    """The part of the one door to devices that a run uses."""

    def configured(self) -> Sequence[str]:
        """Return the ids of the connectors the studio has."""

    def read(self, connector_id: str, *, run_id: str | None = None) -> Reading:
        """Return all devices of a connector; raises ``ConnectorError`` or ``DeniedError``."""

    def states(self) -> Sequence[ConnectorState]:
        """Return how each configured connector is, asking nobody."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking one connector: a reading, or a fault and a sentence for a person."""

    reading: Reading | None
    fault: Fault | None = None
    sentence: str = ""


def ask_all(devices: Devices, run_id: str) -> dict[str, Answer]:
    """Return what came of asking every configured connector; takes as long as the slowest of them.

    Raises:
        PostgresError: when a call could not be recorded; nothing is asked without a record.
    """
    names = devices.configured()
    if not names:
        return {}
    with ThreadPoolExecutor(len(names), thread_name_prefix="connector") as pool:
        answers = pool.map(lambda name: _ask(devices, name, run_id), names)
        return dict(zip(names, answers, strict=True))


def _ask(devices: Devices, connector_id: str, run_id: str) -> Answer:
    try:
        reading = devices.read(connector_id, run_id=run_id)
    except ConnectorError as error:
        return Answer(None, error.fault, str(error))
    except DeniedError as error:
        return Answer(None, Fault.UNKNOWN, f"The rules did not let it be asked: {error}")
    except PostgresError:
        raise
    except Exception as error:  # noqa: BLE001 - one connector's defect must not cost the run its snapshot
        logger("devices").warning("devices:read:failed", connector=connector_id, kind=type(error).__name__)
        return Answer(None, Fault.UNKNOWN, "The connector failed in a way it should not; see the log.")
    fault = reading.worked_around[0] if reading.worked_around else None
    return Answer(reading, fault, "" if fault is None else f"It worked around a fault: {fault}.")


def read_now(
    connector_id: str,
    answer: Answer | None,
    stored: StoredReading | None,
    state: ConnectorState | None,
    limits: Limits,
) -> ConnectorRead:
    """Return what is known of a connector after it was asked.

    Args:
        connector_id: Which.
        answer: What came of asking; null when it is not configured.
        stored: The newest good reading in history, this one included; null when there is none.
        state: Of its circuit, after the call; null when it is not configured.
        limits: From where on a device is counted.
    """
    return ConnectorRead(
        connector_id=connector_id,
        is_configured=answer is not None,
        is_answered=answer is not None and answer.reading is not None,
        read_at=stored.read_at if stored else None,
        revision=stored.revision if stored else None,
        counts=count_devices(stored.reading, limits) if stored else {},
        fault=answer.fault if answer else None,
        sentence=answer.sentence if answer else "",
        circuit=state.circuit if state else CircuitState.CLOSED,
        next_retry_at=state.next_retry_at if state else None,
    )


def read_of_day(
    connector_id: str,
    readings: DeviceReadings,
    day: date,
    settings: Settings,
    *,
    told: Iterable[ConnectorRead] = (),
) -> ConnectorRead:
    """Return what was known of a connector at the end of a past day; only a reading of that day counts.

    Args:
        connector_id: Which.
        readings: What was read.
        day: The studio-local day.
        settings: For the zone and the limits.
        told: What the newest run for that day told of the connectors. A connector that had fallen silent by
            then is not called current because nobody looks any more.
    """
    before = next((read for read in told if read.connector_id == connector_id), None)
    stored = readings.newest(connector_id, before=day_end(day, settings.timezone))
    if stored is not None and stored.read_at < day_start(day, settings.timezone):
        stored = None
    is_same = before is not None and stored is not None and before.read_at == stored.read_at
    return ConnectorRead(
        connector_id=connector_id,
        is_configured=stored is not None or is_configured(connector_id, settings),
        is_answered=before.is_answered if before and is_same else stored is not None,
        read_at=stored.read_at if stored else None,
        revision=stored.revision if stored else None,
        counts=count_devices(stored.reading, limits_of(settings)) if stored else {},
        fault=before.fault if before and is_same else None,
    )


def unread(settings: Settings) -> list[ConnectorRead]:
    """Return what is known of the connectors when no run has looked at them: nothing."""
    return [ConnectorRead(name, is_configured(name, settings), False, None, None, {}) for name in CONNECTORS]


def is_configured(connector_id: str, settings: Settings) -> bool:
    """Say whether the settings name somebody to ask."""
    return any(row.is_configured(settings) for row in ROWS if row.connector_id == connector_id)
