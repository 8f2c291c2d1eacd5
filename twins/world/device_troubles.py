"""Labelled incidents of devices: a robot in trouble, a low battery, a silent sensor, a kiln room too hot.

Drawn from the seed alone, one of each kind a week, so that a restart changes nothing. They are no documents,
and so no part of the plan: the pretend hub and robots ask what is wrong at an instant, and live it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.incident_kinds import OPERATIONS
from twins.world.incidents import FIRST_INCIDENT_DAY, Label
from twins.world.settings import WorldSettings

VACUUM_ERROR, BATTERY_LOW, SENSOR_SILENT = "vacuum_error", "battery_low", "sensor_silent"
KILN_ROOM_TEMPERATURE = "kiln_room_temperature"
LONGEST: Final = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class DeviceTrouble:
    """One thing that is wrong with one device.

    Attributes:
        kind: ``vacuum_error``, ``battery_low``, ``sensor_silent`` or ``kiln_room_temperature``.
        device: ``hubitat/devices/<id>`` or ``roborock/devices/<id>``.
        opens_at: First instant of it; for a silent sensor, after its last word.
        closes_at: When somebody put it right.
        error: The robot's own code; 0 for what is no robot.
    """

    kind: str
    device: str
    opens_at: datetime
    closes_at: datetime
    error: int = 0


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    hours: tuple[float, float]
    from_hour: float
    to_hour: float
    notes: str
    devices: Sequence[tuple[str, Sequence[int]]]


_SENSORS: Final = tuple((f"hubitat/devices/{number}", (0,)) for number in (12, 15, 16, 17, 18))
KINDS: Final = (
    _Kind(
        VACUUM_ERROR,
        (4, 30),
        5.5,
        6.5,
        "a robot is stuck until somebody helps it",
        (("roborock/devices/pretend-throwing-room", (5, 8)), ("roborock/devices/pretend-kiln-room", (513,))),
    ),
    _Kind(BATTERY_LOW, (120, 216), 0, 24, "a sensor's battery is nearly empty for days", _SENSORS),
    _Kind(SENSOR_SILENT, (24, 72), 0, 24, "a sensor has stopped to report", _SENSORS),
    _Kind(
        KILN_ROOM_TEMPERATURE,
        (6, 20),
        9,
        18,
        "the vent does not draw, and the kiln room is far too warm",
        (("hubitat/devices/11", (0,)),),
    ),
)


class DeviceTroubles:
    """The calendar of device incidents of one world; calm worlds have none."""

    def __init__(self, settings: WorldSettings) -> None:
        self._settings = settings
        self._weeks: dict[int, Sequence[tuple[_Kind, DeviceTrouble]]] = {}  # what was drawn before

    def at(self, instant: datetime) -> Mapping[tuple[str, str], DeviceTrouble]:
        """Return what is wrong at an instant, by device and kind."""
        return {
            (trouble.device, trouble.kind): trouble
            for _, trouble in self._drawn(instant - LONGEST, instant)
            if trouble.opens_at <= instant < trouble.closes_at
        }

    def robot_error(self, duid: str, instant: datetime) -> int:
        """Return the error code of a robot at an instant; 0 for none."""
        trouble = self.at(instant).get((f"roborock/devices/{duid}", VACUUM_ERROR))
        return trouble.error if trouble else 0

    def labels(self, until: datetime) -> list[Label]:
        """Return the labels of everything that began by an instant, in order of start."""
        first = almanac.local(self._settings.first_day, 0)
        labels = []
        for kind, trouble in self._drawn(first, until):
            if trouble.opens_at <= until:
                name = f"device-incident-{trouble.opens_at:%Y%m%d}-{kind.name}"
                ended_at = trouble.closes_at if trouble.closes_at <= until else None
                labels.append(
                    Label(
                        name,
                        kind.name,
                        OPERATIONS,
                        "incident",
                        trouble.opens_at,
                        ended_at,
                        (trouble.device,),
                        kind.notes,
                    )
                )
        return sorted(labels, key=lambda label: (label.started_at, label.id))

    def _drawn(self, since: datetime, until: datetime) -> Iterator[tuple[_Kind, DeviceTrouble]]:
        """Yield what may have begun between two instants: every week that touches them, whole."""
        if not self._settings.has_incidents:
            return
        start = self._settings.first_day + timedelta(days=FIRST_INCIDENT_DAY)
        first = max(0, (almanac.day_of(since) - start).days // 7)
        for week in range(first, (almanac.day_of(until) - start).days // 7 + 1):
            if week not in self._weeks:
                self._weeks[week] = [self._draw(kind, week, start) for kind in KINDS]
            yield from self._weeks[week]

    def _draw(self, kind: _Kind, week: int, start: date) -> tuple[_Kind, DeviceTrouble]:
        dice = Dice(self._settings.seed, "device incidents", kind.name, week)
        day = start + timedelta(days=7 * week + dice.whole(0, 6))
        opens_at = almanac.moment(dice, day, kind.from_hour, kind.to_hour).replace(microsecond=0)
        device, codes = dice.pick(kind.devices)
        closes_at = opens_at + dice.hours(*kind.hours)
        return kind, DeviceTrouble(kind.name, device, opens_at, closes_at, dice.pick(codes))
