"""The archive: finished work of earlier years, as many documents as a large world asks for.

Everything in it is over, so it changes no counter of open things; it makes reads large. Documents are drawn
one by one from their number and are never all in memory. No sales are among them: money without its Stripe
side would be an error of the books, and those are the business of incidents.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from twins.world.chance import Dice, draw_id
from twins.world.operations import DocumentWrite, WriteKind
from twins.world.people import MARK, Person
from twins.world.settings import SMALL_WORLD_DOCUMENTS, WorldSettings

OLDEST_DAYS, NEWEST_DAYS = 2_000, 60
_TIMELINE = ("CREATE_BATCH", "SUBMIT_DRAFT", "SHELVED", "KILN_LOAD", "KILN_UNLOAD", "PICKED_UP_AND_CLOSE")


def archive_size(settings: WorldSettings) -> int:
    """Return how many documents the archive holds: what the simulated days will not bring."""
    target = settings.size.target_documents
    if target is None:
        return 0
    return max(0, target - round(SMALL_WORLD_DOCUMENTS * settings.size.scale))


def archive_writes(settings: WorldSettings, members: list[Person], now: datetime) -> Iterator[DocumentWrite]:
    """Yield every document of the archive once, in the same order for the same world."""
    left = archive_size(settings)
    number = 0
    while left > 0:
        for write in _bundle(settings.seed, number, members, now)[:left]:
            yield write
            left -= 1
        number += 1


def _bundle(seed: int, number: int, members: list[Person], now: datetime) -> list[DocumentWrite]:
    """Return one visit of earlier years: its batch, and what surrounded it."""
    dice = Dice(seed, "archive", number)
    owner = dice.pick(members)
    made_at = now - dice.days(NEWEST_DAYS, OLDEST_DAYS)
    closed_at = made_at + dice.days(5, 20)
    batch_id = draw_id(seed, "archive batch", number)
    batch_path = f"batches/{batch_id}"
    documents: list[tuple[str, dict[str, Any]]] = [
        (batch_path, _batch(batch_id, owner, dice, made_at, closed_at)),
        (
            f"reservations/{draw_id(seed, 'archive reservation', number)}",
            _reservation(owner, dice, made_at, closed_at),
        ),
    ]
    for step, event in enumerate(_TIMELINE[: dice.whole(2, len(_TIMELINE))]):
        path = f"{batch_path}/timeline/{draw_id(seed, 'archive timeline', number, step)}"
        documents.append(
            (path, _timeline(event, owner, made_at + (closed_at - made_at) / len(_TIMELINE) * step))
        )
    kind, document = _other(number, owner, dice, made_at, closed_at)
    documents.append((f"{kind}/{draw_id(seed, 'archive other', number)}", document))
    return [DocumentWrite(path, WriteKind.SET, document) for path, document in documents]


def _batch(
    batch_id: str, owner: Person, dice: Dice, made_at: datetime, closed_at: datetime
) -> dict[str, Any]:
    return {
        "ownerUid": owner.uid,
        "ownerDisplayName": owner.display_name,
        "editors": [owner.uid],
        "title": f"Archived work ({MARK})",
        "intakeMode": dice.weighted((("SHELF_PURCHASE", 8.0), ("COMMUNITY_SHELF", 2.0))),
        "estimatedCostCents": dice.whole(3, 17) * 500,
        "kilnName": None,
        "estimateNotes": None,
        "state": "CLOSED_PICKED_UP",
        "isClosed": True,
        "createdAt": made_at,
        "updatedAt": closed_at,
        "closedAt": closed_at,
        "journeyRootBatchId": batch_id,
        "journeyParentBatchId": None,
    }


def _reservation(owner: Person, dice: Dice, made_at: datetime, closed_at: datetime) -> dict[str, Any]:
    size = dice.whole(1, 4)
    return {
        "ownerUid": owner.uid,
        "status": "CONFIRMED",
        "loadStatus": "loaded",
        "intakeMode": "SHELF_PURCHASE",
        "firingType": dice.pick(("bisque", "glaze")),
        "shelfEquivalent": size / 2,
        "estimatedHalfShelves": size,
        "estimatedCost": 15.0 * size,
        "preferredWindow": {"earliestDate": made_at, "latestDate": made_at + timedelta(days=7)},
        "assignedStationId": "studio-electric",
        "linkedBatchId": None,
        "pickupWindow": {"status": "completed", "completedAt": closed_at},
        "readyForPickupAt": None,
        "storageStatus": "active",
        "isArchived": False,
        "arrivalStatus": "arrived",
        "arrivedAt": made_at,
        "createdAt": made_at,
        "updatedAt": closed_at,
    }


def _timeline(event: str, owner: Person, at: datetime) -> dict[str, Any]:
    is_staff = event not in ("CREATE_BATCH", "SUBMIT_DRAFT")
    return {
        "type": event,
        "at": at,
        "actorUid": "admin" if is_staff else owner.uid,
        "actorName": "admin" if is_staff else owner.display_name,
        "notes": None,
        "photos": [],
    }


def _other(
    number: int, owner: Person, dice: Dice, made_at: datetime, closed_at: datetime
) -> tuple[str, dict[str, Any]]:
    """Return collection and document of another desk's finished business, each kind in its turn."""
    kind = number % 4
    if kind == 0:
        return "agentRequests", {
            "status": "fulfilled",
            "kind": dice.pick(("firing", "pickup", "delivery", "other")),
            "title": f"Archived request ({MARK})",
            "createdByUid": owner.uid,
            "createdByMode": "firebase",
            "linkedBatchId": None,
            "createdAt": made_at,
            "updatedAt": closed_at,
        }
    if kind == 1:
        return "communityReports", {
            "reporterUid": owner.uid,
            "status": dice.pick(("resolved", "dismissed")),
            "severity": dice.pick(("low", "medium")),
            "category": dice.pick(("broken_link", "spam", "other")),
            "note": f"archived ({MARK})",
            "targetType": "blog_post",
            "coordinationSignal": False,
            "resolvedAt": closed_at,
            "createdAt": made_at,
            "updatedAt": closed_at,
        }
    if kind == 2:
        return "libraryLoans", {
            "itemId": f"archived-item-{number % 400}",
            "itemTitle": "Archived title",
            "borrowerUid": owner.uid,
            "borrowerName": owner.display_name,
            "borrowerEmail": owner.email,
            "status": "returned",
            "loanedAt": made_at,
            "dueAt": made_at + timedelta(days=28),
            "returnedAt": closed_at,
            "overdueAt": None,
            "renewalCount": 0,
            "createdAt": made_at,
            "updatedAt": closed_at,
        }
    return "studioSpaceReservations", {
        "ownerUid": owner.uid,
        "ownerDisplayName": owner.display_name,
        "spaceId": "wheel",
        "bookingMode": "resource",
        "slotDateKey": made_at.date().isoformat(),
        "startAt": made_at,
        "endAt": made_at + timedelta(hours=4),
        "quantity": 1,
        "status": "completed",
        "createdAt": made_at - timedelta(days=3),
        "updatedAt": closed_at,
    }
