"""Agent requests: what members and their agents ask for, from new to fulfilled.

Staff move a request by hand and in order; nothing enforces it. A commission starts as triaged, and the
payment of its order overwrites the request's status (``agent_sales.py``).
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.incidents import Incident
from twins.world.people import MARK, People, remark
from twins.world.studio import Studio

REQUESTS_A_DAY = 0.75
REJECTED_SHARE, CANCELLED_SHARE = 0.08, 0.06
AGEING_DAYS = 3
_KINDS = (
    ("firing", 4.0),
    ("pickup", 2.0),
    ("delivery", 1.5),
    ("shipping", 1.0),
    ("commission", 1.0),
    ("x1c_print", 1.0),
    ("other", 1.0),
)
_STEPS = (("accepted", 2, 30), ("in_progress", 4, 40), ("ready", 20, 90), ("fulfilled", 4, 72))  # hours after

CommissionDesk = Callable[[str, str, Dice], None]


class Requests:
    """The desk for requests. ``on_commission`` is told of every commission: request id, member, dice."""

    def __init__(self, studio: Studio, people: People, on_commission: CommissionDesk) -> None:
        self._studio = studio
        self._people = people
        self._on_commission = on_commission

    def open_day(self, day: date) -> None:
        """Take today's requests, and a spike of them when one is due."""
        studio = self._studio
        level = almanac.level(day, studio.settings.first_day)
        for number in range(studio.arrivals("requests", day, REQUESTS_A_DAY * level)):
            dice = studio.dice("request", day, number)
            studio.at(almanac.moment(dice, day, 6, 23), self._ask, dice)
        spike = studio.incidents.opening_on("request_spike", day)
        if spike:
            for number in range(spike.wanted):
                dice = studio.dice("spike", day, number)
                studio.at(almanac.moment(dice, day, 11, 16), self._ask, dice, spike)

    def _ask(self, dice: Dice, spike: Incident | None = None) -> None:
        at = self._studio.now
        studio = self._studio
        request_id = studio.new_id("agentRequests")
        path = f"agentRequests/{request_id}"
        person = self._people.member(dice)
        kind = "firing" if spike else dice.weighted(_KINDS)
        mode = "pat" if spike else dice.weighted((("firebase", 3.0), ("pat", 2.0)))
        is_commission = kind == "commission"
        document: dict[str, Any] = {
            "status": "triaged" if is_commission else "new",
            "kind": kind,
            "title": f"{kind.replace('_', ' ').capitalize()} request",
            "summary": remark(dice),
            "notes": remark(dice) if dice.chance(0.3) else None,
            "constraints": {"contact": person.email} if dice.chance(0.2) else {},
            "metadata": {},
            "logistics": {"mode": dice.pick(("dropoff", "pickup", "local_delivery"))},
            "createdByUid": person.uid,
            "createdByMode": mode,
            "createdByTokenId": studio.new_id("tokens", length=22) if mode == "pat" else None,
            "linkedBatchId": None,
            "staff": {"assignedToUid": None, "triagedAt": None, "internalNotes": None},
            "createdAt": at,
            "updatedAt": at,
        }
        if kind == "x1c_print":
            document["x1cSpec"] = {
                "fileType": "3mf",
                "materialProfile": dice.pick(("pla", "petg", "abs")),
                "dimensionsMm": {
                    "x": dice.whole(20, 256),
                    "y": dice.whole(20, 256),
                    "z": dice.whole(20, 256),
                },
                "quantity": dice.whole(1, 6),
            }
        if is_commission:
            document["policy"] = {
                "version": "2026-02-12.v1",
                "rightsAttested": True,
                "intendedUse": f"a gift ({MARK})",
                "disposition": "review",
                "reasonCodes": ["commission_review"],
            }
        studio.set(path, document)
        if spike:
            spike.affect(at, path)
        self._await_triage(path, request_id, person.uid, dice, at, is_commission=is_commission)

    def _await_triage(
        self, path: str, request_id: str, uid: str, dice: Dice, at: datetime, *, is_commission: bool
    ) -> None:
        studio = self._studio
        wait = dice.hours(1, 26)
        ageing = None if is_commission else studio.incidents.claim("request_ageing", at)
        if ageing:
            wait = dice.days(9, 14)
        triaged_at = almanac.next_staffed(dice, at + wait)
        if ageing:
            ageing.affect(at + timedelta(days=AGEING_DAYS), path)
            ageing.end(triaged_at)
        elif dice.chance(CANCELLED_SHARE):
            studio.at(at + wait / 2, studio.touch, path, {"status": "cancelled"})
            return
        if is_commission:
            studio.at(triaged_at, self._on_commission, request_id, uid, dice)
        else:
            studio.at(triaged_at, self._triage, path, dice)

    def _triage(self, path: str, dice: Dice) -> None:
        at = self._studio.now
        staff = self._people.someone_on_staff(dice)
        is_rejected = dice.chance(REJECTED_SHARE)
        self._studio.touch(
            path,
            {
                "status": "rejected" if is_rejected else "triaged",
                "staff.assignedToUid": staff.uid,
                "staff.triagedAt": at,
                "staff.internalNotes": remark(dice) if dice.chance(0.3) else None,
            },
        )
        when = at
        for status, low, high in () if is_rejected else _STEPS:
            when = almanac.next_staffed(dice, when + dice.hours(low, high))
            self._studio.at(when, self._studio.touch, path, {"status": status})
