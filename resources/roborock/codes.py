"""What Roborock's numbers mean: states, errors and parts, by family. A number without an entry is not known.

The names are the library's own. Its conversions are not used: an unknown error becomes "none" there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from roborock.const import (
    FILTER_REPLACE_TIME,
    MAIN_BRUSH_REPLACE_TIME,
    SENSOR_DIRTY_REPLACE_TIME,
    SIDE_BRUSH_REPLACE_TIME,
)
from roborock.data import RoborockErrorCode, RoborockStateCode
from roborock.data.b01_q7.b01_q7_code_mappings import B01Fault, WorkStatusMapping
from roborock.data.b01_q10.b01_q10_code_mappings import YXDeviceState, YXFault
from roborock.data.dyad.dyad_code_mappings import DyadError, RoborockDyadStateCode
from roborock.data.v1.v1_code_mappings import RoborockDockErrorCode
from roborock.data.zeo.zeo_code_mappings import ZeoError, ZeoState


@dataclass(frozen=True, slots=True)
class Codes:
    """The numbers of one family.

    Attributes:
        states: Name by number.
        errors: Name by number; the names of numbers without a meaning are left out.
        bad_states: States that are a fault by themselves.
        notices: Numbers told as errors that are none: a clean has begun, a robot goes home.
    """

    states: dict[int, str]
    errors: dict[int, str]
    bad_states: frozenset[int] = frozenset()
    notices: frozenset[int] = field(default=frozenset({0}))

    def is_healthy(self, state: int | None, error: int | None) -> bool | None:
        """Return the verdict: false on a known fault, true when both are known to be fine, else null."""
        if state in self.bad_states or (error in self.errors and error not in self.notices):
            return False
        if state in self.states and error in self.notices:
            return True
        return None


def _of_ints(members: Iterable[Any], *, without: frozenset[str] = frozenset()) -> dict[int, str]:
    return {int(m.value): m.display_name for m in members if m.display_name not in without}


def _of_modes(members: Iterable[Any], *, without: frozenset[str] = frozenset()) -> dict[int, str]:
    return {m.code: m.value for m in members if m.value not in without}


_NAMELESS: Final = frozenset(f"fault_{number}" for number in range(10_000))
_UNKNOWN: Final = frozenset({"unknown"})

V1: Final = Codes(
    states=_of_ints(RoborockStateCode, without=_UNKNOWN),
    errors=_of_ints(RoborockErrorCode),
    # A charging problem, an error, and "offline" as the robot's own word.
    bad_states=frozenset({9, 12, 101}),
)
V1_DOCK: Final = _of_ints(RoborockDockErrorCode)
Q7: Final = Codes(
    states=_of_modes(WorkStatusMapping, without=_UNKNOWN),
    errors=_of_modes(B01Fault, without=_NAMELESS) | {0: "none"},
    notices=frozenset({0, 407, 2102, 2103}),
)
Q10: Final = Codes(
    states=_of_modes(YXDeviceState, without=_UNKNOWN),
    errors=_of_modes(YXFault, without=_UNKNOWN),
    bad_states=frozenset({12}),
    notices=frozenset({0, 400, 407, 501, 502, 3001}),
)
ZEO: Final = Codes(states=_of_ints(ZeoState, without=frozenset({"null"})), errors=_of_ints(ZeoError))
DYAD: Final = Codes(
    states={n: name for n, name in _of_ints(RoborockDyadStateCode).items() if n > 0},
    errors=_of_ints(DyadError),
)

V1_PARTS: Final = {
    "main_brush": ("main_brush_work_time", MAIN_BRUSH_REPLACE_TIME),
    "side_brush": ("side_brush_work_time", SIDE_BRUSH_REPLACE_TIME),
    "filter": ("filter_work_time", FILTER_REPLACE_TIME),
    "sensor": ("sensor_dirty_time", SENSOR_DIRTY_REPLACE_TIME),
}
"""Part: the robot's counter, and the seconds after which the maker has it replaced or cleaned."""

Q7_PARTS: Final = {
    "main_brush": ("main_brush", 18_000),
    "side_brush": ("side_brush", 12_000),
    "filter": ("hypa", 9_000),
    "mop": ("mop_life", 10_800),
    "sensor": ("main_sensor", 1_800),
}
"""As ``V1_PARTS``, in minutes."""
