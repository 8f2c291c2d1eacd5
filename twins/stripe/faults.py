"""Faults a test may ask for: what the network and Stripe's own servers do wrong.

A fault waits for matching requests, lets ``skip`` of them pass, then spoils ``times`` of them (or all).
"""

import threading
from dataclasses import dataclass
from enum import StrEnum

from twins.stripe.errors import ApiError
from twins.stripe.params import Params


class FaultAction(StrEnum):
    """What happens to a request."""

    STATUS = "status"  # an error status with Stripe's own body
    BODY = "body"  # status 200 with a body of the test's choice
    MALFORMED = "malformed"  # status 200 with a page of HTML
    CUT = "cut"  # half the JSON, with a Content-Length that agrees: a proxy's doing
    TRUNCATED = "truncated"  # half the body, then the connection closes
    DISCONNECT = "disconnect"  # the connection closes without an answer
    HANG = "hang"  # no answer, ever


@dataclass(slots=True)
class Fault:
    """One fault in wait.

    Attributes:
        action: What happens.
        path: The list it concerns (``charges``); empty means every path.
        method: The method it concerns; empty means every method.
        skip: Matching requests that pass first.
        times: Requests it then spoils; null means until cleared.
        status: HTTP status of ``STATUS``.
        retry_after: ``Retry-After`` header of a 429.
        body: Body of ``BODY``.
    """

    action: FaultAction
    path: str = ""
    method: str = "GET"
    skip: int = 0
    times: int | None = 1
    status: int = 500
    retry_after: str | None = None
    body: bytes = b""


class Faults:
    """The faults in wait. Safe to change from any thread while the twin serves.

    Attributes:
        latency_seconds: Delay of every answer.
        requests_per_second: When set, requests beyond it are answered with 429, as Stripe's limiter does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self.latency_seconds = 0.0
        self.requests_per_second: float | None = None
        self._tokens = 0.0
        self._refilled_at = 0.0

    def add(self, fault: Fault) -> None:
        """Let a fault wait for its requests."""
        with self._lock:
            self._waiting.append(fault)

    def fail(
        self,
        status: int,
        *,
        path: str = "",
        times: int | None = 1,
        skip: int = 0,
        retry_after: str | None = None,
        method: str = "GET",
    ) -> None:
        """Answer with an error status."""
        self.add(
            Fault(
                FaultAction.STATUS,
                path,
                method,
                skip=skip,
                times=times,
                status=status,
                retry_after=retry_after,
            )
        )

    def spoil(
        self, action: FaultAction, *, path: str = "", times: int | None = 1, skip: int = 0, body: bytes = b""
    ) -> None:
        """Spoil answers in the way ``action`` says."""
        self.add(Fault(action, path, skip=skip, times=times, body=body))

    def ask(self, params: Params) -> None:
        """Add the fault another process asks for over the wire.

        Two actions are no faults: ``clear`` forgets all, ``latency`` delays every answer by ``seconds``.
        """
        params.refuse_unknown(
            "action", "path", "method", "skip", "times", "status", "retry_after", "body", "seconds"
        )
        action = params.required_text("action")
        times = params.integer("times")
        if action == "clear":
            self.clear()
        elif action == "latency":
            self.latency_seconds = float(params.required_text("seconds"))
        elif action in set(FaultAction):
            self.add(
                Fault(
                    FaultAction(action),
                    params.text("path") or "",
                    params.text("method") or "GET",
                    skip=params.integer("skip") or 0,
                    # Zero stands for "until cleared": a form cannot say null.
                    times=1 if times is None else times or None,
                    status=params.integer("status") or 500,
                    retry_after=params.text("retry_after"),
                    body=(params.text("body") or "").encode(),
                )
            )
        else:
            raise ApiError("Twin: no such fault.", param="action")

    def clear(self) -> None:
        """Forget every fault, the delay and the limit."""
        with self._lock:
            self._waiting.clear()
        self.latency_seconds = 0.0
        self.requests_per_second = None

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that spoils this request, counting it, or null."""
        if not self._waiting:
            return None
        with self._lock:
            for fault in self._waiting:
                if fault.method not in ("", method) or (
                    fault.path and not f"{path}/".startswith(f"{fault.path}/")
                ):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                return fault
        return None

    def is_over_limit(self, now: float) -> bool:
        """Tell whether a request at ``now`` (seconds of any steady clock) is beyond the rate limit."""
        rate = self.requests_per_second
        if rate is None:
            return False
        with self._lock:
            passed = now - self._refilled_at
            self._tokens = min(rate, self._tokens + passed * rate)
            self._refilled_at = now
            if self._tokens < 1:
                return True
            self._tokens -= 1
        return False
