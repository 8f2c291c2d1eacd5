"""Fetching one page from Stripe: asked for politely, tried again when that may help, and never guessed at.

An answer that is not a whole list page is an error, never an empty page.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import stripe

from resources.errors import SourceUnreadableError
from resources.stripe.gateway import ListStats
from resources.stripe.guard import PageBody, request_deadline
from resources.stripe.throttle import TokenBucket
from resources.stripe.windows import Window

PAGE_SIZE = 100
MOST_ATTEMPTS = 6
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 10.0

_RETRIED_STATUSES = frozenset({409, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first."""

    records: Sequence[Mapping[str, Any]]
    has_more: bool


class _BadPageError(Exception):
    """The answer is not a whole page."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an attempt failed, and how long the server wants to be left alone."""

    reason: str
    words: str
    retry_after: float | None = None
    is_limit: bool = False


class PageFetcher:
    """Fetches the pages of one listing; used by several threads.

    Args:
        client: A read-only client (see ``guard.py``).
        bucket: Shared by every listing of the source; null asks as fast as it can.
        object_type: What is listed.
        deadline: When the listing must be over, by ``time.monotonic``.
        stats: Counts requests and retries.
        stopped: Set when nobody waits for the pages any more.
    """

    def __init__(
        self,
        client: stripe.StripeClient,
        bucket: TokenBucket | None,
        *,
        object_type: str,
        deadline: float,
        stats: ListStats,
        stopped: threading.Event,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._object_type = object_type
        self._deadline = deadline
        self._stats = stats
        self._stopped = stopped
        self._jitter = jitter
        self._counting = threading.Lock()

    def fetch(self, window: Window) -> Page:
        """Return the next page of a window.

        Raises:
            SourceUnreadableError: when it cannot be had, after every attempt that made sense.
        """
        url = page_url(self._object_type, window)
        token = request_deadline.set(self._deadline)
        try:
            return self._try(url)
        finally:
            request_deadline.reset(token)

    def _try(self, url: str) -> Page:
        attempts = 0
        failure: _Failure | None = None
        while True:
            self._wait_turn(failure)
            with self._counting:
                self._stats.requests += 1
                self._stats.retries += failure is not None
            answer = self._ask(url)
            if isinstance(answer, Page):
                return answer
            failure = answer
            attempts += not failure.is_limit
            if attempts >= MOST_ATTEMPTS:
                raise self._given_up(failure, f"after {MOST_ATTEMPTS} attempts")
            self._back_off(failure, attempts)

    def _ask(self, url: str) -> "Page | _Failure":
        """Ask once; return the page, or why it did not come when asking again may help."""
        try:
            return parse_page(self._client.raw_request("get", url).body)
        except stripe.RateLimitError as error:
            wait = _retry_after(error)
            return _Failure("rate-limited", "it limits how often it may be asked", wait, is_limit=True)
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            raise self._refused(error) from error
        except stripe.APIConnectionError as error:
            is_timeout = time.monotonic() >= self._deadline
            words = "no whole answer came"
            return self._checked(_Failure("timeout" if is_timeout else "unavailable", words), error)
        except _BadPageError:
            return _Failure("bad-response", "its answers were not whole list pages")
        except stripe.StripeError as error:
            status = error.http_status
            if status in _RETRIED_STATUSES:
                return _Failure("unavailable", f"it answered with status {status}", _retry_after(error))
            code = f" ({error.code})" if error.code else ""
            raise SourceUnreadableError(
                f"Stripe refused the list of {self._object_type} with status {status}{code}.",
                reason="bad-response",
                is_transient=False,
            ) from error

    def _checked(self, failure: _Failure, error: stripe.APIConnectionError) -> _Failure:
        if error.should_retry:
            return failure
        raise self._given_up(failure, "and another attempt would not help") from error

    def _wait_turn(self, failure: _Failure | None) -> None:
        """Wait for a place in the line of requests, and for the end of any pause."""
        seconds = self._bucket.reserve() if self._bucket is not None else 0.0
        while seconds > 0:
            self._sleep(seconds, failure)
            seconds = self._bucket.pause_left() if self._bucket is not None else 0.0
        self._refuse_late(failure)

    def _back_off(self, failure: _Failure, attempts: int) -> None:
        backed_off = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** max(0, attempts - 1))
        wait = backed_off * (0.5 + self._jitter() / 2) if failure.retry_after is None else failure.retry_after
        if failure.is_limit and self._bucket is not None:
            # Every thread holds back: a limit concerns the account, not one request.
            self._bucket.pause(wait)
        self._sleep(wait, failure)

    def _sleep(self, seconds: float, failure: _Failure | None) -> None:
        left = self._deadline - time.monotonic()
        if seconds >= left:
            raise self._out_of_time(failure)
        if self._stopped.wait(seconds):
            raise self._abandoned()

    def _refuse_late(self, failure: _Failure | None) -> None:
        if self._stopped.is_set():
            raise self._abandoned()
        if time.monotonic() >= self._deadline:
            raise self._out_of_time(failure)

    def _out_of_time(self, failure: _Failure | None) -> SourceUnreadableError:
        if failure is not None:
            return self._given_up(failure, "until the time for this read was over")
        return SourceUnreadableError(
            f"Stripe's {self._object_type} could not be read in time; {self._stats.objects} objects had come."
            " Raise STUDIO_READ_DEADLINE_SECONDS if the account is large.",
            reason="timeout",
            is_transient=True,
        )

    def _given_up(self, failure: _Failure, end: str) -> SourceUnreadableError:
        return SourceUnreadableError(
            f"Stripe's {self._object_type} could not be read: {failure.words}, {end}.",
            reason=failure.reason,
            is_transient=True,
        )

    def _refused(self, error: stripe.StripeError) -> SourceUnreadableError:
        if isinstance(error, stripe.AuthenticationError):
            words = "it does not know the key. Check STUDIO_STRIPE_KEY"
        else:
            words = (
                f"the key may not read {self._object_type}. Give the restricted key Read on that resource at"
                " https://dashboard.stripe.com/apikeys"
            )
        return SourceUnreadableError(
            f"Stripe's {self._object_type} could not be read: {words}.",
            reason="permission-denied",
            is_transient=False,
        )

    def _abandoned(self) -> SourceUnreadableError:
        return SourceUnreadableError(
            f"The reading of Stripe's {self._object_type} was given up.", reason="unknown", is_transient=True
        )


def page_url(object_type: str, window: Window) -> str:
    """Return the path and query of the next page of a window."""
    query: dict[str, str | int] = {"limit": PAGE_SIZE}
    if window.start is not None:
        query["created[gte]"] = window.start
    query["created[lt]"] = window.end
    if window.cursor is not None:
        query["starting_after"] = window.cursor
    return f"/v1/{quote(object_type)}?{urlencode(query, safe='[]')}"


def parse_page(body: str) -> Page:
    """Return the page in an answer's body; raise when it is anything else."""
    raw = body.raw if isinstance(body, PageBody) else body
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _BadPageError from error
    if not isinstance(answer, dict) or answer.get("object") != "list":
        raise _BadPageError
    records, has_more = answer.get("data"), answer.get("has_more")
    if not isinstance(records, list) or not isinstance(has_more, bool):
        raise _BadPageError
    if not all(isinstance(record, dict) for record in records):
        raise _BadPageError
    return Page(records, has_more)


def _retry_after(error: stripe.StripeError) -> float | None:
    """Return the seconds of a ``Retry-After`` header; null without one, or for a date."""
    value = (error.headers or {}).get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
