"""What can go wrong with the pretend hub, by name."""

import threading
from dataclasses import dataclass
from typing import Final

# Name -> what the client sees.
FAULTS: Final = {
    "timeout": "the request is taken, and nothing comes back",
    "hang": "an answer begins and stops in the middle",
    "slow": "the answer comes byte by byte, seconds apart",
    "late": "the answer is held back for some seconds",
    "html502": "a 502 with a web page",
    "html503": "a 503 with a web page and Retry-After",
    "boot": "the page of a hub that starts up, with status 200",
    "badjson": "a body that is not JSON, with status 200",
    "cut": "the connection ends in the middle of a body",
    "short_json": "half a JSON body, with a length that agrees",
    "wrong_shape": "good JSON of another shape",
    "error_flag": "an error object with status 200",
    "html_type": "the right answer, said to be a web page",
    "401": "the token is refused",
    "404": "the Maker API instance is gone",
    "429": "too many requests, with Retry-After",
    "500": "an error page",
    "reset": "the connection is reset",
    "refused": "nobody listens",
    "black_hole": "its address swallows every connection",
    "redirect": "sends the client to a command",
    "huge": "an answer without end",
    "packed": "an answer said to be gzip",
}


@dataclass(frozen=True, slots=True)
class HubFault:
    """One fault; ``times`` calls long, or until cleared when null. ``seconds`` is for slow and late."""

    kind: str
    times: int | None = None
    seconds: float = 0.2
    retry_after: int = 1

    def __post_init__(self) -> None:
        """Refuse a name that nobody knows."""
        if self.kind not in FAULTS:
            raise ValueError(f"the hub has no fault {self.kind!r}; it has: {', '.join(FAULTS)}")


class FaultBox:
    """The fault of the moment. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fault: HubFault | None = None
        self._left: int | None = None
        self.cleared = threading.Event()

    def put(self, fault: HubFault) -> None:
        """Let a fault act from the next request on."""
        with self._lock:
            self._fault, self._left = fault, fault.times
            self.cleared.clear()

    def clear(self) -> None:
        """Take it back; requests that wait in it end."""
        with self._lock:
            self._fault = None
            self.cleared.set()

    def take(self) -> HubFault | None:
        """Return what goes wrong with this request; counts it."""
        with self._lock:
            if self._fault is None or self._left == 0:
                return None
            if self._left is not None:
                self._left -= 1
            return self._fault

    @property
    def name(self) -> str | None:
        """Return the fault that acts now; null when none does."""
        with self._lock:
            return None if self._fault is None or self._left == 0 else self._fault.kind
