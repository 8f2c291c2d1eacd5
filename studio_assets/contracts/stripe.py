"""Contracts of the money itself: the Stripe object types we read. ``document_id`` is Stripe's ``id``."""

from studio_assets.contracts.model import Collection, Column, Kind
from studio_assets.contracts.vocabulary import boolean, cents, currency, instant, lower_enum, member, text

_CREATED = instant("created", "created_at", "When Stripe made the object.", is_required=True)
_LIVEMODE = boolean("livemode", "livemode", "Whether real money is meant.", is_required=True)
_BALANCE = text("balance_transaction", "balance_transaction", "Ledger entry that moved the money.")
_DISPUTE_STATUSES = (
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "needs_response",
    "under_review",
    "won",
    "lost",
    "prevented",
)

_METADATA = (
    text("metadata.orderId", "metadata_order_id", "Order the checkout was for (materials or agent)."),
    text("metadata.materialsOrderId", "metadata_materials_order_id", "Materials order the checkout was for."),
    text("metadata.agentOrderId", "metadata_agent_order_id", "Agent order the checkout was for."),
    text("metadata.chargeId", "metadata_charge_id", "Event charge the checkout was for."),
    text(
        "metadata.eventChargeId",
        "metadata_event_charge_id",
        "Event charge the checkout was for, second spelling.",
    ),
    text("metadata.signupId", "metadata_signup_id", "Event signup the checkout was for."),
    lower_enum(
        "metadata.source",
        "metadata_source",
        "Part of the studio that sold; an unknown word means portal.",
        ("materials", "events", "agent", "portal"),
    ),
    member("metadata.uid", "metadata_uid", "Member who paid."),
)


def _status(meaning: str, values: tuple[str, ...]) -> Column:
    return lower_enum("status", "status", meaning, values)


def _amount(meaning: str, *, may_be_negative: bool = False) -> Column:
    return cents("amount", "amount_cents", meaning, is_required=True, may_be_negative=may_be_negative)


PAYMENT_INTENTS = Collection(
    name="payment_intents",
    source="stripe",
    path="payment_intents",
    grain="One row per intended payment.",
    columns=(
        _amount("Amount asked for, tax included."),
        cents("amount_received", "amount_received_cents", "Amount received so far."),
        currency(is_required=True),
        _status(
            "Step of the payment.",
            (
                "requires_payment_method",
                "requires_confirmation",
                "requires_action",
                "processing",
                "requires_capture",
                "canceled",
                "succeeded",
            ),
        ),
        text("latest_charge", "latest_charge", "Newest attempt to charge."),
        instant("canceled_at", "canceled_at", "When it was cancelled."),
        _CREATED,
        _LIVEMODE,
        *_METADATA,
    ),
    notes=("The amount may exceed the order's total: Stripe adds tax.",),
    documentation="https://docs.stripe.com/api/payment_intents/object",
)

CHARGES = Collection(
    name="charges",
    source="stripe",
    path="charges",
    grain="One row per attempt to move money.",
    columns=(
        _amount("Amount charged."),
        cents("amount_captured", "amount_captured_cents", "Amount captured."),
        cents("amount_refunded", "amount_refunded_cents", "Amount given back so far."),
        currency(is_required=True),
        _status("Outcome of the attempt.", ("succeeded", "pending", "failed")),
        boolean("paid", "paid", "Whether the attempt succeeded or is authorised."),
        boolean("captured", "captured", "Whether the money was taken."),
        boolean("refunded", "refunded", "Whether all of it was given back; false on partial refunds."),
        boolean("disputed", "disputed", "Whether the payer disputed it."),
        _BALANCE,
        text("payment_intent", "payment_intent", "Payment intent this attempt belongs to."),
        _CREATED,
        _LIVEMODE,
        *_METADATA,
    ),
    notes=("Stripe copies the intent's metadata to the charge, but not to disputes.",),
    documentation="https://docs.stripe.com/api/charges/object",
)

REFUNDS = Collection(
    name="refunds",
    source="stripe",
    path="refunds",
    grain="One row per refund.",
    columns=(
        _amount("Amount given back."),
        currency(is_required=True),
        _status("Step of the refund.", ("pending", "requires_action", "succeeded", "failed", "canceled")),
        text("charge", "charge", "Charge that is refunded."),
        text("payment_intent", "payment_intent", "Payment intent that is refunded."),
        _BALANCE,
        _CREATED,
    ),
    notes=("Refunds are made by people in Stripe; the portal records a partial refund as a whole one.",),
    documentation="https://docs.stripe.com/api/refunds/object",
)

DISPUTES = Collection(
    name="disputes",
    source="stripe",
    path="disputes",
    grain="One row per disputed charge.",
    columns=(
        _amount("Amount disputed."),
        currency(is_required=True),
        _status("Step of the dispute.", _DISPUTE_STATUSES),
        lower_enum(
            "reason",
            "reason",
            "Reason the payer's bank gave.",
            (
                "bank_cannot_process",
                "check_returned",
                "credit_not_processed",
                "customer_initiated",
                "debit_not_authorized",
                "duplicate",
                "fraudulent",
                "general",
                "incorrect_account_details",
                "insufficient_funds",
                "noncompliant",
                "product_not_received",
                "product_unacceptable",
                "subscription_canceled",
                "unrecognized",
            ),
        ),
        text("charge", "charge", "Charge that is disputed."),
        text(
            "payment_intent", "payment_intent", "Payment intent that is disputed; the only link to an order."
        ),
        _CREATED,
        _LIVEMODE,
    ),
    notes=("Disputes carry no metadata of the checkout.",),
    documentation="https://docs.stripe.com/api/disputes/object",
)

PAYOUTS = Collection(
    name="payouts",
    source="stripe",
    path="payouts",
    grain="One row per transfer to the studio's bank.",
    columns=(
        _amount("Amount sent; negative when the bank account was debited.", may_be_negative=True),
        currency(is_required=True),
        _status("Step of the transfer.", ("paid", "pending", "in_transit", "canceled", "failed")),
        instant("arrival_date", "arrival_date", "When the bank should have it (midnight UTC of that day)."),
        _CREATED,
        _LIVEMODE,
        _BALANCE,
    ),
    documentation="https://docs.stripe.com/api/payouts/object",
)

BALANCE_TRANSACTIONS = Collection(
    name="balance_transactions",
    source="stripe",
    path="balance_transactions",
    grain="One row per entry of Stripe's ledger.",
    columns=(
        _amount("Gross amount; negative when money left the balance.", may_be_negative=True),
        cents("fee", "fee_cents", "Fees taken.", is_required=True, may_be_negative=True),
        cents("net", "net_cents", "Amount minus fee.", is_required=True, may_be_negative=True),
        currency(is_required=True),
        lower_enum(
            "type",
            "type",
            "What moved the money.",
            (
                "charge",
                "payment",
                "refund",
                "payment_refund",
                "adjustment",
                "payout",
                "payout_failure",
                "payout_cancel",
                "stripe_fee",
                "application_fee",
                "transfer",
                "refund_failure",
                "payment_failure_refund",
            ),
        ),
        lower_enum(
            "reporting_category",
            "reporting_category",
            "Stripe's grouping of types for reports.",
            (
                "charge",
                "charge_failure",
                "refund",
                "refund_failure",
                "dispute",
                "dispute_reversal",
                "fee",
                "payout",
                "payout_reversal",
                "other_adjustment",
                "partial_capture_reversal",
                "transfer",
            ),
        ),
        _status(
            "Whether the money can be paid out, as of the read; use available_at for past days.",
            ("available", "pending"),
        ),
        Column(
            "available_at",
            "available_on",
            Kind.INSTANT,
            "When the money can be paid out; unsettled while later than the as-of instant.",
            is_required=True,
        ),
        text("source", "source", "Object that moved the money: charge, refund, dispute or payout id."),
        _CREATED,
    ),
    notes=(
        "The ledger: every cent that moved stands here once, so sums are taken from here and nowhere else.",
    ),
    documentation="https://docs.stripe.com/api/balance_transactions/object",
)

STRIPE_TYPES = (PAYMENT_INTENTS, CHARGES, REFUNDS, DISPUTES, PAYOUTS, BALANCE_TRANSACTIONS)
