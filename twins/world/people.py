"""Members and staff: pretend people, and the personal data that documents carry about them.

Every value that stands for personal data contains ``MARK``, so that a test can prove, by searching any output
for it, that such data was never read. Addresses end in ``.invalid`` and cannot be delivered to.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.studio import Studio

MARK = "synthetic-pii"
OPENING_MEMBERS = 45
NEW_MEMBERS_A_DAY = 0.25
STAFF_COUNT = 3
_FIRST_NAMES = (
    "Ash",
    "Briar",
    "Cedar",
    "Dune",
    "Ember",
    "Fern",
    "Gale",
    "Hazel",
    "Indigo",
    "Juniper",
    "Kaolin",
)
_LAST_NAMES = (
    "Bisque",
    "Celadon",
    "Slipwell",
    "Throwley",
    "Grogan",
    "Kilnsworth",
    "Tenmoku",
    "Wheeler",
    "Shino",
)
_TIERS = (
    ("A la carte", 5.0),
    ("Apprentice", 3.0),
    ("Journeyman", 2.0),
    ("Master", 1.0),
    ("Studio", 1.0),
    ("Premium", 1.0),
    ("Founding", 0.5),
    ("Studio Member", 1.5),
)
_REMARKS = (
    "please mind the handles",
    "glaze may run, wadding added",
    "picking up with my sister",
    "call before opening the box",
    "second shelf if there is room",
)


@dataclass(frozen=True, slots=True)
class Person:
    """A member or a member of staff."""

    uid: str
    display_name: str
    email: str


def remark(dice: Dice) -> str:
    """Return a line of free text as a member might write it; it counts as personal data."""
    return f"{dice.pick(_REMARKS)} ({MARK})"


def address(dice: Dice) -> str:
    """Return a street address that exists nowhere."""
    return f"{dice.whole(100, 999)} {MARK} Street, Nowhere AZ 00000"


class People:
    """Everyone in the studio. Members are drawn unevenly: a few come often, most come now and then."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self.members: list[Person] = []
        self.staff = [self._join(almanac.TIMEZONE, role="staff") for _ in range(STAFF_COUNT)]
        for _ in range(max(6, round(OPENING_MEMBERS * studio.scale))):
            self.members.append(self._join("opening", role="member"))

    def open_day(self, day: date) -> None:
        """Let new members join."""
        for number in range(self._studio.arrivals("people", day, NEW_MEMBERS_A_DAY)):
            when = almanac.moment(self._studio.dice("join", day, number), day, 8, 22)
            self._studio.at(when, self._welcome)

    def _welcome(self) -> None:
        self.members.append(self._join("new", role="member"))

    def member(self, dice: Dice) -> Person:
        """Return a member who does something now."""
        place = dice.between(0, 1) ** 2  # squared: the first members are the busiest
        return self.members[int(place * len(self.members))]

    def someone_on_staff(self, dice: Dice) -> Person:
        """Return a member of staff."""
        return dice.pick(self.staff)

    def _join(self, how: str, *, role: str) -> Person:
        studio = self._studio
        uid = studio.new_id("users", length=28)
        dice = studio.dice("person", uid)
        number = dice.whole(1000, 9999)
        person = Person(
            uid=uid,
            display_name=f"{dice.pick(_FIRST_NAMES)} {dice.pick(_LAST_NAMES)} {MARK}-{number}",
            email=f"{role}.{uid[:8].lower()}@{MARK}.invalid",
        )
        since = studio.now - dice.days(1, 900) if how != "new" else studio.now
        self._write_user(person, dice, since, role)
        return person

    def _write_user(self, person: Person, dice: Dice, since: datetime, role: str) -> None:
        studio = self._studio
        studio.set(
            f"users/{person.uid}",
            {
                "email": person.email,
                "displayName": person.display_name,
                "photoURL": None,
                "role": role,
                "isActive": True,
                "membershipTier": dice.weighted(_TIERS),
                "membershipSince": since,
                "membershipExpiresAt": since + timedelta(days=365 * dice.whole(1, 4)),
                "preferredKilns": ["studio-electric"],
                "uiTheme": dice.pick(("portal", "memoria")),
                "staffNotes": remark(dice) if dice.chance(0.2) else None,
                "createdAt": since,
                "updatedAt": since,
            },
        )
        studio.set(
            f"profiles/{person.uid}",
            {
                "displayName": person.display_name,
                "email": person.email,
                "phoneE164": f"+1555010{dice.whole(1000, 9999)}" if dice.chance(0.1) else None,
                "personalNotes": remark(dice) if dice.chance(0.3) else None,
                "studioNotes": None,
                "updatedAt": since,
            },
        )
