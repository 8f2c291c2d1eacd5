"""Check-ins: one batch per load of work, from draft to pickup, with its timeline.

The portal's habits are kept: no transition is checked, unloading leaves the state alone, nothing ever writes
``FIRED``, a mistyped id makes a phantom batch, and clean-up closes a batch without touching its state.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.kilns import Kiln, Kilns, Work
from twins.world.operations import REMOVED, Document
from twins.world.people import MARK, People, Person, remark
from twins.world.studio import Studio

WALK_INS_A_DAY = 0.75
OVERDUE_AFTER_DAYS = 14
FORGOTTEN_AFTER_DAYS = 14
ADMIN = "admin"  # the portal records every staff action under this literal
_TITLES = (
    "Mugs",
    "Test tiles",
    "Dinner plates",
    "Planters",
    "Tall vases",
    "Small bowls",
    "Sculpture",
    "Teapot",
)
_INTAKE_MODES = (
    ("SHELF_PURCHASE", 79.0),
    ("COMMUNITY_SHELF", 15.0),
    ("WHOLE_KILN", 4.0),
    ("SELF_SERVICE", 2.0),
)
_BISQUE_DOLLARS, _GLAZE_DOLLARS, _CAP_DOLLARS = 15, 25, 85  # per half-shelf; the cap holds from four on
_WHOLE_KILN_HALF_SHELVES = 8


def price_cents(firing_type: str, half_shelves: float, intake_mode: str) -> int:
    """Return the studio's estimate for a load, in cents."""
    if intake_mode == "COMMUNITY_SHELF":
        return 0
    rate = _BISQUE_DOLLARS if firing_type == "bisque" else _GLAZE_DOLLARS
    dollars = _CAP_DOLLARS if half_shelves >= 4 else rate * half_shelves
    return round(dollars * 100)


@dataclass(slots=True, eq=False)
class Batch:
    """One check-in as the studio knows it."""

    id: str
    owner: Person
    firing_type: str
    half_shelves: float
    root_id: str
    is_closed: bool = False
    has_reservation: bool = False

    @property
    def path(self) -> str:
        """Return the document's path."""
        return f"batches/{self.id}"


class Checkins:
    """The intake desk."""

    def __init__(self, studio: Studio, people: People, kilns: Kilns) -> None:
        self._studio = studio
        self._people = people
        self._kilns = kilns

    def open_day(self, day: date) -> None:
        """Take in today's work, and let today's slips of the hand happen."""
        studio = self._studio
        level = almanac.level(day, studio.settings.first_day)
        for number in range(studio.arrivals("checkins", day, WALK_INS_A_DAY * level)):
            dice = studio.dice("walk-in", day, number)
            mode = dice.weighted(_INTAKE_MODES)
            size = _WHOLE_KILN_HALF_SHELVES if mode == "WHOLE_KILN" else dice.whole(1, 3)
            firing = dice.weighted((("bisque", 5.0), ("glaze", 5.0)))
            studio.at(
                almanac.moment(dice, day, 9.5, 19),
                self.check_in,
                self._people.member(dice),
                firing,
                size,
                mode,
            )
        dice = studio.dice("phantom", day)
        if studio.incidents.trouble(dice, 0.04 * min(3.0, studio.scale)) and almanac.is_open(day):
            studio.at(almanac.moment(dice, day, 11, 18), self._make_phantom, dice)

    def check_in(
        self,
        owner: Person,
        firing_type: str,
        half_shelves: float,
        intake_mode: str,
        *,
        continues: Batch | None = None,
        is_reserved: bool = False,
    ) -> Batch:
        """Create a batch now, as a draft, and let its life begin."""
        studio = self._studio
        batch_id = studio.new_id("batches")
        root = continues.root_id if continues else batch_id
        batch = Batch(batch_id, owner, firing_type, half_shelves, root, has_reservation=is_reserved)
        dice = studio.dice("batch", batch_id)
        document: Document = {
            "ownerUid": owner.uid,
            "ownerDisplayName": owner.display_name,
            "title": f"{dice.pick(_TITLES)} ({MARK})" if dice.chance(0.9) else "Untitled batch",
            "intakeMode": intake_mode,
            "estimatedCostCents": 0 if continues else price_cents(firing_type, half_shelves, intake_mode),
            "kilnName": self._kilns.electric[0].name if dice.chance(0.6) else None,
            "estimateNotes": remark(dice) if dice.chance(0.3) else None,
            "state": "DRAFT",
            "isClosed": False,
            "createdAt": studio.now,
            "updatedAt": studio.now,
            "closedAt": None,
            "journeyRootBatchId": root,
            "journeyParentBatchId": continues.id if continues else None,
        }
        if continues is None:
            document["editors"] = [owner.uid, self._people.someone_on_staff(dice).uid]
        studio.set(batch.path, document)
        if continues:
            self._note(batch, "CONTINUE_JOURNEY", owner, fromBatchId=continues.id)
        else:
            self._note(batch, "CREATE_BATCH", owner)
        if dice.chance(0.25):
            self._add_pieces(batch, dice)
        self._await_submission(batch, dice)
        return batch

    # From draft to the kiln

    def _await_submission(self, batch: Batch, dice: Dice) -> None:
        studio = self._studio
        if not batch.has_reservation and studio.incidents.trouble(dice, 0.04):
            self._forget_draft(batch, dice)
            return
        wait = dice.minutes(4, 90) if dice.chance(0.85) else dice.hours(10, 60)
        studio.at(studio.now + wait, self._submit, batch, dice)

    def _forget_draft(self, batch: Batch, dice: Dice) -> None:
        studio = self._studio
        forgotten_at = studio.now + timedelta(days=FORGOTTEN_AFTER_DAYS)
        quirk = studio.incidents.quirk(
            "forgotten_draft", forgotten_at, batch.path, notes="a draft nobody will ever submit"
        )
        clean_up = forgotten_at + dice.days(1, 12)

        def tidy() -> None:
            self.clean_up(batch.path, dice)
            quirk.end(studio.now)

        studio.at(almanac.next_staffed(dice, clean_up), tidy)

    def _submit(self, batch: Batch, dice: Dice) -> None:
        self._move(batch, "SUBMITTED", "SUBMIT_DRAFT", batch.owner)
        when = almanac.next_staffed(dice, self._studio.now + dice.hours(1, 20))
        self._studio.at(when, self._shelve, batch, dice)

    def _shelve(self, batch: Batch, dice: Dice) -> None:
        at = self._studio.now
        self._move(batch, "SHELVED", "SHELVED")
        if batch.has_reservation:  # a reserved load waits as its reservation
            return
        stall = self._studio.incidents.claim("stalled_batches", at)
        work = Work(
            firing_type=batch.firing_type,
            half_shelves=batch.half_shelves,
            path=batch.path,
            on_loaded=lambda kiln: self._load(batch, kiln),
            on_unloaded=lambda: self._unload(batch, dice),
        )
        if stall:
            work.held_until = stall.closes_at + timedelta(days=7)
            stall.affect(at, batch.path)
            stall.end(work.held_until)
        self._kilns.enqueue(work)

    def load_reserved(self, batch: Batch, kiln: Kiln) -> None:
        """Record that the load of a reservation went into a kiln together with its batch."""
        self._load(batch, kiln)

    def _load(self, batch: Batch, kiln: Kiln) -> None:
        self._move(
            batch,
            "LOADED",
            "KILN_LOAD",
            changes={"currentKilnId": kiln.id, "currentKilnName": kiln.name},
            kilnId=kiln.id,
            kilnName=kiln.name,
        )

    # From the kiln to the owner

    def unload_reserved(self, batch: Batch) -> None:
        """Record that a reserved load came out; the reservation says when it is ready."""
        self._record_unload(batch)

    def _unload(self, batch: Batch, dice: Dice) -> None:
        self._record_unload(batch)
        when = almanac.next_staffed(dice, self._studio.now + dice.hours(0.5, 30))
        self._studio.at(when, self._become_ready, batch, dice)

    def _record_unload(self, batch: Batch) -> None:
        # The state stays LOADED: the portal's unload action leaves it alone.
        self._studio.touch(batch.path, {"currentKilnId": REMOVED, "currentKilnName": REMOVED})
        self._note(batch, "KILN_UNLOAD")

    def make_ready(self, batch: Batch) -> None:
        """Mark a batch ready for pickup."""
        self._move(batch, "READY_FOR_PICKUP", "READY_FOR_PICKUP")

    def _become_ready(self, batch: Batch, dice: Dice) -> None:
        at = self._studio.now
        self.make_ready(batch)
        incidents = self._studio.incidents
        wait = dice.days(0.4, 8)
        overdue = incidents.claim("overdue_pickups", at)
        trouble = overdue is None and incidents.trouble(dice, 0.03)
        if overdue or trouble:
            wait = dice.days(OVERDUE_AFTER_DAYS + 6, OVERDUE_AFTER_DAYS + 16)
        fetched, due = almanac.next_staffed(dice, at + wait), at + timedelta(days=OVERDUE_AFTER_DAYS)
        if overdue:
            overdue.affect(due, batch.path)
            overdue.end(fetched)
        elif trouble:
            incidents.quirk("overdue_pickups", due, batch.path, notes="an owner takes weeks").end(fetched)
        self._studio.at(fetched, self.pick_up, batch)

    def pick_up(self, batch: Batch) -> None:
        """Hand the work over and close the batch; some owners continue with it."""
        studio = self._studio
        batch.is_closed = True
        closing = {"isClosed": True, "closedAt": studio.now}
        self._move(batch, "CLOSED_PICKED_UP", "PICKED_UP_AND_CLOSE", changes=closing)
        dice = studio.dice("after pickup", batch.id)
        if batch.firing_type == "bisque" and dice.chance(0.3):
            studio.at(
                almanac.next_staffed(dice, studio.now + dice.days(1, 8)),
                self.check_in,
                batch.owner,
                "glaze",
                batch.half_shelves,
                "SHELF_PURCHASE",
                continues=batch,
            )
        elif studio.incidents.trouble(
            dice, 0.01
        ):  # nothing stops ready on a closed batch; isClosed stays true
            studio.at(studio.now + dice.hours(1, 30), self.make_ready, batch)

    # Slips and tools

    def _make_phantom(self, dice: Dice) -> None:
        studio = self._studio
        path = f"batches/{studio.new_id('phantoms')}"
        state = dice.pick(("SHELVED", "READY_FOR_PICKUP"))
        studio.set(path, {"state": state, "updatedAt": studio.now})
        quirk = studio.incidents.quirk(
            "phantom_batch", studio.now, path, notes="a mistyped id made a batch without an owner"
        )

        def tidy() -> None:
            self.clean_up(path, dice)
            quirk.end(studio.now)

        if dice.chance(0.6):
            studio.at(almanac.next_staffed(dice, studio.now + dice.days(5, 25)), tidy)

    def clean_up(self, path: str, dice: Dice) -> None:
        """Close a batch as the clean-up tool does: by flag and legacy status; the state stays as it was."""
        studio = self._studio
        stamp = {
            "runId": studio.new_id("cleanupRuns"),
            "action": "archive",
            "actorUid": self._people.someone_on_staff(dice).uid,
            "actorMode": "staff",
            "reasonCode": "stale_artifact",
            "reason": remark(dice),
            "source": "staff_console",
            "category": "stale",
            "confidence": "high",
            "cleanedAt": studio.now,
        }
        studio.touch(path, {"isClosed": True, "status": "CLOSED_OTHER", "staffArtifactCleanup": stamp})

    def _move(
        self,
        batch: Batch,
        state: str,
        event: str,
        actor: Person | None = None,
        *,
        changes: Document | None = None,
        **extra: Any,
    ) -> None:
        self._studio.touch(batch.path, {"state": state, **(changes or {})})
        self._note(batch, event, actor, **extra)

    def _note(self, batch: Batch, event: str, actor: Person | None = None, **extra: Any) -> None:
        studio = self._studio
        studio.set(
            f"{batch.path}/timeline/{studio.new_id('timeline')}",
            {
                "type": event,
                "at": studio.now,
                "actorUid": actor.uid if actor else ADMIN,
                "actorName": actor.display_name if actor else ADMIN,
                "notes": None,
                "kilnId": None,
                "kilnName": None,
                "photos": [],
                **extra,
            },
        )

    def _add_pieces(self, batch: Batch, dice: Dice) -> None:
        studio = self._studio
        for number in range(dice.whole(1, 3)):
            studio.set(
                f"{batch.path}/pieces/{studio.new_id('pieces')}",
                {
                    "pieceCode": f"MF-{batch.id[:4].upper()}-{number + 1}",
                    "shortDesc": f"piece {number + 1} ({MARK})",
                    "ownerName": batch.owner.display_name,
                    "stage": "GREENWARE" if batch.firing_type == "bisque" else "BISQUE",
                    "wareCategory": dice.pick(("STONEWARE", "EARTHENWARE", "PORCELAIN")),
                    "isArchived": False,
                    "createdAt": studio.now,
                    "updatedAt": studio.now,
                },
            )
