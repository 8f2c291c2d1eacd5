"""What the documents hold: known words, whole cents, and personal data only where it belongs."""

from datetime import UTC, datetime

import pytest

from twins.world.people import MARK

ENUMS = {
    "batches": {
        "state": "DRAFT SUBMITTED SHELVED LOADED READY_FOR_PICKUP CLOSED_PICKED_UP",
        "intakeMode": "SHELF_PURCHASE WHOLE_KILN COMMUNITY_SHELF STAFF_HANDOFF SELF_SERVICE KILNFIRE_PIECES"
        " CLIENT_SUBMIT CLIENT_DROP_OFF",
    },
    "reservations": {
        "status": "REQUESTED CONFIRMED WAITLISTED CANCELLED CANCELED",
        "loadStatus": "queued loading loaded",
        "firingType": "bisque glaze other",
        "storageStatus": "active reminder_pending hold_pending stored_by_policy",
        "arrivalStatus": "expected arrived",
    },
    "kilns": {"status": "idle loading firing cooling unloading maintenance offline"},
    "kilnFirings": {
        "status": "scheduled in-progress completed cancelled loading firing cooling unloading",
        "confidence": "scheduled estimated",
        "cycleType": "bisque glaze custom reduction raku",
    },
    "communityReports": {
        "status": "open triaged actioned resolved dismissed",
        "severity": "low medium high",
        "category": "broken_link incorrect_info spam safety harassment_hate copyright other",
        "targetType": "youtube_video blog_post studio_update event",
    },
    "agentRequests": {
        "status": "new triaged accepted in_progress ready fulfilled rejected cancelled",
        "kind": "firing pickup delivery shipping commission x1c_print other",
        "createdByMode": "firebase pat",
    },
    "agentOrders": {
        "status": "payment_required payment_pending paid exception refunded cancelled",
        "paymentStatus": "checkout_pending checkout_created payment_pending paid paid_prepay payment_failed"
        " disputed refunded cancelled",
        "fulfillmentStatus": "queued scheduled loaded firing cooling ready picked_up exception on_hold",
        "paymentProvider": "stripe internal_prepay",
    },
    "materialsOrders": {
        "status": "checkout_pending paid picked_up payment_failed disputed refunded",
        "paymentStatus": "checkout_created payment_pending paid payment_failed disputed refunded",
        "mode": "test live",
    },
    "events": {"status": "draft published cancelled"},
    "eventSignups": {
        "status": "ticketed waitlisted offered checked_in cancelled expired",
        "paymentStatus": "unpaid checkout_pending paid payment_failed disputed refunded",
        "checkInMethod": "staff self",
    },
    "eventCharges": {"paymentStatus": "checkout_pending paid payment_failed disputed refunded"},
    "libraryLoans": {"status": "checked_out return_requested overdue returned"},
    "studioSpaceReservations": {"status": "booked waitlisted cancelled completed"},
    "supportRequests": {
        "status": "new",
        "category": "Account Pieces Kiln Classes Membership Billing Studio Other Workshops",
    },
}

# Every field that may hold personal data, by the last part of its path. Reading any other must be safe.
PERSONAL_FIELDS = {
    "displayName",
    "ownerDisplayName",
    "ownerName",
    "ownerEmail",
    "email",
    "updatedByEmail",
    "actorName",
    "borrowerName",
    "borrowerEmail",
    "author",
    "contact",
    "name",  # of an agent client, given by its owner
    "title",
    "shortDesc",
    "estimateNotes",
    "summary",
    "subject",
    "body",
    "note",
    "notes",
    "general",
    "internalNotes",
    "intendedUse",
    "staffNotes",
    "personalNotes",
    "pickupNotes",
    "reason",
    "deliveryAddress",
    "deliveryInstructions",
}
WITH_PERSONAL_DATA = {
    "batches",
    "timeline",
    "pieces",
    "reservations",
    "communityReports",
    "agentRequests",
    "materialsOrders",
    "eventSignups",
    "supportRequests",
    "libraryLoans",
    "studioSpaceReservations",
    "users",
    "profiles",
}


def _leaves(value, path=()):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value


def _every_version(truth):
    for path, versions in truth._versions.items():
        for _, document in versions:
            if document is not None:
                yield path, document


@pytest.mark.parametrize("collection", sorted(ENUMS))
def test_words_are_the_contracts_own(busy_truth, collection):
    """Every value of an enum field is one the contract lists, in every version of every document."""
    for path, document in _every_version(busy_truth):
        if path.startswith(f"{collection}/") and path.count("/") == 1:
            for field, words in ENUMS[collection].items():
                assert document.get(field) is None or document[field] in words.split(), (path, field)


def test_money_is_whole_cents(busy_truth):
    """Every field ending in Cents is a whole number from zero; only reservations hold dollars."""
    seen = 0
    for path, document in _every_version(busy_truth):
        for names, value in _leaves(document):
            if names and names[-1].endswith("Cents"):
                assert type(value) is int, (path, names)
                assert value >= 0
                seen += 1
            if isinstance(value, float):
                assert path.startswith(("reservations/", "config/")), (path, names)
    assert seen > 1000


def test_stripe_amounts_are_whole_cents(busy_truth):
    """Every amount sent to Stripe is a whole number, and large enough to be charged."""
    amounts = [call.params["amount"] for call in busy_truth.calls if "amount" in call.params]
    amounts += [
        line["price_data"]["unit_amount"]
        for call in busy_truth.calls
        for line in call.params.get("line_items", ())
    ]
    assert amounts
    assert all(type(amount) is int and amount >= 50 for amount in amounts)


def test_personal_data_is_there_and_only_where_it_belongs(busy_truth):
    """Marked values stand in the listed fields and in no other; collections said to hold some do."""
    holding = set()
    for path, document in _every_version(busy_truth):
        for names, value in _leaves(document):
            if isinstance(value, str) and MARK in value:
                assert names[-1] in PERSONAL_FIELDS, (path, names)
                holding.add(path.split("/")[-2])
            else:
                assert not (isinstance(value, str) and "@" in value), (path, names)
    assert holding >= WITH_PERSONAL_DATA


def test_addresses_cannot_be_delivered_to(busy_truth):
    """Every address of electronic mail ends in .invalid."""
    for _, document in _every_version(busy_truth):
        for _, value in _leaves(document):
            if isinstance(value, str) and "@" in value:
                assert value.endswith(".invalid")


def test_instants_are_aware_and_utc(truth):
    """No document holds a naive time."""
    for path, document in _every_version(truth):
        for names, value in _leaves(document):
            if isinstance(value, datetime):
                assert value.tzinfo is UTC, (path, names)


def test_references_lead_somewhere(truth):
    """Charges name their signup and event, signups their event, loans their item, batches their journey."""
    now = truth.documents(truth.until)
    for path, document in now.items():
        collection = path.split("/")[0]
        if collection == "eventCharges":
            assert f"eventSignups/{document['signupId']}" in now
            assert f"events/{document['eventId']}" in now
        elif collection == "eventSignups":
            assert f"events/{document['eventId']}" in now
        elif collection == "libraryLoans":
            assert f"libraryItems/{document['itemId']}" in now
        elif collection == "batches" and path.count("/") == 1 and document.get("journeyParentBatchId"):
            assert f"batches/{document['journeyRootBatchId']}" in now
            assert f"batches/{document['journeyParentBatchId']}" in now


def test_numbers_of_live_rows_are_a_studios(calm_truth):
    """In an ordinary studio tens of rows are live and the alarms of the contract stay silent."""
    now = calm_truth.until
    batches = calm_truth.collection("batches", now).values()
    open_batches = [
        row
        for row in batches
        if not row["isClosed"] and not str(row.get("state", row.get("status"))).startswith("CLOSED")
    ]
    assert 5 < len(open_batches) < 30
    requests = calm_truth.collection("agentRequests", now).values()
    assert sum(row["status"] in {"new", "triaged"} for row in requests) < 20
    assert 2_000 < len(calm_truth.documents(now)) < 5_000
