"""Promises of the labels: every incident shows in the data, and nothing else goes wrong in a calm world."""

import itertools
from collections import defaultdict
from datetime import timedelta

import pytest

from twins.world.incident_kinds import FOLLOW_UPS, KIND_BY_NAME, QUIRK_DEPARTMENTS
from twins.world.incidents import Incidents
from twins.world.plan import walk
from twins.world.settings import WorldSettings

DEPARTMENTS = {"operations", "finance", "trust_safety", "marketing"}


@pytest.fixture(scope="module")
def labels(truth):
    """Return the labels of sixty days."""
    return truth.plan.labels(truth.until)


def _injected(labels, kind):
    found = [label for label in labels if label.kind == kind and label.origin == "incident"]
    assert found, f"no {kind} within sixty days"
    return found


def test_every_kind_happens_within_sixty_days(labels):
    """Whoever looks at two months sees each kind of incident at least once."""
    kinds = {label.kind for label in labels if label.origin == "incident"}
    assert kinds - set(FOLLOW_UPS) == set(KIND_BY_NAME)


@pytest.mark.parametrize("seed", range(2, 8))
def test_nearly_every_kind_happens_with_other_seeds_too(settings, seed):
    """No seed misses more than a few kinds: some need an opportunity that may not come."""
    other = WorldSettings(seed, settings.first_day)
    until = walk(other, _end(other)).labels(_end(other))
    kinds = {label.kind for label in until if label.origin == "incident"}
    assert len(kinds & set(KIND_BY_NAME)) >= len(KIND_BY_NAME) - 4


def _end(settings):
    from twins.world import almanac

    return almanac.day_end(settings.first_day + timedelta(days=59))


def test_labels_say_what_an_evaluation_needs(labels):
    """Ids are unique; departments are known; an end is never before its start; something is affected."""
    assert len({label.id for label in labels}) == len(labels)
    for label in labels:
        assert label.department in DEPARTMENTS
        assert label.origin in {"incident", "quirk"}
        assert label.notes
        assert label.affected
        assert label.ended_at is None or label.started_at <= label.ended_at
        assert set(label.to_json()) == {
            "id",
            "kind",
            "department",
            "origin",
            "startedAt",
            "endedAt",
            "affected",
            "notes",
        }


def test_labels_come_from_the_plan_alone_and_depend_on_nothing_later(truth, settings, labels):
    """Computed without a server, and up to an instant they are the same however far the plan was walked."""
    middle = truth.until - timedelta(days=30)
    assert walk(settings, middle).labels(middle) == truth.plan.labels(middle)
    assert walk(settings, truth.until).labels(truth.until) == labels


def test_affected_documents_are_in_the_data(truth, labels):
    """Every affected document was there when it was affected, except orders whose absence is the incident."""
    absent = defaultdict(list)
    for label in labels:
        for path in label.affected:
            collection = path.split("/")[0]
            if collection in {"charges", "disputes", "payment_intents", "payouts", "refunds"}:
                continue
            if not any(document for _, document in truth._versions.get(path, [])):
                absent[label.kind].append(path)
    assert set(absent) == {"missing_order"}


def test_a_calm_world_has_nothing_to_label(calm_truth):
    """Without incidents there is no incident and no troublesome habit either."""
    assert calm_truth.plan.labels(calm_truth.until) == []


def test_owners_keep_their_appointments_in_a_calm_world(calm_truth):
    """An agreed pickup that is missed wants somebody's attention, so no calm world has one."""
    rows = calm_truth.collection("reservations", calm_truth.until).values()
    windows = [row["pickupWindow"] for row in rows if row.get("pickupWindow")]
    assert len(windows) > 3
    assert not any(window.get("missedCount") for window in windows)


def test_a_calm_world_balances(calm_truth):
    """Every order has its money, every attendee pays, nothing waits for weeks."""
    now = calm_truth.until
    documents = calm_truth.documents(now)
    acts = {call.act for call in calm_truth.calls}
    assert not acts & {"create_dispute", "create_intent", "cancel_intent"}
    paid = {
        row["signupId"] for row in calm_truth.collection("eventCharges", now).values() if row.get("paidAt")
    }
    for path, row in documents.items():
        if path.startswith("materialsOrders/") and row["status"] == "checkout_pending":
            assert now - row["createdAt"] < timedelta(hours=2)
        if path.startswith("eventSignups/") and row["status"] == "checked_in":
            assert path.partition("/")[2] in paid or now - row["checkedInAt"] < timedelta(days=3)
        if path.startswith("reservations/") and row.get("readyForPickupAt"):
            assert now - row["readyForPickupAt"] < timedelta(days=14)
        if path.startswith("batches/") and path.count("/") == 1:
            assert "staffArtifactCleanup" not in row
            assert "ownerUid" in row


def test_the_calendar_is_drawn_from_the_seed_alone(settings):
    """Asking in another order, or for other days first, draws the same calendar."""
    forward, backward = Incidents(settings), Incidents(settings)
    days = [settings.first_day + timedelta(days=n) for n in range(60)]
    there = {
        (day, kind.name): forward.opening_on(kind.name, day) for day in days for kind in KIND_BY_NAME.values()
    }
    back = {
        (day, kind.name): backward.opening_on(kind.name, day)
        for day in days[::-1]
        for kind in KIND_BY_NAME.values()
    }
    assert {key: found and found.id for key, found in there.items()} == {
        key: found and found.id for key, found in back.items()
    }
    assert any(there.values())


def test_departments_of_quirks_are_known():
    """A quirk is some department's business like an incident."""
    assert set(QUIRK_DEPARTMENTS.values()) <= DEPARTMENTS


# What each kind looks like in the data.


def test_stalled_batches_wait_on_the_shelf(truth, labels):
    """Affected batches stay SHELVED for a week at least, from the start of the label to its end."""
    for label in _injected(labels, "stalled_batches"):
        until = min(label.ended_at or truth.until, truth.until)
        for path in label.affected:
            shelved = [at for at, row in truth._versions[path] if row["state"] == "SHELVED"]
            loaded = [at for at, row in truth._versions[path] if row["state"] == "LOADED"]
            assert shelved
            assert not [at for at in loaded if at < until]


def test_overdue_pickups_begin_two_weeks_after_ready(truth, labels):
    """From the start of the label on, the work has been ready for fourteen days."""
    for label in _injected(labels, "overdue_pickups"):
        for path in label.affected:
            at = label.started_at if path == label.affected[0] else None
            if at is None:
                continue
            row = truth.document(path, at)
            if path.startswith("reservations/"):
                assert at - row["readyForPickupAt"] >= timedelta(days=13, hours=23)
            else:
                assert row["state"] == "READY_FOR_PICKUP"


def test_a_request_spike_is_a_day_of_many_requests(truth, labels):
    """All affected requests were made within hours."""
    for label in _injected(labels, "request_spike"):
        made = [truth.document(path, truth.until)["createdAt"] for path in label.affected]
        assert len(made) >= 16
        assert max(made) - min(made) < timedelta(hours=8)


def test_a_kiln_outage_shows_on_the_kiln(truth, labels):
    """The kiln is in maintenance from start to end and no firing takes place in it."""
    for label in _injected(labels, "kiln_outage"):
        kiln = label.affected[0]
        at = label.started_at + timedelta(minutes=30)
        assert truth.document(kiln, at)["status"] == "maintenance"
        assert truth.document(kiln, at)["isAvailable"] is False
        for path in label.affected[1:]:
            if path.startswith("kilnFirings/"):
                assert truth.document(path, truth.until)["status"] == "cancelled"


def test_an_idle_kiln_has_work_waiting(truth, labels):
    """While firings are called off, batches wait on the shelf."""
    for label in _injected(labels, "kiln_idle"):
        firings = [path for path in label.affected if path.startswith("kilnFirings/")]
        assert {truth.document(path, truth.until)["status"] for path in firings} == {"cancelled"}
        end = min(label.ended_at or truth.until, truth.until)
        waiting = [row for row in truth.collection("batches", end).values() if row.get("state") == "SHELVED"]
        assert waiting


def test_a_firing_without_unload_is_completed_and_still_full(truth, labels):
    """Days after its end it is completed, has no unload time, and its batches are LOADED."""
    for label in _injected(labels, "firing_without_unload"):
        firing = truth.document(label.affected[0], label.started_at + timedelta(days=4))
        assert firing["status"] == "completed"
        assert firing["unloadedAt"] is None


def test_a_duplicate_charge_has_the_metadata_of_the_first(truth, labels):
    """Two charges for one order, equal in amount and metadata."""
    made = {call.expects["id"]: call for call in truth.calls if call.act == "create_intent"}
    confirmed = {call.expects["latest_charge"]: call for call in truth.calls if call.act == "confirm_intent"}
    for label in _injected(labels, "duplicate_charge"):
        for order, second in zip(label.affected[::3], label.affected[2::3], strict=True):
            intent = made[confirmed[second.partition("/")[2]].params["intent"]]
            assert order.partition("/")[2] in intent.params["metadata"].values()


def test_a_charge_without_order_left_the_order_waiting(truth, labels):
    """Money came in, the order still says it is being paid."""
    for label in _injected(labels, "charge_without_order"):
        for path in (path for path in label.affected if not path.startswith("charges/")):
            row = truth.document(path, label.started_at + timedelta(hours=12))
            assert not row.get("paidAt")


def test_a_missing_order_exists_at_stripe_only(truth, labels):
    """Stripe knows the order's id, the portal does not."""
    known = {
        value
        for call in truth.calls
        if call.act == "open_checkout"
        for value in call.params.get("metadata", {}).values()
    }
    for label in _injected(labels, "missing_order"):
        order = label.affected[0]
        assert truth.document(order, truth.until) is None
        assert order.partition("/")[2] in known


def test_an_order_without_charge_never_reached_stripe(truth, labels):
    """Paid at the portal; its checkout was never completed."""
    completed = {call.params["session"] for call in truth.calls if call.act == "complete_checkout"}
    for label in _injected(labels, "order_without_charge"):
        for path in label.affected:
            row = truth.document(path, truth.until)
            assert row["status" if "status" in row else "paymentStatus"] in {"paid", "picked_up"}
            assert row["stripeCheckoutSessionId"] not in completed


def test_a_missing_refund_is_recorded_but_not_made(truth, labels):
    """Refunded at the portal, no refund at Stripe."""
    refunded = {call.params["charge"] for call in truth.calls if call.act == "refund"}
    by_session = {
        call.params["session"]: call.expects["payment_intent"]
        for call in truth.calls
        if call.act == "complete_checkout"
    }
    for label in _injected(labels, "refund_missing"):
        for path in label.affected:
            row = truth.document(path, truth.until)
            assert row["paymentStatus"] == "refunded"
            assert row["stripeCheckoutSessionId"] in by_session
            assert row.get("receiptUrl", "").rpartition("/")[2] not in refunded


def test_money_of_a_late_capture_moves_days_after_the_order(truth, labels):
    """The label starts when the money moves: days after the order was made."""
    for label in _injected(labels, "late_capture"):
        row = truth.document(label.affected[0], truth.until)
        assert label.started_at - row["createdAt"] > timedelta(days=2)


def test_a_lapsed_authorisation_leaves_the_order_waiting(truth, labels):
    """The intended payment was cancelled after a week; the order never knew."""
    cancelled = {call.params["intent"] for call in truth.calls if call.act == "cancel_intent"}
    for label in _injected(labels, "expired_authorisation"):
        row = truth.document(label.affected[0], truth.until)
        assert not row.get("paidAt")
        assert label.affected[1].partition("/")[2] in cancelled


def test_a_mismatched_amount_is_another_than_ordered(truth, labels):
    """What was charged before tax is not what the order says."""
    opened = {call.expects["id"]: call for call in truth.calls if call.act == "open_checkout"}
    for label in _injected(labels, "amount_mismatch"):
        row = truth.document(label.affected[0], truth.until)
        lines = opened[row["stripeCheckoutSessionId"]].params["line_items"]
        charged = sum(line["price_data"]["unit_amount"] * line["quantity"] for line in lines)
        assert charged != row["totalCents"]


def test_two_payable_sessions_belong_to_one_signup(truth, labels):
    """Two charges of one signup, each with its own open checkout."""
    for label in _injected(labels, "two_payable_sessions"):
        charges = [truth.document(path, truth.until) for path in label.affected]
        by_signup = defaultdict(set)
        for charge in charges:
            by_signup[charge["signupId"]].add(charge["stripeCheckoutSessionId"])
        assert all(len(sessions) == 2 for sessions in by_signup.values())


def test_a_brigade_raises_the_signal(truth, labels):
    """From the sixth report within an hour on, the coordination signal is up."""
    for label in _injected(labels, "report_brigade"):
        reports = [truth.document(path, truth.until) for path in label.affected]
        assert len(reports) >= 6
        assert len({report["reporterUid"] for report in reports}) >= 4
        assert max(r["createdAt"] for r in reports) - min(r["createdAt"] for r in reports) < timedelta(
            hours=1
        )
        assert [report["coordinationSignal"] for report in reports][5:] == [True] * (len(reports) - 5)


def test_safety_reports_stay_open_for_days(truth, labels):
    """Urgent and unread."""
    for label in _injected(labels, "safety_reports"):
        report = truth.document(label.affected[0], label.started_at + timedelta(days=3))
        assert report["severity"] == "high"
        assert report["status"] == "open"


def test_a_forgotten_report_lies_unread_for_weeks(truth, labels):
    """Urgent, and nobody has looked at it twenty days later; there is one every week."""
    forgotten = _injected(labels, "forgotten_report")
    for label in forgotten:
        at = label.started_at + timedelta(days=19)
        if at <= truth.until:
            report = truth.document(label.affected[0], at)
            assert (report["severity"], report["status"]) == ("high", "open")
    begun = sorted(label.started_at for label in forgotten)
    assert all(later - before < timedelta(days=15) for before, later in itertools.pairwise(begun))


def test_an_undersold_event_has_hardly_any_guests(truth, labels):
    """Four days before it begins, most seats are free."""
    for label in _injected(labels, "undersold_event"):
        event = truth.document(label.affected[0], label.started_at)
        assert event["ticketedCount"] <= event["capacity"] / 3


def test_ageing_requests_stay_new(truth, labels):
    """A week after they came they are still new."""
    for label in _injected(labels, "request_ageing"):
        request = truth.document(label.affected[0], label.started_at + timedelta(days=4))
        assert request["status"] == "new"


def test_unpaid_attendees_were_checked_in(truth, labels):
    """Three days after the event they have no paid charge."""
    for label in _injected(labels, "unpaid_attendees"):
        at = label.started_at
        paid = {row["signupId"] for row in truth.collection("eventCharges", at).values() if row.get("paidAt")}
        assert label.affected[0].partition("/")[2] not in paid
        assert truth.document(label.affected[0], at)["status"] == "checked_in"


def test_a_dispute_takes_the_order_with_it(truth, labels):
    """A disputed order says so and carries Stripe's own status."""
    disputed = {call.params["charge"] for call in truth.calls if call.act == "create_dispute"}
    for label in _injected(labels, "dispute"):
        row = truth.document(label.affected[0], truth.until)
        assert row["paymentStatus"] == "disputed"
        assert row["stripeDisputeStatus"] in {"needs_response", "won", "lost"}
        assert label.affected[1].partition("/")[2] in disputed


def test_a_surge_is_more_than_the_stations_hold(truth, labels):
    """The reservations of one day ask for more half-shelves than a station has."""
    for label in _injected(labels, "reservation_surge"):
        rows = [truth.document(path, truth.until) for path in label.affected]
        assert sum(row["estimatedHalfShelves"] for row in rows) > 8


def test_reservations_past_their_window_never_arrived(truth, labels):
    """The latest day has gone by and the work is still expected."""
    for label in _injected(labels, "reservations_past_window"):
        row = truth.document(label.affected[0], label.started_at)
        assert row["preferredWindow"]["latestDate"] <= label.started_at
        assert row["arrivalStatus"] == "expected"
