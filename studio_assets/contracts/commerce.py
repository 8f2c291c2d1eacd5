"""Contracts of what is sold: materials, events and agent services (Firestore side; money moves at Stripe)."""

from studio_assets.contracts.model import Collection, Column, Kind
from studio_assets.contracts.vocabulary import (
    CREATED_AT,
    ONE_L_CANCELLED,
    UPDATED_AT,
    boolean,
    cents,
    count,
    currency,
    instant,
    lower_enum,
    member,
    mode,
    text,
)

_INTENT = text(
    "stripePaymentIntentId", "stripe_payment_intent_id", "Stripe payment intent; often null until a webhook."
)
_SESSION = text("stripeCheckoutSessionId", "stripe_checkout_session_id", "Stripe checkout session.")
_PAID_AT = instant("paidAt", "paid_at", "When it was paid; absent until then, and trusted over the status.")

MATERIALS_ORDERS = Collection(
    name="materials_orders",
    source="firestore",
    path="materialsOrders",
    grain="One row per order of studio materials.",
    columns=(
        member("uid", "uid", "Member who ordered."),
        lower_enum(
            "status",
            "status",
            "Step of the order; abandoned carts stay checkout_pending for ever.",
            (
                "checkout_pending",
                "paid",
                "picked_up",
                "payment_failed",
                "disputed",
                "refunded",
                "cancelled",
                "fulfilled",
                "completed",
            ),
            ONE_L_CANCELLED,
        ),
        lower_enum(
            "paymentStatus",
            "payment_status",
            "Payment state; legacy rows have none, and a late webhook can set it back.",
            ("checkout_created", "payment_pending", "paid", "payment_failed", "disputed", "refunded"),
        ),
        cents("totalCents", "total_cents", "Total before the tax that Stripe adds."),
        currency(),
        _SESSION,
        _INTENT,
        lower_enum(
            "stripeDisputeStatus",
            "stripe_dispute_status",
            "Stripe's own dispute status; tells won from lost.",
            (
                "warning_needs_response",
                "warning_under_review",
                "warning_closed",
                "needs_response",
                "under_review",
                "won",
                "lost",
                "prevented",
            ),
        ),
        mode(),
        _PAID_AT,
        CREATED_AT,
        UPDATED_AT,
    ),
    change_column="updated_at",
    notes=(
        "A present paid_at means paid unless a refund or dispute follows; payment_status may have gone back.",
        "Orders with two or more stock-tracked lines can never be marked paid at the source.",
        "change_column: checkout and webhook handlers are the writers; all set updatedAt.",
    ),
)

MATERIALS_PRODUCTS = Collection(
    name="materials_products",
    source="firestore",
    path="materialsProducts",
    grain="One row per product in the materials shop.",
    columns=(
        text("name", "name", "Label of the product."),
        text("sku", "sku", "Stock-keeping code."),
        text("category", "category", "Shelf of the shop."),
        cents("priceCents", "price_cents", "Price before tax."),
        currency(),
        boolean("trackInventory", "track_inventory", "Whether stock is counted."),
        Column(
            "inventory_on_hand",
            "inventoryOnHand",
            Kind.INTEGER,
            "Pieces in stock; may fall below zero when oversold.",
            unit="pieces",
        ),
        boolean("active", "active", "Whether it is for sale; missing means yes."),
        UPDATED_AT,
    ),
    notes=(
        "Stock falls when an order becomes paid and never rises on a refund.",
        "No change_column: it is not known that the stock writer sets updatedAt, and the shop is small.",
    ),
)

EVENTS = Collection(
    name="events",
    source="firestore",
    path="events",
    grain="One row per studio event.",
    columns=(
        text("title", "title", "Public title of the event."),
        instant("startAt", "start_at", "Start."),
        instant("endAt", "end_at", "End."),
        count("capacity", "capacity", "Seats; 0 means everyone is waitlisted.", "seats"),
        cents("priceCents", "price_cents", "Ticket price before tax."),
        currency(),
        lower_enum(
            "status",
            "status",
            "Step of the event; there is no completed, a past event stays published.",
            ("draft", "review_required", "published", "cancelled"),
            ONE_L_CANCELLED,
        ),
        count("ticketedCount", "ticketed_count", "Seats with a ticket.", "seats"),
        count("offeredCount", "offered_count", "Seats offered from the waitlist.", "seats"),
        count("checkedInCount", "checked_in_count", "People checked in.", "people"),
        count("waitlistCount", "waitlist_count", "People waiting.", "people"),
        CREATED_AT,
        UPDATED_AT,
    ),
    notes=(
        "Cancelling an event leaves its signups unchanged.",
        "No change_column: it is not known that writers of seat counters set updatedAt; events are few.",
    ),
)

EVENT_SIGNUPS = Collection(
    name="event_signups",
    source="firestore",
    path="eventSignups",
    grain="One row per person signed up for an event.",
    columns=(
        text("eventId", "event_id", "Event signed up for."),
        member("uid", "uid", "Member who signed up."),
        lower_enum(
            "status",
            "status",
            "Step of the signup; offers past their expiry may still be offered.",
            ("ticketed", "waitlisted", "offered", "checked_in", "cancelled", "expired"),
            ONE_L_CANCELLED,
        ),
        lower_enum(
            "paymentStatus",
            "payment_status",
            "Payment state; payment happens only after check-in.",
            ("unpaid", "checkout_pending", "paid", "payment_failed", "disputed", "refunded", "waived"),
        ),
        instant("offerExpiresAt", "offer_expires_at", "End of a waitlist offer."),
        instant("checkedInAt", "checked_in_at", "When the person was checked in."),
        CREATED_AT,
        UPDATED_AT,
    ),
    change_column="updated_at",
    notes=(
        "change_column: sign-up, check-in, sweep and webhook handlers are the writers; all set updatedAt.",
    ),
)

EVENT_CHARGES = Collection(
    name="event_charges",
    source="firestore",
    path="eventCharges",
    grain="One row per signup and choice of add-ons.",
    columns=(
        text("eventId", "event_id", "Event charged for."),
        text("signupId", "signup_id", "Signup charged for."),
        member("uid", "uid", "Member charged."),
        cents("totalCents", "total_cents", "Total before the tax that Stripe adds."),
        currency(),
        lower_enum(
            "paymentStatus",
            "payment_status",
            "Payment state; a late webhook can set it back to checkout_pending.",
            ("checkout_pending", "paid", "payment_failed", "disputed", "refunded"),
            (("failed", "payment_failed"),),
        ),
        _SESSION,
        _INTENT,
        mode(),
        _PAID_AT,
        CREATED_AT,
        UPDATED_AT,
    ),
    change_column="updated_at",
    notes=(
        "Another choice of add-ons opens a second charge for the same signup.",
        "change_column: checkout and webhook handlers are the writers; all set updatedAt.",
    ),
)

AGENT_ORDERS = Collection(
    name="agent_orders",
    source="firestore",
    path="agentOrders",
    grain="One row per order made through an agent.",
    columns=(
        member("uid", "uid", "Member the order is for."),
        text("agentClientId", "agent_client_id", "Agent that ordered."),
        text("agentRequestId", "agent_request_id", "Request the order pays for."),
        lower_enum(
            "status",
            "status",
            "Step of the order.",
            ("payment_required", "payment_pending", "paid", "exception", "refunded", "cancelled"),
            ONE_L_CANCELLED,
        ),
        lower_enum(
            "paymentStatus",
            "payment_status",
            "Payment state; a late webhook can set it back.",
            (
                "checkout_pending",
                "checkout_created",
                "payment_pending",
                "payment_required",
                "paid",
                "paid_prepay",
                "payment_succeeded",
                "payment_failed",
                "disputed",
                "refunded",
                "cancelled",
            ),
            ONE_L_CANCELLED,
        ),
        lower_enum(
            "fulfillmentStatus",
            "fulfillment_status",
            "Step of the work; shipped can never be reached, on_hold has no way on except exception.",
            (
                "queued",
                "scheduled",
                "loaded",
                "firing",
                "cooling",
                "ready",
                "picked_up",
                "shipped",
                "exception",
                "on_hold",
            ),
        ),
        cents("amountCents", "amount_cents", "Amount; 0 is a placeholder on commissions."),
        currency(),
        _INTENT,
        lower_enum(
            "paymentProvider", "payment_provider", "Who takes the money.", ("stripe", "internal_prepay")
        ),
        mode(),
        CREATED_AT,
        UPDATED_AT,
    ),
    change_column="updated_at",
    notes=(
        "change_column: agent routes, staff routes and webhook handlers are the writers; all set updatedAt.",
    ),
)

COMMERCE = (MATERIALS_ORDERS, MATERIALS_PRODUCTS, EVENTS, EVENT_SIGNUPS, EVENT_CHARGES, AGENT_ORDERS)
