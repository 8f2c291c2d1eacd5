"""What was there before: configuration documents, and rows from earlier versions of the portal.

Legacy rows keep the spellings a tolerant reader must understand: a status in free words and no state, a
``false`` close flag on a closed batch, dates as ISO text, one-L cancellations, old intake modes.
"""

from datetime import timedelta
from typing import Any

from twins.world.chance import Dice
from twins.world.people import MARK, People
from twins.world.studio import Studio

_LEGACY_MODES = ("STAFF_HANDOFF", "SELF_SERVICE", "KILNFIRE_PIECES", "CLIENT_SUBMIT", "CLIENT_DROP_OFF")


def write_heritage(studio: Studio, people: People) -> None:
    """Write configuration and legacy rows now."""
    dice = studio.dice("heritage")
    _write_config(studio)
    _write_closed_batches(studio, people, dice)
    _write_old_reservations(studio, people, dice)
    _write_old_orders(studio, people, dice)
    if not studio.incidents.is_calm:
        _write_open_batches(studio, people, dice)


def _write_config(studio: Studio) -> None:
    now, staff = studio.now, "system"
    documents: dict[str, dict[str, Any]] = {
        "config/stripe": {
            "mode": "test",
            "priceIds": {},
            "productIds": {},
            "enabledFeatures": {"checkout": True, "customerPortal": False, "invoices": False},
            "successUrl": "https://portal.invalid/paid",
            "cancelUrl": "https://portal.invalid/cart",
            "updatedByEmail": f"{staff}@{MARK}.invalid",
        },
        "config/agentOps": {"enabled": True, "allowPayments": True, "updatedByUid": staff},
        "config/agentTerms": {"currentVersion": "2026-02-12.v1"},
        "config/moderationPolicy": {"activeVersion": "website-community-conduct-2026-04-02"},
        "config/communitySafety": {
            "enabled": True,
            "publishKillSwitch": False,
            "autoFlagEnabled": True,
            "highSeverityThreshold": 70,
            "mediumSeverityThreshold": 35,
        },
    }
    for path, document in documents.items():
        studio.set(path, {**document, "updatedAt": now})


def _write_closed_batches(studio: Studio, people: People, dice: Dice) -> None:
    for number, mode in enumerate(_LEGACY_MODES):
        owner = people.member(dice)
        made_at = studio.now - dice.days(200, 600)
        closed_at = made_at + dice.days(6, 30)
        batch_id = studio.new_id("batches")
        has_iso_dates = number % 2 == 0
        studio.set(
            f"batches/{batch_id}",
            {
                "ownerUid": owner.uid,
                "ownerDisplayName": owner.display_name,
                "title": f"Old work ({MARK})",
                "intakeMode": mode,
                "priceCents": dice.whole(15, 85) * 100,
                "state": "CLOSED_PICKED_UP",
                # The backfill wrote false even here.
                "isClosed": has_iso_dates,
                "createdAt": made_at.isoformat() if has_iso_dates else made_at,
                "updatedAt": closed_at,
                "closedAt": closed_at.isoformat() if has_iso_dates else closed_at,
                "journeyRootBatchId": batch_id,
            },
        )


def _write_open_batches(studio: Studio, people: People, dice: Dice) -> None:
    for status in ("In progress", "In progress", "Complete", "READY_FOR_PICKUP", "SHELVED"):
        owner = people.member(dice)
        made_at = studio.now - dice.days(150, 400)
        path = f"batches/{studio.new_id('batches')}"
        studio.set(
            path,
            {
                "ownerUid": owner.uid,
                "ownerDisplayName": owner.display_name,
                "title": f"Old work ({MARK})",
                "intakeMode": dice.pick(_LEGACY_MODES),
                "priceCents": dice.whole(15, 85) * 100,
                "status": status,
                "isClosed": False,
                "createdAt": made_at,
                "updatedAt": made_at + timedelta(days=3),
            },
        )
        studio.incidents.quirk(
            "legacy_row", studio.now, path, notes="an old row without a state, counted as active for ever"
        )


def _write_old_reservations(studio: Studio, people: People, dice: Dice) -> None:
    for status in ("CANCELED", "CANCELED", "CANCELLED"):
        made_at = studio.now - dice.days(150, 400)
        studio.set(
            f"reservations/{studio.new_id('reservations')}",
            {
                "ownerUid": people.member(dice).uid,
                "status": status,
                "firingType": "other",
                "shelfEquivalent": 1,
                "preferredWindow": {"earliestDate": None, "latestDate": None},
                "linkedBatchId": None,
                "stageHistory": [
                    {
                        "fromStation": "studio-kiln-a",
                        "toStation": "studio-electric",
                        "at": made_at,
                        "reason": None,
                    }
                ],
                "createdAt": made_at,
                "updatedAt": made_at + timedelta(days=1),
            },
        )


def _write_old_orders(studio: Studio, people: People, dice: Dice) -> None:
    for _ in range(3):
        buyer = people.member(dice)
        made_at = studio.now - dice.days(200, 400)
        studio.set(
            f"materialsOrders/{studio.new_id('materialsOrders')}",
            {
                "uid": buyer.uid,
                "displayName": buyer.display_name,
                "email": buyer.email,
                "items": [
                    {"name": "Stoneware clay 25 lb", "quantity": 1, "unitPrice": 4000, "currency": "USD"}
                ],
                "totalCents": 4000,
                "currency": "USD",
                "status": "refunded",
                "stripeSessionId": None,
                "mode": "test",
                "createdAt": made_at,
                "updatedAt": made_at + timedelta(days=4),
            },
        )
