"""The live door to Stripe: whole lists of objects, by creation time, several windows at once.

Why not the SDK's auto-paging: it is several times slower, never retries a 429, and takes a list that ends
early for a whole one. The SDK still signs and versions every request and names every error.
Stripe's ``created`` says when an object was made, not when it last changed: a whole read shows every object's
present state, and only lists of objects (not their contents) can be rebuilt for a past instant.
Source: https://docs.stripe.com/api/pagination.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import Any

import stripe

from resources.errors import SourceUnreadableError
from resources.stripe.gateway import ListStats
from resources.stripe.guard import STRIPE_API_BASE, check_key, read_only_client
from resources.stripe.pages import Page, PageFetcher
from resources.stripe.throttle import TokenBucket
from resources.stripe.windows import PageFaultError, Window, first_second_from

REQUESTS_PER_SECOND = 20.0
"""Well under Stripe's limits, so that the portal's own requests are never the ones refused."""

CONCURRENCY = 8
DEADLINE_SECONDS = 120.0
_GRACE_SECONDS = 2.0

OBJECT_TYPES = frozenset(
    {
        "balance_transactions",
        "charges",
        "checkout/sessions",
        "customers",
        "disputes",
        "events",
        "payment_intents",
        "payouts",
        "refunds",
    }
)


class LivePaymentSource:
    """Reads lists from Stripe, or from a server that speaks as Stripe does.

    Any number of listings may run at once, in different threads; they share one rate limit.
    """

    def __init__(
        self,
        client: stripe.StripeClient,
        *,
        is_live_mode: bool,
        requests_per_second: float | None = REQUESTS_PER_SECOND,
        concurrency: int = CONCURRENCY,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._client = client
        self._is_live_mode = is_live_mode
        self._bucket = None if requests_per_second is None else TokenBucket(requests_per_second)
        self._concurrency = concurrency
        self._deadline_seconds = deadline_seconds

    def list_objects(
        self,
        object_type: str,
        *,
        created_before: datetime,
        created_from: datetime | None = None,
        stats: ListStats,
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield every object of a type created in [created_from, created_before), in pages, each object once.

        Objects are Stripe's JSON as plain Python; order is not promised. A page is held only until the next
        is asked for, and at most ``concurrency`` pages wait.

        Raises:
            SourceUnreadableError: when the list cannot be read whole; what came so far must not be used.
            ValueError: for a type that is no list, or an instant without a time zone.
        """
        if object_type not in OBJECT_TYPES:
            raise ValueError(f"{object_type!r} is not a list of Stripe's that is read here")
        if created_before.tzinfo is None or (created_from is not None and created_from.tzinfo is None):
            raise ValueError("Creation times need a time zone")
        start = None if created_from is None else first_second_from(created_from)
        window = Window(start, first_second_from(created_before))
        if start is not None and start >= window.end:
            return
        yield from self._read(object_type, window, stats)

    def _read(
        self, object_type: str, whole: Window, stats: ListStats
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        stopped = threading.Event()
        deadline = time.monotonic() + self._deadline_seconds
        fetcher = PageFetcher(
            self._client,
            self._bucket,
            object_type=object_type,
            deadline=deadline,
            stats=stats,
            stopped=stopped,
        )
        newest = 0
        waiting: deque[Window] = deque([whole])
        running: dict[Future[Page], Window] = {}
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix=f"stripe-{object_type}")

        def ask() -> None:
            while waiting and len(running) < self._concurrency:
                window = waiting.popleft()
                running[pool.submit(fetcher.fetch, window)] = window

        try:
            ask()
            while running:
                left = max(0.0, deadline - time.monotonic())
                done, _ = wait(running, timeout=left + _GRACE_SECONDS, return_when=FIRST_COMPLETED)
                if not done:
                    raise _stuck(object_type)
                fresh = []
                for future in done:
                    window = running.pop(future)
                    page = future.result()
                    fresh.append(self._accepted(object_type, window, page))
                    if page.has_more:
                        newest = max(newest, page.records[0]["created"])
                        waiting.append(window)
                        if len(waiting) + len(running) < self._concurrency:
                            waiting.extend(filter(None, [window.split(page.records, newest)]))
                stats.objects += sum(len(records) for records in fresh)
                # The next pages are under way while the caller works on these.
                ask()
                yield from filter(None, fresh)
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _accepted(self, object_type: str, window: Window, page: Page) -> list[Mapping[str, Any]]:
        try:
            records = window.accept(page.records, has_more=page.has_more)
        except PageFaultError as fault:
            raise SourceUnreadableError(
                f"Stripe's {object_type} could not be read: {fault}", reason="bad-response", is_transient=True
            ) from fault
        is_live = records[0].get("livemode") if records else None
        if is_live is not None and is_live is not self._is_live_mode:
            modes = ("live", "test") if is_live else ("test", "live")
            raise SourceUnreadableError(
                f"Stripe sent {modes[0]} {object_type} to a {modes[1]} key; nothing of them was used.",
                reason="bad-response",
                is_transient=False,
            )
        return records


def live_payment_source(
    key: str,
    *,
    api_base: str | None = None,
    requests_per_second: float | None = REQUESTS_PER_SECOND,
    concurrency: int = CONCURRENCY,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> LivePaymentSource:
    """Return a source for a restricted key. Nothing is sent yet.

    Args:
        key: ``rk_test_...`` or ``rk_live_...``.
        api_base: Another server that speaks as Stripe does (the twin); null for Stripe itself. A twin needs
            no rate limit, so there ``requests_per_second`` is not used.
        requests_per_second: Limit over all listings together.
        concurrency: Requests under way at once, per listing.
        deadline_seconds: Longest time one listing may take.

    Raises:
        KeyRefusedError: for any other key.
    """
    is_live_mode = check_key(key)
    client = read_only_client(key, api_base=api_base or STRIPE_API_BASE, connections=2 * concurrency)
    return LivePaymentSource(
        client,
        is_live_mode=is_live_mode,
        requests_per_second=requests_per_second if api_base is None else None,
        concurrency=concurrency,
        deadline_seconds=deadline_seconds,
    )


def _stuck(object_type: str) -> SourceUnreadableError:
    return SourceUnreadableError(
        f"Stripe's {object_type} could not be read in time: no answer came.",
        reason="timeout",
        is_transient=True,
    )
