"""Windows of creation time: a listing cut into parts that are read side by side and miss or repeat nothing.

Pure. A window is half-open in whole seconds, ``[start, end)``, as Stripe's ``created`` is. The server picks
what lies in a window by creation time and pages through it by cursor; so the older part of a window in
progress can be cut off along a second not yet reached, and no object is lost or given twice, whatever the
order in which the server lists objects of a window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

STRIPE_BEGAN = 1_293_840_000
"""First second of 2011: no object of Stripe's is older."""

FEWEST_PAGES_TO_SPLIT = 2
FIRST_WINDOW_PAGES = 4

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


class PageFaultError(Exception):
    """A page that proves the listing wrong. The message is a sentence for a person, without any content."""


def first_second_from(instant: datetime) -> int:
    """Return the first whole epoch second that is not before an instant."""
    return -((_EPOCH - instant) // _SECOND)


@dataclass(slots=True)
class Window:
    """A part of a listing and how far it was read.

    Attributes:
        start: First second, inclusive; null when there is no oldest one.
        end: First second after the window.
        cursor: Id of the last object seen; null before the first page.
        reached: Oldest creation second seen. Objects of that same second may still follow.
        last_page: The objects of the page before, by id.
    """

    start: int | None
    end: int
    cursor: str | None = None
    reached: int | None = None
    last_page: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def accept(self, records: Sequence[Mapping[str, Any]], *, has_more: bool) -> list[Mapping[str, Any]]:
        """Take the next page in; return its new objects.

        Raises:
            PageFaultError: when the page does not continue the listing: an object outside the window or
                without identity; one id with two contents; more announced, but nothing new given.
        """
        low = STRIPE_BEGAN - 1 if self.start is None else self.start
        reached = self.end if self.reached is None else self.reached
        page: dict[str, Mapping[str, Any]] = {}
        for record in records:
            created, identity = record.get("created"), record.get("id")
            if not isinstance(created, int) or not isinstance(identity, str):
                raise PageFaultError("Stripe sent an object without an id or a creation time.")
            if not low <= created < self.end:
                raise PageFaultError("Stripe sent an object from outside the time asked for.")
            known = page.get(identity) or self.last_page.get(identity)
            if known is not None and known != record:
                raise PageFaultError("Stripe sent one object twice with different content.")
            page[identity] = record
            reached = min(reached, created)
        new = [record for identity, record in page.items() if identity not in self.last_page]
        if has_more and not new:
            raise PageFaultError("Stripe announced more objects but sent none.")
        if records:
            self.cursor, self.reached, self.last_page = records[-1]["id"], reached, page
        return new

    def split(self, page: Sequence[Mapping[str, Any]], newest: int) -> "Window | None":
        """Cut off the older part as a window of its own; null when what is left is not worth it.

        This window keeps at most as much more time as the listing covered already, and at most half of what
        is left. So coverage doubles with every round of cuts, and where there are no older objects, or no
        known start, little is asked for in vain.

        Args:
            page: The page just taken in; its span in time tells how densely objects lie.
            newest: Creation second of the newest object of the whole listing.
        """
        if self.reached is None or not page:
            return None
        span = max(1, abs(page[0]["created"] - page[-1]["created"]))
        start = STRIPE_BEGAN if self.start is None else self.start
        left = self.reached - start
        if left < FEWEST_PAGES_TO_SPLIT * span:
            return None
        cut = self.reached - min(max(FIRST_WINDOW_PAGES * span, newest - self.reached), left // 2)
        if cut <= start:
            return None
        rest = Window(self.start, cut)
        self.start = cut
        return rest
