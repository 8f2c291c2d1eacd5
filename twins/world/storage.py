"""Finished work on the shelf: pickup windows, reminders, storage fees, and reclaiming.

The clock of the portal's storage policy: reminders 14, 17.5 and 19.25 days after a load became ready; from
then on 1.50 dollars per half-shelf for every full day, for at most 28 days; then the work is stored by policy
and the reservation archived. Money here is dollars as floats, as the portal keeps it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.checkins import OVERDUE_AFTER_DAYS
from twins.world.studio import Studio

GRACE = timedelta(hours=462)
REMINDERS = (timedelta(days=14), timedelta(days=17.5), GRACE)
DAILY_RATE_DOLLARS = 1.5
LONGEST_BILLED_DAYS = 28
NO_PICKUP_WINDOW: Mapping[str, Any] = {
    "requestedStart": None,
    "requestedEnd": None,
    "confirmedStart": None,
    "confirmedEnd": None,
    "confirmedAt": None,
    "completedAt": None,
    "lastMissedAt": None,
    "status": "open",
    "missedCount": 0,
    "rescheduleCount": 0,
}


@dataclass(slots=True, eq=False)
class Kept:
    """One finished load on the shelf."""

    path: str
    half_shelves: int
    ready_at: datetime
    dice: Dice
    on_fetched: Callable[[], None]
    on_reclaimed: Callable[[], None]
    is_fetched: bool = False
    missed: int = 0


class Storage:
    """The shelf of finished reservations."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def keep(
        self,
        path: str,
        *,
        half_shelves: int,
        dice: Dice,
        on_fetched: Callable[[], None],
        on_reclaimed: Callable[[], None],
    ) -> None:
        """Mark a reservation as loaded and ready now, and let its owner come for it."""
        studio, at = self._studio, self._studio.now
        kept = Kept(path, half_shelves, at, dice, on_fetched, on_reclaimed)
        notice = {"at": at, "kind": "pickup_ready", "status": "active"}
        studio.touch(
            path,
            {
                "loadStatus": "loaded",
                "stageStatus": {"stage": "loaded", "at": at, "source": "staff"},
                "readyForPickupAt": at,
                "storageStatus": "active",
                # Twice, as in the portal: once by the route, once by the trigger.
                "storageNoticeHistory": [notice, notice],
                "pickupWindow": dict(NO_PICKUP_WINDOW),
                "storageBilling": self._billing(kept, "grace", 0),
            },
        )
        for ordinal, wait in enumerate(REMINDERS, 1):
            studio.at(at + wait, self._remind, kept, ordinal)
        studio.at(at + GRACE + timedelta(days=1), self._bill, kept, 1)
        self._await_owner(kept)

    def _await_owner(self, kept: Kept) -> None:
        studio, dice, at = self._studio, kept.dice, self._studio.now
        incidents = studio.incidents
        overdue = incidents.claim("overdue_pickups", at)
        trouble = overdue is None and incidents.trouble(dice, 0.04)
        if not overdue and not trouble:
            studio.at(at + dice.hours(2, 50), self._agree_window, kept)
            return
        days = dice.between(OVERDUE_AFTER_DAYS + 2, OVERDUE_AFTER_DAYS + 12)
        if trouble and dice.chance(0.25):
            days = 60.0  # never fetched: reclaimed under the policy
        fetched_at = almanac.next_staffed(dice, at + timedelta(days=days))
        due_at = at + timedelta(days=OVERDUE_AFTER_DAYS)
        if overdue:
            overdue.affect(due_at, kept.path)
            overdue.end(fetched_at)
            cause = overdue
        else:
            cause = incidents.quirk("overdue_pickups", due_at, kept.path, notes="an owner takes weeks")
            cause.end(min(fetched_at, at + GRACE + timedelta(days=LONGEST_BILLED_DAYS)))
        warned_at = at + REMINDERS[1]
        if fetched_at > warned_at:
            near = incidents.follow_up(cause, "storage_fees_near", warned_at, kept.path)
            near.end(min(fetched_at, at + GRACE))
        studio.at(fetched_at, self._fetch, kept)

    # Pickup windows

    def _agree_window(self, kept: Kept) -> None:
        at = self._studio.now
        dice = kept.dice
        start = almanac.next_staffed(dice, at + dice.hours(12, 130), to_hour=17)
        self._studio.touch(
            kept.path,
            {
                "pickupWindow.status": "confirmed",
                "pickupWindow.requestedStart": start,
                "pickupWindow.requestedEnd": start + timedelta(hours=2),
                "pickupWindow.confirmedStart": start,
                "pickupWindow.confirmedEnd": start + timedelta(hours=2),
                "pickupWindow.confirmedAt": at,
                "pickupWindow.rescheduleCount": kept.missed,
            },
        )
        if kept.missed < 2 and self._studio.incidents.trouble(dice, 0.07):
            self._studio.at(start + timedelta(hours=3), self._miss, kept)
        else:
            self._studio.at(start + dice.minutes(5, 115), self._fetch, kept)

    def _miss(self, kept: Kept) -> None:
        at = self._studio.now
        kept.missed += 1
        status = "missed" if kept.missed == 1 else "expired"
        self._studio.touch(
            kept.path,
            {
                "pickupWindow.status": status,
                "pickupWindow.missedCount": kept.missed,
                "pickupWindow.lastMissedAt": at,
            },
        )
        self._studio.at(at + kept.dice.hours(8, 40), self._agree_window, kept)

    def _fetch(self, kept: Kept) -> None:
        if kept.is_fetched:
            return
        kept.is_fetched = True
        studio = self._studio
        studio.touch(
            kept.path,
            {
                "pickupWindow.status": "completed",
                "pickupWindow.completedAt": studio.now,
                "readyForPickupAt": None,
                "crateCheckedOutAt": studio.now,
                "crateDwellMs": (studio.now - kept.ready_at) // timedelta(milliseconds=1),
            },
        )
        kept.on_fetched()

    # The storage policy

    def _remind(self, kept: Kept, ordinal: int) -> None:
        if kept.is_fetched:
            return
        status = "hold_pending" if ordinal == len(REMINDERS) else "reminder_pending"
        changes: dict[str, Any] = {
            "storageStatus": status,
            "pickupReminderCount": ordinal,
            "lastReminderAt": self._studio.now,
        }
        if ordinal == len(REMINDERS):
            changes["storageBilling"] = self._billing(kept, "billing", 0)
        self._studio.touch(kept.path, changes)

    def _bill(self, kept: Kept, billed_days: int) -> None:
        if kept.is_fetched:
            return
        studio = self._studio
        if billed_days < LONGEST_BILLED_DAYS:
            studio.touch(kept.path, {"storageBilling": self._billing(kept, "billing", billed_days)})
            studio.at(studio.now + timedelta(days=1), self._bill, kept, billed_days + 1)
            return
        kept.is_fetched = True  # the studio's now; nobody comes for it any more
        kept.on_reclaimed()
        studio.touch(
            kept.path,
            {
                "storageStatus": "stored_by_policy",
                "isArchived": True,
                "archivedAt": studio.now,
                "storageBilling": {
                    **self._billing(kept, "reclaimed", billed_days),
                    "reclaimedAt": studio.now,
                    "reclaimedReason": "storage_policy",
                },
            },
        )

    @staticmethod
    def _billing(kept: Kept, status: str, billed_days: int) -> dict[str, Any]:
        grace_ends_at = kept.ready_at + GRACE
        return {
            "chargeBasis": "estimatedHalfShelves",
            "chargeBasisHalfShelves": kept.half_shelves,
            "prepaidWeeklyRatePerHalfShelf": 2,
            "dailyRatePerHalfShelf": DAILY_RATE_DOLLARS,
            "graceEndsAt": grace_ends_at,
            "billingStartsAt": grace_ends_at,
            "billingEndsAt": grace_ends_at + timedelta(days=LONGEST_BILLED_DAYS),
            "reclaimedAt": None,
            "billedDays": billed_days,
            "accruedCost": DAILY_RATE_DOLLARS * kept.half_shelves * billed_days,
            "status": status,
        }
