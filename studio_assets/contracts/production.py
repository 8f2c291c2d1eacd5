"""Contracts of the work itself: check-ins, kiln capacity, kilns, firings and studio spaces (Firestore)."""

from studio_assets.contracts.model import Collection, Column, Kind
from studio_assets.contracts.vocabulary import (
    CREATED_AT,
    INTAKE_MODES,
    LEGACY_INTAKE_MODES,
    ONE_L_CANCELLED,
    UPDATED_AT,
    boolean,
    cents,
    count,
    dollars,
    instant,
    lower_enum,
    member,
    text,
    upper_enum,
)

BATCHES = Collection(
    name="batches",
    source="firestore",
    path="batches",
    grain="One row per member check-in of work.",
    columns=(
        member("ownerUid", "owner_uid", "Member who owns the work; missing on phantom documents."),
        upper_enum("intakeMode", "intake_mode", "How the work came in.", INTAKE_MODES, LEGACY_INTAKE_MODES),
        cents("estimatedCostCents", "estimated_cost_cents", "Estimate at intake; 0 on continued journeys."),
        upper_enum(
            "state",
            "state",
            "Authoritative step of the life cycle; may be missing.",
            (
                "DRAFT",
                "SUBMITTED",
                "SHELVED",
                "LOADED",
                "FIRED",
                "READY_FOR_PICKUP",
                "CLOSED_PICKED_UP",
                "CLOSED_OTHER",
            ),
        ),
        upper_enum(
            "status",
            "status",
            "Legacy step, sometimes free words; the clean-up tool writes CLOSED_OTHER here.",
            (
                "DRAFT",
                "SUBMITTED",
                "SHELVED",
                "LOADED",
                "FIRED",
                "READY_FOR_PICKUP",
                "CLOSED_PICKED_UP",
                "CLOSED_OTHER",
                "IN PROGRESS",
                "COMPLETE",
            ),
        ),
        boolean("isClosed", "is_closed", "Independent closed flag; backfilled as false on some closed rows."),
        CREATED_AT,
        UPDATED_AT,
        instant("closedAt", "closed_at", "When pickup-and-close ended it; set by no other path."),
        text("currentKilnId", "current_kiln_id", "Kiln it lies in; present only while loaded."),
        text(
            "journeyRootBatchId",
            "journey_root_batch_id",
            "First batch of the journey; own id for a fresh one.",
        ),
    ),
    change_column="updated_at",
    notes=(
        "Read state first, then status, then is_closed: they disagree on cleaned-up and legacy rows.",
        "FIRED is declared but nothing writes it; unloading leaves LOADED.",
        "A bad id given to shelve or ready makes a batch holding only state and updatedAt.",
        "change_column: every known action writes updatedAt; it is not known of clean-up and backfill tools.",
        "So a chain of change reads never goes on for more than a day without a whole read.",
    ),
)

RESERVATIONS = Collection(
    name="reservations",
    source="firestore",
    path="reservations",
    grain="One row per kiln-capacity request.",
    columns=(
        member("ownerUid", "owner_uid", "Member who asked for capacity."),
        upper_enum(
            "status",
            "status",
            "Step of the request; missing means REQUESTED, and only CANCELLED ends it.",
            ("REQUESTED", "CONFIRMED", "WAITLISTED", "CANCELLED", "LOADED", "CONFIRMED_ARRIVED"),
            (("CANCELED", "CANCELLED"),),
        ),
        lower_enum(
            "loadStatus",
            "load_status",
            "Step of the load; missing means queued.",
            ("queued", "loading", "loaded"),
        ),
        upper_enum("intakeMode", "intake_mode", "How the work comes in.", INTAKE_MODES, LEGACY_INTAKE_MODES),
        lower_enum("firingType", "firing_type", "Kind of firing asked for.", ("bisque", "glaze", "other")),
        Column(
            "estimated_half_shelves",
            "estimatedHalfShelves",
            Kind.NUMBER,
            "Footprint times tiers: the quantity for capacity and storage fees.",
            minimum=0,
            maximum=1000,
            unit="half-shelves",
        ),
        dollars(
            "estimatedCost",
            "estimated_cost_cents",
            "Cost estimate given by the client; 0 for community shelf.",
        ),
        instant(
            "preferredWindow.latestDate", "preferred_window_latest_date", "Latest date the member hopes for."
        ),
        text("linkedBatchId", "linked_batch_id", "Batch this capacity is for."),
        text(
            "assignedStationId",
            "assigned_station_id",
            "Station the load is queued at; its own id space, not kilns.",
        ),
        lower_enum(
            "pickupWindow.status",
            "pickup_window_status",
            "Step of the pickup; completed is the only true end of a reservation.",
            ("open", "confirmed", "missed", "expired", "completed"),
        ),
        instant(
            "pickupWindow.confirmedEnd", "pickup_window_confirmed_end", "End of the agreed pickup window."
        ),
        instant(
            "readyForPickupAt",
            "ready_for_pickup_at",
            "When the load became ready; cleared on completed pickup.",
        ),
        lower_enum(
            "storageStatus",
            "storage_status",
            "Where the finished load stands in the storage policy.",
            ("active", "reminder_pending", "hold_pending", "stored_by_policy"),
        ),
        lower_enum(
            "storageBilling.status",
            "storage_billing_status",
            "Whether storage is free, charged or over.",
            ("grace", "billing", "reclaimed"),
        ),
        dollars(
            "storageBilling.accruedCost", "storage_billing_accrued_cost_cents", "Storage charged so far."
        ),
        boolean("isArchived", "is_archived", "Set when the load is reclaimed."),
        lower_enum(
            "arrivalStatus",
            "arrival_status",
            "Whether the work came; overdue and no_show are documented only.",
            ("expected", "arrived", "overdue", "no_show"),
        ),
        instant("arrivedAt", "arrived_at", "When the work came in."),
        CREATED_AT,
        UPDATED_AT,
    ),
    change_column="updated_at",
    notes=(
        "Nothing ends a finished one: it stays CONFIRMED and loaded with pickup_window_status completed.",
        "Costs are dollars as floats at the source; kept as integer cents, rounded half-even.",
        "Rows made directly by clients have few fields; every column may be null.",
        "change_column: only the queue recompute leaves updatedAt alone, and no column it writes is kept.",
    ),
)

KILNS = Collection(
    name="kilns",
    source="firestore",
    path="kilns",
    grain="One row per kiln.",
    columns=(
        text("name", "name", "Label of the kiln."),
        text("type", "type", "Kind of kiln, in words."),
        lower_enum(
            "status",
            "status",
            "State as staff last set it by hand; no function derives it from firings.",
            ("idle", "loading", "firing", "cooling", "unloading", "maintenance", "offline"),
        ),
        boolean("isAvailable", "is_available", "Whether it may be booked; can be true while offline."),
        UPDATED_AT,
    ),
    notes=("No change_column: updatedAt is written by seeds and one script only, not by every writer.",),
)

KILN_FIRINGS = Collection(
    name="kiln_firings",
    source="firestore",
    path="kilnFirings",
    grain="One row per scheduled firing.",
    columns=(
        text("kilnId", "kiln_id", "Kiln document id by the docs; may be a station id."),
        lower_enum(
            "cycleType", "cycle_type", "Kind of firing.", ("bisque", "glaze", "custom", "reduction", "raku")
        ),
        instant("startAt", "start_at", "Planned start."),
        instant("endAt", "end_at", "Planned end."),
        lower_enum(
            "status",
            "status",
            "Step of the firing; the union of three vocabularies in use.",
            (
                "scheduled",
                "in-progress",
                "completed",
                "cancelled",
                "queued",
                "loading",
                "loaded",
                "firing",
                "cooling",
                "unloading",
                "ready",
            ),
            (*ONE_L_CANCELLED, ("in_progress", "in-progress")),
        ),
        lower_enum(
            "confidence",
            "confidence",
            "How sure the window is; stored words, not the API's.",
            ("scheduled", "estimated", "confirmed", "forecast"),
        ),
        instant("unloadedAt", "unloaded_at", "When it was unloaded; does not change status."),
        CREATED_AT,
        UPDATED_AT,
    ),
    notes=(
        "Past rows may stay scheduled; upcoming means end_at is not past and unloaded_at is null.",
        "No change_column: updatedAt is optional and stands only on rows made by clients.",
    ),
)

STUDIO_SPACE_RESERVATIONS = Collection(
    name="studio_space_reservations",
    source="firestore",
    path="studioSpaceReservations",
    grain="One row per booking of a studio space.",
    columns=(
        text("spaceId", "space_id", "Space that is booked."),
        lower_enum(
            "bookingMode",
            "booking_mode",
            "Whether seats or named resources are booked.",
            ("capacity", "resource"),
        ),
        Column("slot_date_key", "slotDateKey", Kind.DATE, "Studio-local day of the slot."),
        instant("startAt", "start_at", "Start of the slot."),
        instant("endAt", "end_at", "End of the slot."),
        count("quantity", "quantity", "Seats or resources booked, 1-40.", "seats", maximum=1000),
        lower_enum(
            "status",
            "status",
            "Step of the booking; a past booking stays booked unless staff complete it.",
            ("booked", "waitlisted", "cancelled", "completed"),
            ONE_L_CANCELLED,
        ),
        CREATED_AT,
        UPDATED_AT,
    ),
    change_column="updated_at",
    notes=(
        "An empty collection does not mean that no space is open.",
        "change_column: only the booking functions write here and each sets updatedAt.",
    ),
)

PRODUCTION = (BATCHES, RESERVATIONS, KILNS, KILN_FIRINGS, STUDIO_SPACE_RESERVATIONS)
