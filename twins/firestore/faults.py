"""Injected faults: what a network and a service do to a client on a bad day, on request.

A fault waits, armed, until a call fits it; it then strikes once and is used up (or stays,
with ``count=None``). In a stream it strikes after a given number of documents, so a half-read collection can
be produced at will.
"""

import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from grpc import RpcContext, StatusCode

from twins.firestore.errors import RefusedError


class FaultKind(StrEnum):
    """What happens to a call.

    ``cut`` breaks a stream with UNAVAILABLE; ``latency`` makes it wait and go on; ``hang`` answers nothing
    until the client gives up or the faults are cleared.
    """

    LATENCY = "latency"
    UNAVAILABLE = "unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    PERMISSION_DENIED = "permission_denied"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    CUT = "cut"
    HANG = "hang"


_STATUSES = {
    FaultKind.UNAVAILABLE: (StatusCode.UNAVAILABLE, "The service is currently unavailable."),
    FaultKind.CUT: (StatusCode.UNAVAILABLE, "Connection reset by peer"),
    FaultKind.DEADLINE_EXCEEDED: (StatusCode.DEADLINE_EXCEEDED, "Deadline exceeded"),
    FaultKind.PERMISSION_DENIED: (StatusCode.PERMISSION_DENIED, "Missing or insufficient permissions."),
    FaultKind.RESOURCE_EXHAUSTED: (StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded."),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: What happens; a ``FaultKind`` or its value.
        method: RPC it is for (``RunQuery``), or None for all.
        collection: Collection id it is for (``batches``), or None for all.
        after_documents: In a stream, strike when this many documents have been sent (or at its end, if it has
            exactly that many). In a call with one answer, 0 strikes before the work and anything more strikes
            after it, so a commit may have happened although the client is told otherwise.
        count: How many calls it strikes; None for every call until it is cleared.
        seconds: How long ``latency`` waits; for ``hang`` the longest wait, None for no end.
    """

    kind: FaultKind | str
    method: str | None = None
    collection: str | None = None
    after_documents: int = 0
    count: int | None = 1
    seconds: float | None = None


class ArmedFault:
    """A fault with how often it may still strike."""

    __slots__ = ("fault", "left")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.count


class Faults:
    """The armed faults of one twin; thread safe.

    Attributes:
        is_armed: Whether any fault is armed at all; cheap to ask for every document.
        struck: How many times a fault has struck since the twin began.
    """

    def __init__(self) -> None:
        self.is_armed = False
        self.struck = 0
        self._armed: list[ArmedFault] = []
        self._lock = threading.Lock()
        self._waiting: set[threading.Event] = set()

    def add(self, fault: Fault) -> None:
        """Arm a fault.

        Raises:
            ValueError: for an unknown kind, a negative number, or latency without ``seconds``.
        """
        kind = FaultKind(fault.kind)
        if fault.after_documents < 0 or (fault.count is not None and fault.count < 1):
            raise ValueError("after_documents must be 0 or more, and count 1 or more (or None)")
        if kind is FaultKind.LATENCY and (fault.seconds is None or fault.seconds < 0):
            raise ValueError("latency needs seconds, 0 or more")
        with self._lock:
            self._armed.append(ArmedFault(fault))
            self.is_armed = True

    def clear(self) -> None:
        """Disarm all faults and let every call that hangs or waits go on."""
        with self._lock:
            self._armed.clear()
            self.is_armed = False
            for event in self._waiting:
                event.set()

    def armed(self) -> list[Fault]:
        """Return the faults that may still strike."""
        with self._lock:
            return [each.fault for each in self._armed]

    def call(
        self, method: str, find_collections: Callable[[], Collection[str]], context: RpcContext
    ) -> "FaultyCall":
        """Return what one RPC asks, as it proceeds, whether a fault strikes it.

        ``find_collections`` tells the ids of the collections it is about; called only while a fault is armed.
        """
        return FaultyCall(self, method, find_collections, context)

    def take(
        self, method: str, collections: Collection[str], sent: int, spared: set["ArmedFault"]
    ) -> Fault | None:
        """Return the first fault that strikes now, used up by one, or None.

        ``spared`` holds the faults that have already struck this call; it is added to.
        """
        with self._lock:
            for each in self._armed:
                fault = each.fault
                if (
                    each in spared
                    or fault.method not in {None, method}
                    or (fault.collection is not None and fault.collection not in collections)
                    or fault.after_documents > sent
                ):
                    continue
                spared.add(each)
                self.struck += 1
                if each.left is not None:
                    each.left -= 1
                    if not each.left:
                        self._armed.remove(each)
                        self.is_armed = bool(self._armed)
                return fault
        return None

    def wait(self, context: RpcContext, seconds: float | None) -> bool:
        """Wait until time is up (False), or until the client has gone or the faults are cleared (True)."""
        done = threading.Event()
        with self._lock:
            self._waiting.add(done)
        try:
            return not context.add_callback(done.set) or done.wait(seconds)
        finally:
            with self._lock:
                self._waiting.discard(done)


class FaultyCall:
    """One RPC under the faults."""

    def __init__(
        self,
        faults: Faults,
        method: str,
        find_collections: Callable[[], Collection[str]],
        context: RpcContext,
    ) -> None:
        self._faults = faults
        self._method = method
        self._find_collections = find_collections
        self._context = context
        self._spared: set[ArmedFault] = set()

    def strike_after(self) -> None:
        """Let every fault strike that waits for the end of the work, in a call with one answer.

        Raises:
            RefusedError: with the status of the fault.
        """
        self.strike(sys.maxsize)

    def strike(self, sent: int) -> None:
        """Let every fault strike that fits a call that has sent this many documents.

        Raises:
            RefusedError: with the status of the fault.
        """
        if not self._faults.is_armed:
            return
        collections = self._find_collections()
        while (fault := self._faults.take(self._method, collections, sent, self._spared)) is not None:
            kind = FaultKind(fault.kind)
            if kind is FaultKind.LATENCY:
                self._faults.wait(self._context, fault.seconds)
            elif kind is FaultKind.HANG:
                if not self._faults.wait(self._context, fault.seconds):
                    raise RefusedError(*_STATUSES[FaultKind.DEADLINE_EXCEEDED])
            else:
                raise RefusedError(*_STATUSES[kind])
