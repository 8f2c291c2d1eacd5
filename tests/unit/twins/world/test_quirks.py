"""The portal's quirks occur in the world, as the cloud contract describes them."""

import itertools
from collections import Counter

import pytest

from twins.world.operations import WriteKind
from twins.world.plan import Plan


def _rows(truth, collection):
    return list(truth.collection(collection, truth.until).values())


def _history(truth, collection):
    """Return every version of every document of a collection, oldest first per document."""
    return [
        [document for _, document in versions if document is not None]
        for path, versions in truth._versions.items()
        if path.startswith(f"{collection}/") and path.count("/") == 1
    ]


def test_paid_orders_are_set_back_by_late_webhooks_and_keep_paid_at(busy_truth):
    """A late completed-event leaves a materials order paid but pending, an event charge pending but paid."""
    orders = [
        row for row in _rows(busy_truth, "materialsOrders") if row.get("paymentStatus") == "payment_pending"
    ]
    assert [row for row in orders if row["status"] in {"paid", "picked_up"} and row["paidAt"]]
    charges = _rows(busy_truth, "eventCharges")
    assert [row for row in charges if row["paymentStatus"] == "checkout_pending" and row.get("paidAt")]
    fallen = [
        versions
        for versions in _history(busy_truth, "agentOrders")
        if "paid" in (seen := [version["status"] for version in versions])
        and "payment_pending" in seen[seen.index("paid") :]
    ]
    assert fallen


def test_payment_documents_never_fall_back(busy_truth):
    """Only the payments documents are protected: their status never falls in rank."""
    ranks = [
        "payment_failed",
        "checkout_completed",
        "payment_succeeded",
        "charge_disputed",
        "charge_refunded",
    ]
    for versions in _history(busy_truth, "payments"):
        seen = [ranks.index(version["status"]) for version in versions]
        assert seen == sorted(seen)


def test_state_and_status_disagree_after_clean_up(busy_truth):
    """Clean-up closes by flag and legacy status; the state still looks active."""
    cleaned = [row for row in _rows(busy_truth, "batches") if "staffArtifactCleanup" in row]
    assert cleaned
    for row in cleaned:
        assert row["isClosed"] is True
        assert row["status"] == "CLOSED_OTHER"
        assert not row["state"].startswith("CLOSED_")


def test_phantom_batches_hold_only_state_and_update_time(busy_truth):
    """A mistyped id made a batch without an owner."""
    assert [row for row in _rows(busy_truth, "batches") if set(row) == {"state", "updatedAt"}]


def test_legacy_batches_keep_their_old_spellings(truth):
    """Free words for a status, no state, a false flag on a closed row, ISO dates, old intake modes."""
    rows = _rows(truth, "batches")
    assert {"In progress", "Complete"} <= {row.get("status") for row in rows if "state" not in row}
    assert [row for row in rows if row.get("state") == "CLOSED_PICKED_UP" and row["isClosed"] is False]
    assert [row for row in rows if isinstance(row.get("createdAt"), str)]
    modes = {"STAFF_HANDOFF", "SELF_SERVICE", "KILNFIRE_PIECES", "CLIENT_SUBMIT", "CLIENT_DROP_OFF"}
    assert modes <= {row.get("intakeMode") for row in rows}


def test_fired_is_never_written(busy_truth):
    """Declared, gated on, and written by nothing."""
    states = {version.get("state") for versions in _history(busy_truth, "batches") for version in versions}
    assert "FIRED" not in states
    assert {"DRAFT", "SUBMITTED", "SHELVED", "LOADED", "READY_FOR_PICKUP", "CLOSED_PICKED_UP"} <= states


def test_unloading_leaves_the_state_and_takes_the_kiln_away(truth):
    """After an unload a batch is still LOADED and has no kiln fields; the timeline knows the unload."""
    unloaded = [
        after
        for versions in _history(truth, "batches")
        for before, after in itertools.pairwise(versions)
        if "currentKilnId" in before and "currentKilnId" not in after and after["state"] == "LOADED"
    ]
    assert unloaded
    timeline = [document for path, document in truth.documents(truth.until).items() if "/timeline/" in path]
    assert {"KILN_LOAD", "KILN_UNLOAD", "PICKED_UP_AND_CLOSE"} <= {entry["type"] for entry in timeline}
    assert "admin" in {entry["actorUid"] for entry in timeline}


def test_one_l_cancellations_stand_beside_the_others(busy_truth):
    """Both spellings of a cancelled reservation are there, also among new rows."""
    rows = _rows(busy_truth, "reservations")
    spellings = Counter(row["status"] for row in rows)
    assert spellings["CANCELED"] > 2
    assert spellings["CANCELLED"] > spellings["CANCELED"]
    assert "canceled" in {row.get("stageStatus", {}).get("stage") for row in rows}


def test_finished_reservations_stay_confirmed(truth):
    """A picked-up one is CONFIRMED and loaded; its window is completed, the ready time cleared."""
    over = [
        row
        for row in _rows(truth, "reservations")
        if row.get("pickupWindow", {}).get("status") == "completed"
    ]
    assert over
    for row in over:
        assert row["status"] == "CONFIRMED"
        assert row["loadStatus"] == "loaded"
        assert row["readyForPickupAt"] is None


def test_sparse_reservations_begin_with_eight_fields(busy_truth):
    """Rows made directly by a client have hardly anything at first."""
    firsts = [versions[0] for versions in _history(busy_truth, "reservations")]
    assert [
        row for row in firsts if len(row) == 8 and "assignedStationId" not in row and "loadStatus" not in row
    ]


def test_reservation_money_is_dollars_as_floats(truth):
    """The one place where the portal keeps dollars."""
    rows = _rows(truth, "reservations")
    costs = [row["estimatedCost"] for row in rows if "estimatedCost" in row]
    costs += [row["storageBilling"]["accruedCost"] for row in rows if "storageBilling" in row]
    assert costs
    assert all(isinstance(cost, float) for cost in costs)


def test_storage_is_billed_and_work_reclaimed(busy_truth):
    """Unfetched work is reminded of, billed from 462 hours on, and reclaimed after 28 billed days."""
    rows = [version for versions in _history(busy_truth, "reservations") for version in versions]
    statuses = {row.get("storageStatus") for row in rows}
    assert {"active", "reminder_pending", "hold_pending", "stored_by_policy"} <= statuses
    reclaimed = [row for row in rows if row.get("isArchived")]
    assert reclaimed
    for row in reclaimed:
        billing = row["storageBilling"]
        assert billing["status"] == "reclaimed"
        assert billing["billedDays"] == 28
        assert billing["accruedCost"] == 1.5 * row["storageBilling"]["chargeBasisHalfShelves"] * 28
        assert billing["billingStartsAt"] == billing["graceEndsAt"]


def test_abandoned_carts_stay_for_ever(truth):
    """Some carts are as they were at the checkout, weeks later."""
    rows = _rows(truth, "materialsOrders")
    carts = [
        row for row in rows if row["status"] == "checkout_pending" and row["createdAt"] == row["updatedAt"]
    ]
    assert [row for row in carts if (truth.until - row["createdAt"]).days > 20]
    assert all("paidAt" not in row for row in carts)


def test_orders_with_two_tracked_lines_are_paid_at_stripe_only(busy_truth):
    """The portal can never mark them paid; the money came all the same."""
    rows = _rows(busy_truth, "materialsOrders")
    stuck = [row for row in rows if sum(line.get("trackInventory", False) for line in row["items"]) >= 2]
    assert stuck
    assert all("paidAt" not in row and row["status"] == "checkout_pending" for row in stuck)
    assert all(row["stripePaymentIntentId"] for row in stuck)


def test_some_legacy_orders_have_no_payment_status(truth):
    """Early rows lack the field, and their lines lack product ids."""
    legacy = [row for row in _rows(truth, "materialsOrders") if "paymentStatus" not in row]
    assert legacy
    assert all("productId" not in line for row in legacy for line in row["items"])


def test_partial_refunds_are_recorded_as_whole_ones(busy_truth):
    """Less than the amount went back at Stripe, and the order says refunded."""
    charged = {call.expects.get("payment_intent"): call for call in busy_truth.calls}
    refunds = [call for call in busy_truth.calls if call.act == "refund"]
    assert refunds
    labels = [label for label in busy_truth.plan.labels(busy_truth.until) if label.kind == "partial_refund"]
    assert labels
    for label in labels:
        order, charge = busy_truth.document(label.affected[0], busy_truth.until), label.affected[1]
        if order is None or order.get("paymentStatus") != "refunded":
            continue
        refund = next(call for call in refunds if f"charges/{call.params['charge']}" == charge)
        assert refund.params["amount"] < order.get("totalCents", order.get("amountCents", 0))
    assert charged


def test_people_who_were_there_do_not_always_pay(truth):
    """Checked-in signups without a paid charge, days after the event."""
    paid = {row["signupId"] for row in _rows(truth, "eventCharges") if row.get("paidAt")}
    signups = truth.collection("eventSignups", truth.until)
    unpaid = [
        row
        for key, row in signups.items()
        if row["status"] == "checked_in" and key not in paid and (truth.until - row["checkedInAt"]).days > 5
    ]
    assert unpaid


def test_offers_past_their_end_can_still_be_offered(busy_truth):
    """While others wait, an offer cannot expire."""
    rows = _rows(busy_truth, "eventSignups")
    assert [row for row in rows if row["status"] == "offered" and row["offerExpiresAt"] < busy_truth.until]
    assert {"ticketed", "waitlisted", "checked_in", "cancelled"} <= {row["status"] for row in rows}


def test_seat_counters_agree_with_the_signups_and_do_not_touch_updated_at(truth):
    """Counters count, but nobody sees from updatedAt that they moved."""
    signups = _rows(truth, "eventSignups")
    events = truth.collection("events", truth.until)
    assert events
    names = {"ticketedCount": "ticketed", "checkedInCount": "checked_in", "waitlistCount": "waitlisted"}
    for event_id, event in events.items():
        own = Counter(row["status"] for row in signups if row["eventId"] == event_id)
        assert {name: event[name] for name in names} == {name: own[status] for name, status in names.items()}
    silent = [
        write
        for step in _steps_of(truth)
        for write in step.writes
        if write.path.startswith("events/")
        and write.kind is WriteKind.UPDATE
        and "updatedAt" not in write.data
    ]
    assert silent


def _steps_of(truth):
    for step in Plan(truth.plan.settings).steps():
        if step.at > truth.until:
            return
        yield step


def test_past_events_stay_published(truth):
    """There is no completed status for an event."""
    past = [row for row in _rows(truth, "events") if row["endAt"] < truth.until]
    assert past
    assert {row["status"] for row in past} <= {"published", "cancelled"}


def test_firings_are_sometimes_forgotten_and_use_three_vocabularies(busy_truth):
    """Some unloaded firings still say in-progress; most carry no batch ids; raku names a station."""
    rows = _rows(busy_truth, "kilnFirings")
    assert [row for row in rows if row["unloadedAt"] and row["status"] != "completed"]
    assert {"in-progress", "firing"} <= {
        v["status"] for vs in _history(busy_truth, "kilnFirings") for v in vs
    }
    with_batches = [row for row in rows if "batchIds" in row]
    assert 0 < len(with_batches) < len(rows) / 4
    assert "reduction-raku" in {row["kilnId"] for row in rows}


def test_support_requests_stay_new_and_carry_no_update_time(truth):
    """Nothing in the portal writes another status."""
    rows = _rows(truth, "supportRequests")
    assert {row["status"] for row in rows} == {"new"}
    assert not [row for row in rows if "updatedAt" in row]


def test_delegations_stay_active_after_they_expired(truth):
    """The status says nothing about the expiry."""
    rows = _rows(truth, "delegations")
    assert [row for row in rows if row["status"] == "active" and row["expiresAt"] < truth.until]


def test_prepaid_agent_orders_get_stuck(busy_truth):
    """Fulfilment wants payment paid; paid_prepay never moves on."""
    prepaid = [row for row in _rows(busy_truth, "agentOrders") if row["paymentStatus"] == "paid_prepay"]
    assert prepaid
    assert {row["fulfillmentStatus"] for row in prepaid} == {"queued"}


@pytest.mark.parametrize("collection", ["batches", "reservations", "materialsOrders", "kilnFirings"])
def test_documents_say_when_they_were_touched(truth, collection):
    """Apart from legacy rows, updatedAt is an instant and is never in the future of what is visible."""
    for path, versions in truth._versions.items():
        if path.startswith(f"{collection}/") and path.count("/") == 1:
            assert all(document is None or document["updatedAt"] <= at for at, document in versions)


def test_the_queue_is_recomputed_without_touching_updated_at(truth):
    """Places and windows of reservations move on Mondays, and updatedAt does not tell."""
    moved = [
        after
        for versions in _history(truth, "reservations")
        for before, after in itertools.pairwise(versions)
        if before["updatedAt"] == after["updatedAt"]
    ]
    assert moved
    assert {row["estimatedWindow"]["updatedAt"].weekday() for row in moved} == {0}
    assert {row["estimatedWindow"]["confidence"] for row in moved} == {"high", "medium", "low"}


def test_membership_fees_have_no_order(truth):
    """Money from the portal's own checkout is no error although no order names it."""
    fees = [call for call in truth.calls if call.params.get("metadata", {}).get("source") == "portal"]
    assert fees
    assert all("orderId" not in call.params["metadata"] for call in fees)
