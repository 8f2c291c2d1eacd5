"""The lending library and the studio spaces: what is lent out and what is booked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.people import People, remark
from twins.world.studio import Studio

LOANS_A_DAY = 0.5
BOOKINGS_A_DAY = 1.6
LOAN_DAYS = 28
_ITEM_COUNT = 40
_SUBJECTS = ("Glaze chemistry", "Throwing", "Handbuilding", "Kilns", "Raku", "Surface", "Form", "Ash glazes")
_SPACES: tuple[tuple[str, str, str, str], ...] = (
    ("wheel", "Wheel", "wheel", "resource"),
    ("handbuilding-indoor", "Indoor handbuilding", "handbuilding", "capacity"),
    ("glazing-outdoor", "Outdoor glazing", "glazing", "capacity"),
    ("glaze-kitchen-outdoor", "Outdoor glaze kitchen", "glazing", "capacity"),
    ("drop-off-pickup", "Drop-off & pickup", "logistics", "capacity"),
    ("community", "Community", "community", "capacity"),
)
_BLOCK_MINUTES, _DROP_OFF_MINUTES = 240, 30
_START_HOURS = (10, 12, 14, 15)


@dataclass(slots=True, eq=False)
class Item:
    """One title of the library, with a single copy."""

    id: str
    title: str
    is_out: bool = False


class Library:
    """The shelf of books; loans last four weeks and can be renewed once."""

    def __init__(self, studio: Studio, people: People) -> None:
        self._studio = studio
        self._people = people
        self._items = [self._buy(number) for number in range(max(4, round(_ITEM_COUNT * studio.scale)))]

    def open_day(self, day: date) -> None:
        """Lend what is asked for today."""
        if not almanac.is_open(day):
            return
        for number in range(self._studio.arrivals("loans", day, LOANS_A_DAY)):
            dice = self._studio.dice("loan", day, number)
            self._studio.at(almanac.moment(dice, day), self._lend, dice)

    def _lend(self, dice: Dice) -> None:
        at = self._studio.now
        free = [item for item in self._items if not item.is_out]
        if not free:
            return
        studio, item, borrower = self._studio, dice.pick(free), self._people.member(dice)
        item.is_out = True
        path = f"libraryLoans/{studio.new_id('libraryLoans')}"
        studio.set(
            path,
            {
                "itemId": item.id,
                "itemTitle": item.title,
                "borrowerUid": borrower.uid,
                "borrowerName": borrower.display_name,
                "borrowerEmail": borrower.email,
                "status": "checked_out",
                "loanedAt": at,
                "dueAt": at + timedelta(days=LOAN_DAYS),
                "returnedAt": None,
                "overdueAt": None,
                "renewalCount": 0,
                "renewalLimit": 1,
                "createdAt": at,
                "updatedAt": at,
            },
        )
        self._show(item, "checked_out")
        is_forgetful = studio.incidents.trouble(dice, 0.12)
        due_at = at + timedelta(days=LOAN_DAYS)
        if is_forgetful:
            self._forget(path, item, dice, due_at)
            return
        if dice.chance(0.15):
            renewed_at = at + dice.days(20, 27)
            due_at += timedelta(days=LOAN_DAYS)
            studio.at(renewed_at, studio.touch, path, {"dueAt": due_at, "renewalCount": 1})
            self._bring_back(path, item, almanac.next_staffed(dice, renewed_at + dice.days(3, 20)))
        else:
            self._bring_back(path, item, almanac.next_staffed(dice, at + dice.days(5, 24)))

    def _forget(self, path: str, item: Item, dice: Dice, due_at: datetime) -> None:
        studio = self._studio
        returned_at = almanac.next_staffed(dice, due_at + dice.days(3, 20))
        studio.incidents.quirk("overdue_loan", due_at, path, notes="a book not brought back").end(returned_at)

        def notice() -> None:
            studio.touch(path, {"status": "overdue", "overdueAt": studio.now})
            self._show(item, "overdue")

        if dice.chance(0.7):  # else the sweep never saw it: due in the past, but still checked out
            studio.at(due_at + dice.hours(1, 12), notice)
        self._bring_back(path, item, returned_at)

    def _bring_back(self, path: str, item: Item, at: datetime) -> None:
        studio = self._studio
        studio.at(at - timedelta(minutes=50), studio.touch, path, {"status": "return_requested"})

        def take_back() -> None:
            item.is_out = False
            studio.touch(path, {"status": "returned", "returnedAt": studio.now})
            self._show(item, "available")

        studio.at(at, take_back)

    def _show(self, item: Item, status: str) -> None:
        changes = {
            "status": status,
            "current_lending_status": status,
            "availableCopies": 0 if item.is_out else 1,
        }
        self._studio.touch(f"libraryItems/{item.id}", changes)

    def _buy(self, number: int) -> Item:
        studio = self._studio
        subject = _SUBJECTS[number % len(_SUBJECTS)]
        item = Item(studio.new_id("libraryItems"), f"{subject}, volume {number // len(_SUBJECTS) + 1}")
        studio.set(
            f"libraryItems/{item.id}",
            {
                "title": item.title,
                "authors": ["Studio Press"],
                "mediaType": "book",
                "totalCopies": 1,
                "availableCopies": 1,
                "status": "available",
                "current_lending_status": "available",
                "replacementValueCents": 3500,
                "needsCoverReview": False,
                "createdAt": studio.now,
                "updatedAt": studio.now,
            },
        )
        return item


class Spaces:
    """Rooms and wheels that members book by the block; a past one stays booked unless staff complete it."""

    def __init__(self, studio: Studio, people: People) -> None:
        self._studio = studio
        self._people = people
        for order, (slug, name, category, mode) in enumerate(_SPACES):
            studio.set(f"studioSpaces/{slug}", self._describe(order, slug, name, category, mode))

    def open_day(self, day: date) -> None:
        """Take today's bookings, each for an open day within four weeks."""
        level = almanac.level(day, self._studio.settings.first_day)
        for number in range(self._studio.arrivals("bookings", day, BOOKINGS_A_DAY * level)):
            dice = self._studio.dice("book", day, number)
            ahead = almanac.next_open_day(day + timedelta(days=dice.whole(1, 14)))
            self._studio.at(almanac.moment(dice, day, 7, 22), self._book, dice, ahead)

    def _book(self, dice: Dice, day: date) -> None:
        at = self._studio.now
        studio, person = self._studio, self._people.member(dice)
        slug, name, category, mode = dice.pick(_SPACES)
        minutes = _DROP_OFF_MINUTES if slug == "drop-off-pickup" else _BLOCK_MINUTES
        start_at = almanac.local(day, dice.pick(_START_HOURS))
        path = f"studioSpaceReservations/{studio.new_id('studioSpaceReservations')}"
        resources = ["wheel-1"] if mode == "resource" else []
        studio.set(
            path,
            {
                "ownerUid": person.uid,
                "ownerDisplayName": person.display_name,
                "ownerEmail": person.email,
                "spaceId": slug,
                "spaceName": name,
                "category": category,
                "bookingMode": mode,
                "slotTemplateId": None,
                "slotDateKey": day.isoformat(),
                "startAt": start_at,
                "endAt": start_at + timedelta(minutes=minutes),
                "quantity": 1,
                "requestedResourceIds": resources,
                "assignedResourceIds": resources,
                "status": "waitlisted" if dice.chance(0.05) else "booked",
                "note": remark(dice) if dice.chance(0.2) else None,
                "staffNote": None,
                "createdByUid": person.uid,
                "createdByRole": "member",
                "createdAt": at,
                "updatedAt": at,
                "cancelledAt": None,
            },
        )
        fate = dice.between(0, 1)
        if fate < 0.1 and (hours := (start_at - at) / timedelta(hours=1)) > 4:
            when = at + dice.hours(0.5, hours - 2)
            studio.at(when, self._cancel, path)
        elif fate > 0.6:
            done_at = start_at + timedelta(minutes=minutes) + dice.minutes(5, 60)
            studio.at(done_at, studio.touch, path, {"status": "completed"})

    def _cancel(self, path: str) -> None:
        self._studio.touch(path, {"status": "cancelled", "cancelledAt": self._studio.now})

    def _describe(self, order: int, slug: str, name: str, category: str, mode: str) -> Mapping[str, Any]:
        resources = [{"id": f"wheel-{n}", "label": f"Wheel {n}", "active": True} for n in (1, 2)]
        return {
            "id": slug,
            "slug": slug,
            "name": name,
            "category": category,
            "description": name,
            "memberHelpText": "Book up to four weeks ahead.",
            "bookingMode": mode,
            "active": True,
            "capacity": 1,
            "sortOrder": order,
            "timezone": almanac.TIMEZONE,
            "resources": resources if mode == "resource" else [],
            "templates": [],
            "createdAt": self._studio.now,
            "updatedAt": self._studio.now,
        }
