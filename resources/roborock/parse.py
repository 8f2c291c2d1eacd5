"""From a robot's raw answer to a reading. Knows shapes, sends nothing.

An answer of another shape raises ``ValueError``, ``TypeError`` or ``LookupError``; a number without a meaning
is kept as it is and makes the robot's health unknown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from resources.connector import DeviceReading
from resources.roborock import codes
from resources.roborock.codes import Codes

VACUUM, WASHER, WET_DRY_VACUUM = "vacuum", "washing_machine", "wet_dry_vacuum"
HAZARDS: Final[Mapping[str, tuple[str, ...]]] = {
    VACUUM: ("moves_about",),
    WASHER: ("door_lock", "heats", "runs_water"),
    WET_DRY_VACUUM: ("heats", "runs_water"),
}
LARGEST_WHOLE: Final = 2**53
"""Beyond it a number is not exact in JSON, and beyond 64 bits nobody could keep the reading it is in."""
_EARLIEST_CLEAN: Final = datetime(2015, 1, 1, tzinfo=UTC).timestamp()
_LATEST_CLEAN: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


@dataclass(slots=True)
class RobotAnswers:
    """What one robot said, in numbers.

    Attributes:
        dock_error: Its dock's error; null where it has none.
    """

    state: int | None = None
    error: int | None = None
    battery: int | None = None
    dock_error: int | None = None
    consumables: dict[str, float] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    last_clean_at: datetime | None = None


def reading(
    device_id: str,
    kind: str,
    model: str | None,
    *,
    known: Codes,
    said: RobotAnswers,
    observed_at: datetime,
) -> DeviceReading:
    """Return what a robot said in the connector's form."""
    code, name = _error(known, said)
    is_healthy = known.is_healthy(said.state, said.error)
    if said.dock_error and is_healthy is not False:
        is_healthy = False if said.dock_error in codes.V1_DOCK else None
    return DeviceReading(
        device_id=device_id,
        kind=kind,
        model=model,
        is_online=True,
        battery_pct=said.battery if said.battery is not None and 0 <= said.battery <= 100 else None,
        state=None if said.state is None else known.states.get(said.state, f"code_{said.state}"),
        error_code=code,
        error_name=name,
        is_healthy=is_healthy,
        observed_at=observed_at,
        values=said.values,
        consumables=said.consumables,
        hazards=HAZARDS[kind],
        last_clean_at=said.last_clean_at,
    )


def v1_status(raw: Any) -> RobotAnswers:
    """Return what ``get_status`` says."""
    status = raw[0] if isinstance(raw, list) else raw
    if not isinstance(status, dict) or not status.keys() & {"state", "battery", "error_code"}:
        raise TypeError("status")
    return RobotAnswers(
        state=whole(status.get("state")),
        error=whole(status.get("error_code")),
        battery=whole(status.get("battery")),
        dock_error=whole(status.get("dock_error_status")),
    )


def v1_consumables(raw: Any) -> dict[str, float]:
    """Return the hours left by part, as ``get_consumable`` says."""
    counters = raw[0] if isinstance(raw, list) else raw
    return _hours_left(counters, codes.V1_PARTS, 3600.0)


def v1_last_record(raw: Any, said: RobotAnswers) -> int | None:
    """Note what ``get_clean_summary`` says, in its old or new form, and return the newest record's id."""
    if isinstance(raw, dict):
        seconds, area, count = (raw.get(name) for name in ("clean_time", "clean_area", "clean_count"))
        records = raw.get("records")
    else:
        seconds, area, count, records = (*raw, None, None, None, None)[:4]
    if (number := whole(count)) is not None:
        said.values["cleans_total"] = number
    if (number := whole(seconds)) is not None:
        said.values["clean_hours_total"] = round(number / 3600, 1)
    if (number := whole(area)) is not None:
        said.values["clean_area_total_m2"] = round(number / 1_000_000, 1)
    found = [number for record in records or () if (number := whole(record)) is not None]
    return max(found, default=None)


def v1_record(raw: Any, said: RobotAnswers) -> None:
    """Note what ``get_clean_record`` says of one clean: its end, length and area."""
    record = raw[-1] if isinstance(raw, list) and raw and isinstance(raw[-1], list | dict) else raw
    if isinstance(record, dict):
        begin, end, seconds, area = (record.get(name) for name in ("begin", "end", "duration", "area"))
    else:
        begin, end, seconds, area = (*record, None, None, None, None)[:4]
    said.last_clean_at = instant(end) or instant(begin)
    if (number := whole(seconds)) is not None:
        said.values["last_clean_minutes"] = round(number / 60, 1)
    if (number := whole(area)) is not None:
        said.values["last_clean_area_m2"] = round(number / 1_000_000, 1)


def q7_status(raw: Any) -> RobotAnswers:
    """Return what ``prop.get`` says."""
    if not isinstance(raw, dict) or not raw.keys() & {"status", "fault", "quantity"}:
        raise TypeError("status")
    return RobotAnswers(
        state=whole(raw.get("status")),
        error=whole(raw.get("fault")),
        battery=whole(raw.get("quantity")),
        consumables=_hours_left(raw, codes.Q7_PARTS, 60.0),
    )


def q7_records(raw: Any, said: RobotAnswers) -> None:
    """Note what ``service.get_record_list`` says; its details are JSON in text, oldest first."""
    if (number := whole(raw.get("total_count"))) is not None:
        said.values["cleans_total"] = number
    starts = [at for record in raw.get("record_list") or () if (at := _q7_start(record)) is not None]
    said.last_clean_at = max(starts, default=None)


def datapoints(raw: Mapping[int, Any], *, state: int, error: int, battery: int | None) -> RobotAnswers:
    """Return what a robot's numbered datapoints say; the arguments name the datapoints."""
    if not raw.keys() & {state, error, battery}:
        raise LookupError("status")
    return RobotAnswers(
        state=whole(raw.get(state)),
        error=whole(raw.get(error)),
        battery=None if battery is None else whole(raw.get(battery)),
    )


def whole(value: Any) -> int | None:
    """Return a whole number; null for anything else, and for what no robot counts up to."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and abs(value) <= LARGEST_WHOLE else None


def instant(value: Any) -> datetime | None:
    """Return the instant of a robot's clock; null when it says none that can be."""
    number = whole(value)
    if number is None or not _EARLIEST_CLEAN <= number <= _LATEST_CLEAN:
        return None
    return datetime.fromtimestamp(number, UTC)


def _q7_start(record: Any) -> datetime | None:
    detail = record.get("detail") if isinstance(record, dict) else None
    try:
        return instant(json.loads(detail).get("record_start_time")) if isinstance(detail, str) else None
    except (ValueError, AttributeError):
        return None


def _error(known: Codes, said: RobotAnswers) -> tuple[str | None, str | None]:
    if said.error not in {None, 0}:
        return str(said.error), known.errors.get(said.error or 0)
    if said.dock_error:
        return f"dock_{said.dock_error}", codes.V1_DOCK.get(said.dock_error)
    return None, None


def _hours_left(
    counters: Any, parts: Mapping[str, tuple[str, int]], units_per_hour: float
) -> dict[str, float]:
    if not isinstance(counters, dict):
        raise TypeError("consumables")
    return {
        part: round(max(0, life - used) / units_per_hour, 1)
        for part, (name, life) in parts.items()
        if (used := whole(counters.get(name))) is not None
    }
