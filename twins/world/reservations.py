"""Reservations of kiln capacity: requested, confirmed, brought in, fired, fetched - or not.

Nothing in the portal ends a finished reservation: after pickup it stays CONFIRMED and loaded, and only
``pickupWindow.status`` says that it is over. Storage of unfetched work follows ``storage.py``.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from twins.world import almanac
from twins.world.chance import Dice, draw_id
from twins.world.checkins import Batch, Checkins, price_cents
from twins.world.incidents import Incident
from twins.world.kilns import CAPACITY_HALF_SHELVES, Kiln, Kilns, Work
from twins.world.operations import Document
from twins.world.people import People, Person, address, remark
from twins.world.storage import NO_PICKUP_WINDOW, Storage
from twins.world.studio import Studio

REQUESTS_A_DAY = 0.8
SPARSE_SHARE = 0.06  # made directly by a client, which the rules allow with eight fields
CANCELLED_SHARE = 0.09
WAITLISTED_SHARE = 0.08
WITH_BATCH_SHARE = 0.55
_SHELF_FLOOR = 0.25
_RECOMPUTE_WEEKDAY = 0  # Monday
_SLOT_DAYS, _POSITIONS_PER_SLOT = 2, 2


@dataclass(slots=True, eq=False)
class Reservation:
    """One request for capacity as the studio knows it."""

    id: str
    owner: Person
    firing_type: str
    half_shelves: int
    earliest_at: datetime
    latest_at: datetime
    batch: Batch | None = None
    has_arrived: bool = False
    is_over: bool = False

    @property
    def path(self) -> str:
        """Return the document's path."""
        return f"reservations/{self.id}"


class Reservations:
    """The desk that keeps the queue of the kilns."""

    def __init__(
        self, studio: Studio, people: People, kilns: Kilns, checkins: Checkins, storage: Storage
    ) -> None:
        self._studio = studio
        self._people = people
        self._kilns = kilns
        self._checkins = checkins
        self._storage = storage
        self._queue: list[Reservation] = []

    def open_day(self, day: date) -> None:
        """Take today's requests, and a surge of them when one is due."""
        studio = self._studio
        level = almanac.level(day, studio.settings.first_day)
        for number in range(studio.arrivals("reservations", day, REQUESTS_A_DAY * level)):
            dice = studio.dice("reserve", day, number)
            studio.at(almanac.moment(dice, day, 7, 22), self._request, dice)
        if day.weekday() == _RECOMPUTE_WEEKDAY:
            studio.at(almanac.local(day, 9, 20), self._recompute)
        surge = studio.incidents.opening_on("reservation_surge", day)
        if surge:
            for number in range(surge.wanted):
                dice = studio.dice("surge", day, number)
                studio.at(almanac.moment(dice, day, 11, 17), self._surge, dice, surge)

    def _surge(self, dice: Dice, surge: Incident) -> None:
        reservation = self._request(dice, is_surge=True)
        surge.affect(self._studio.now, reservation.path)

    # From request to arrival

    def _request(self, dice: Dice, *, is_surge: bool = False) -> Reservation:
        at = self._studio.now
        owner = self._people.member(dice)
        earliest = at + dice.days(1, 4)
        reservation = Reservation(
            id=self._studio.new_id("reservations"),
            owner=owner,
            firing_type=dice.weighted((("bisque", 5.0), ("glaze", 5.0))),
            half_shelves=dice.weighted(((1, 4.0), (2, 4.0), (3, 2.0), (4, 1.0))),
            earliest_at=earliest,
            latest_at=earliest + dice.days(4, 9),
        )
        is_sparse = not is_surge and dice.chance(SPARSE_SHARE)
        document = self._sparse(reservation, at) if is_sparse else self._whole(reservation, dice, at)
        self._studio.set(reservation.path, document)
        self._queue.append(reservation)
        decided_at = almanac.next_staffed(dice, at + dice.hours(0.5, 22))
        if is_surge:
            decided_at = almanac.next_staffed(dice, at + dice.hours(20, 40))
        self._studio.at(decided_at, self._decide, reservation, dice)
        return reservation

    @staticmethod
    def _sparse(reservation: Reservation, at: datetime) -> Document:
        return {
            "ownerUid": reservation.owner.uid,
            "status": "REQUESTED",
            "firingType": reservation.firing_type,
            "shelfEquivalent": max(_SHELF_FLOOR, reservation.half_shelves / 2),
            "preferredWindow": {"earliestDate": reservation.earliest_at, "latestDate": reservation.latest_at},
            "linkedBatchId": None,
            "createdAt": at,
            "updatedAt": at,
        }

    def _whole(self, reservation: Reservation, dice: Dice, at: datetime) -> Document:
        owner, size = reservation.owner, reservation.half_shelves
        mode = dice.weighted((("SHELF_PURCHASE", 8.0), ("COMMUNITY_SHELF", 1.5), ("CLIENT_DROP_OFF", 0.5)))
        station = self._kilns.station_for(dice)
        footprint = min(size, dice.whole(1, 4))
        wants_delivery = dice.chance(0.08)
        return {
            **self._sparse(reservation, at),
            "loadStatus": "queued",
            "intakeMode": mode,
            "footprintHalfShelves": footprint,
            "heightInches": dice.whole(3, 9),
            "tiers": 1,
            "estimatedHalfShelves": size,
            # Dollars as a float: the one place where the portal does not keep cents.
            "estimatedCost": price_cents(reservation.firing_type, size, mode) / 100,
            "estimatedWindow": {
                "currentStart": reservation.earliest_at,
                "currentEnd": reservation.latest_at,
                "updatedAt": at,
                "slaState": "on_track",
                "confidence": "high" if self._kilns.waiting_count() <= 2 else "medium",
            },
            "wareType": dice.pick(("stoneware", "earthenware", "porcelain", "mixed")),
            "kilnId": station,
            "assignedStationId": station,
            "kilnLabel": self._kilns.electric[0].name,
            "quantityTier": dice.pick(("few", "small", "medium")),
            "photoPath": f"checkins/{owner.uid}/{reservation.id}.jpg" if dice.chance(0.3) else None,
            "notes": {"general": remark(dice), "clayBody": None, "glazeNotes": None}
            if dice.chance(0.4)
            else None,
            "notesHistory": [],
            "pieces": [],
            "addOns": {
                "rushRequested": dice.chance(0.06),
                "pickupDeliveryRequested": wants_delivery,
                "deliveryAddress": address(dice) if wants_delivery else None,
                "deliveryInstructions": remark(dice) if wants_delivery else None,
            },
            "queuePositionHint": self._kilns.waiting_count() + 1,
            "queueClass": "standard",
            "stageStatus": {"stage": "intake", "at": at, "source": "client"},
            "stageHistory": [],
            "pickupWindow": dict(NO_PICKUP_WINDOW),
            "readyForPickupAt": None,
            "storageStatus": "active",
            "pickupReminderCount": 0,
            "pickupReminderFailureCount": 0,
            "storageNoticeHistory": [],
            "isArchived": False,
            "arrivalStatus": None,
            "arrivedAt": None,
            "staffNotes": None,
            "createdByUid": owner.uid,
            "createdByRole": "client",
        }

    def _recompute(self) -> None:
        """Rewrite place and window of every row in the queue as the portal does: without ``updatedAt``."""
        at = self._studio.now
        self._queue = [reservation for reservation in self._queue if not reservation.is_over]
        for place, reservation in enumerate(self._queue, 1):
            start = at + timedelta(days=_SLOT_DAYS * ((place - 1) // _POSITIONS_PER_SLOT))
            confidence, state = ("high", "on_track") if place <= 2 else ("medium", "at_risk")
            if place > 5:
                confidence, state = "low", "delayed"
            window = {
                "currentStart": start,
                "currentEnd": start + timedelta(days=_SLOT_DAYS),
                "updatedAt": at,
                "slaState": state,
                "confidence": confidence,
            }
            self._studio.update(reservation.path, {"queuePositionHint": place, "estimatedWindow": window})

    def _decide(self, reservation: Reservation, dice: Dice) -> None:
        at = self._studio.now
        if dice.chance(CANCELLED_SHARE):
            self._studio.at(at + dice.hours(1, 60), self._cancel, reservation, dice)
        if dice.chance(WAITLISTED_SHARE):
            self._studio.touch(reservation.path, {"status": "WAITLISTED"})
            later = almanac.next_staffed(dice, at + dice.days(1, 3))
            self._studio.at(later, self._confirm, reservation, dice)
        else:
            self._confirm(reservation, dice)

    def _confirm(self, reservation: Reservation, dice: Dice) -> None:
        at = self._studio.now
        if reservation.is_over:
            return
        code = draw_id("arrival", reservation.id, length=8).upper()
        self._studio.touch(
            reservation.path,
            {
                "status": "CONFIRMED",
                "stageStatus": {"stage": "queued", "at": at, "source": "staff"},
                "arrivalStatus": "expected",
                "arrivalToken": f"MF-ARR-{code[:4]}-{code[4:]}",
                "arrivalTokenLookup": f"MFARR{code}",
                "arrivalTokenIssuedAt": at,
                "arrivalTokenExpiresAt": reservation.latest_at,
                "arrivalTokenVersion": 1,
            },
        )
        incidents = self._studio.incidents
        late = incidents.claim("reservations_past_window", at)
        trouble = late is None and incidents.trouble(dice, 0.02)
        if not late and not trouble:
            arrives_at = almanac.next_staffed(dice, max(at, reservation.earliest_at) + dice.hours(1, 60))
            self._studio.at(arrives_at, self._arrive, reservation, dice)
            return
        given_up_at = almanac.next_staffed(dice, reservation.latest_at + dice.days(7, 14))
        if late:
            late.affect(reservation.latest_at, reservation.path)
            late.end(given_up_at)
        else:
            incidents.quirk(
                "reservations_past_window",
                reservation.latest_at,
                reservation.path,
                notes="a member never came",
            ).end(given_up_at)
        self._studio.at(given_up_at, self._cancel, reservation, dice)

    def _cancel(self, reservation: Reservation, dice: Dice) -> None:
        if reservation.is_over or reservation.has_arrived:
            return
        reservation.is_over = True
        # Rows touched by an old client are spelt with one L.
        status = "CANCELED" if dice.chance(0.15) else "CANCELLED"
        self._studio.touch(
            reservation.path,
            {
                "status": status,
                "queuePositionHint": None,
                "stageStatus": {"stage": "canceled", "at": self._studio.now, "source": "client"},
            },
        )

    # From arrival to ready

    def _arrive(self, reservation: Reservation, dice: Dice) -> None:
        at = self._studio.now
        if reservation.is_over:
            return
        changes: Document = {
            "arrivalStatus": "arrived",
            "arrivedAt": at,
            "arrivalCheckIns": [
                {"at": at, "byUid": reservation.owner.uid, "byRole": "client", "via": "token"}
            ],
        }
        reservation.has_arrived = True
        if dice.chance(WITH_BATCH_SHARE):
            reservation.batch = self._checkins.check_in(
                reservation.owner,
                reservation.firing_type,
                reservation.half_shelves,
                "SHELF_PURCHASE",
                is_reserved=True,
            )
            changes["linkedBatchId"] = reservation.batch.id
        self._studio.touch(reservation.path, changes)
        work = Work(
            firing_type=reservation.firing_type,
            half_shelves=min(reservation.half_shelves, CAPACITY_HALF_SHELVES),
            path=reservation.batch.path if reservation.batch else reservation.path,
            on_loaded=lambda kiln: self._load(reservation, kiln),
            on_unloaded=lambda: self._unload(reservation, dice),
        )
        queued_at = at + dice.hours(30, 40) if reservation.batch else at + dice.hours(1, 20)
        self._studio.at(queued_at, self._kilns.enqueue, work)

    def _load(self, reservation: Reservation, kiln: Kiln) -> None:
        self._studio.touch(reservation.path, {"loadStatus": "loading"})
        if reservation.batch:
            self._checkins.load_reserved(reservation.batch, kiln)

    def _unload(self, reservation: Reservation, dice: Dice) -> None:
        if reservation.batch:
            self._checkins.unload_reserved(reservation.batch)
        ready_at = almanac.next_staffed(dice, self._studio.now + dice.hours(0.5, 26))
        self._studio.at(ready_at, self._become_ready, reservation, dice)

    def _become_ready(self, reservation: Reservation, dice: Dice) -> None:
        if reservation.batch:
            self._checkins.make_ready(reservation.batch)
        self._storage.keep(
            reservation.path,
            half_shelves=reservation.half_shelves,
            dice=dice,
            on_fetched=lambda: self._hand_over(reservation),
            on_reclaimed=lambda: self._write_off(reservation, dice),
        )

    def _write_off(self, reservation: Reservation, dice: Dice) -> None:
        reservation.is_over = True
        if reservation.batch:
            self._checkins.clean_up(reservation.batch.path, dice)

    def _hand_over(self, reservation: Reservation) -> None:
        # In the portal a finished one keeps its place in the queue; here it leaves, to keep writes few.
        reservation.is_over = True
        if reservation.batch:
            self._checkins.pick_up(reservation.batch)
