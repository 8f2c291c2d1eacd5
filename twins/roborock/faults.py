"""What shall go wrong with the pretend robots, their broker and their cloud; changed from any thread."""

import threading
import time
from dataclasses import dataclass, field
from typing import Final

LOCAL_KINDS: Final = (
    "refused",  # nobody listens on the robot's own wire
    "black_hole",  # its address swallows every connection
    "mute_hello",  # it takes a connection and does not greet
    "drop_after_hello",  # it greets and hangs up
    "reset",  # it hangs up instead of answering
    "slow",  # it answers after ``seconds``
    "split",  # in many small pieces
    "merge",  # every answer twice in one piece
    "bad_crc",
    "truncated",
    "garbage",
    "garbage_then_ok",
    "wrong_key",  # answers sealed with another key
    "not_json",
    "bad_id",  # an answer to another question
    "huge_len",
)
ROBOT_KINDS: Final = (
    "mute",  # takes every question, on both wires, and says nothing
    "off",  # nothing of it is there
    "unknown_codes",
    "error",  # a main brush that is stuck
    "busy",
    "unknown_method",
    "missing_datapoints",
)
BROKER_KINDS: Final = (
    "broker_refuses",  # CONNACK 135
    "broker_down",
    "broker_hangs",
    "broker_mute",
    "broker_garbage",
    "broker_bad_crc",
)
CLOUD_KINDS: Final = (
    "cloud_html_502",
    "cloud_html_200",
    "cloud_bad_json",
    "cloud_null",
    "cloud_drop",
    "cloud_expired",
    "cloud_401",
    "cloud_rate_limited",
    "cloud_redirect",
    "cloud_hang",
)
KINDS: Final = (*LOCAL_KINDS, *ROBOT_KINDS, *BROKER_KINDS, *CLOUD_KINDS)
ALIASES: Final = {
    "timeout": "mute",
    "unavailable": "off",
    "auth": "broker_refuses",
    "rate_limited": "cloud_rate_limited",
}
"""The connectors' common words for a fault, and what does it here."""

SLOW_SECONDS: Final = 5.0


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: One of ``KINDS``.
        robot: The robot it strikes; every one when null.
        count: How often it still strikes; null until cleared.
        seconds: How late a slow answer comes.
        until: Instant of the steady clock at which it ends; null for never.
    """

    kind: str
    robot: str | None = None
    count: int | None = None
    seconds: float = SLOW_SECONDS
    until: float | None = None


@dataclass(slots=True)
class Faults:
    """The faults in force."""

    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self,
        kind: str,
        *,
        robot: str | None = None,
        count: int | None = None,
        seconds: float | None = None,
        for_seconds: float | None = None,
    ) -> None:
        """Let something go wrong from now on.

        Raises:
            ValueError: when there is no such fault.
        """
        kind = ALIASES.get(kind, kind)
        if kind not in KINDS:
            raise ValueError(f"roborock has no fault {kind!r}; it has: {', '.join((*KINDS, *ALIASES))}")
        until = None if for_seconds is None else time.monotonic() + for_seconds
        with self._lock:
            self._faults.append(
                Fault(kind, robot, count, SLOW_SECONDS if seconds is None else seconds, until)
            )

    def clear(self) -> None:
        """Take everything back."""
        with self._lock:
            self._faults.clear()

    def armed(self) -> list[str]:
        """Return the kinds in force."""
        with self._lock:
            self._forget_ended()
            return [fault.kind for fault in self._faults]

    def has(self, *kinds: str, robot: str | None = None) -> bool:
        """Return whether one of these is in force for a robot, without counting."""
        return self._find(kinds, robot) is not None

    def take(self, *kinds: str, robot: str | None = None) -> Fault | None:
        """Return the first fault of these kinds that strikes a robot now, and count it."""
        fault = self._find(kinds, robot)
        if fault is not None and fault.count is not None:
            with self._lock:
                fault.count -= 1
                if fault.count <= 0 and fault in self._faults:
                    self._faults.remove(fault)
        return fault

    def _find(self, kinds: tuple[str, ...], robot: str | None) -> Fault | None:
        with self._lock:
            self._forget_ended()
            for fault in self._faults:
                if fault.kind in kinds and fault.robot in {None, robot}:
                    return fault
        return None

    def _forget_ended(self) -> None:
        now = time.monotonic()
        self._faults[:] = [fault for fault in self._faults if fault.until is None or fault.until > now]
