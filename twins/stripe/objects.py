"""What each object holds when it is new: every field of the current API version, with Stripe's defaults.

Pure: no ids, no clock, no memory. A test compares the field names with the SDK's own types. Fields that only
mean something to products the studio does not use (Connect, terminals, invoices) are present and null.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

CARDS = {
    "pm_card_visa": ("visa", "4242"),
    "pm_card_visa_debit": ("visa", "5556"),
    "pm_card_mastercard": ("mastercard", "4444"),
    "pm_card_amex": ("amex", "8431"),
    "pm_card_discover": ("discover", "9424"),
    "pm_card_gb": ("visa", "0005"),
}
FOREIGN_CARDS = {"pm_card_gb": "GB"}
"""Cards from abroad and their country: Stripe's fee for them is higher."""
NO_ADDRESS: Mapping[str, Any] = {
    "city": None,
    "country": None,
    "line1": None,
    "line2": None,
    "postal_code": None,
    "state": None,
}
DISPUTE_EVIDENCE = (
    "access_activity_log",
    "appeal",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


@cache
def nulls(names: str) -> Mapping[str, None]:
    """Return the named fields, all null; shared between calls, so it is only ever spread into another."""
    return dict.fromkeys(names.split())


def customer(
    *,
    email: str | None,
    name: str | None,
    phone: str | None,
    description: str | None,
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """Return a new customer."""
    return {
        **nulls("address business_name currency customer_account default_source discount individual_name"),
        **nulls("shipping test_clock"),
        "balance": 0,
        "delinquent": False,
        "description": description,
        "email": email,
        "invoice_prefix": None,
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": dict(metadata),
        "name": name,
        "next_invoice_sequence": 1,
        "phone": phone,
        "preferred_locales": [],
        "tax_exempt": "none",
    }


def price(
    *, currency: str, unit_amount: int, product: str, nickname: str | None, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Return a new one-time price."""
    return {
        **nulls("custom_unit_amount lookup_key recurring tiers_mode transform_quantity"),
        "active": True,
        "billing_scheme": "per_unit",
        "currency": currency,
        "livemode": False,
        "metadata": dict(metadata),
        "nickname": nickname,
        "product": product,
        "tax_behavior": "unspecified",
        "type": "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
    }


def payment_intent(
    *,
    amount: int,
    currency: str,
    customer_id: str | None,
    description: str | None,
    receipt_email: str | None,
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """Return a new payment intent without a payment method."""
    return {
        **nulls("allowed_payment_method_types application application_fee_amount automatic_payment_methods"),
        **nulls(
            "canceled_at cancellation_reason client_secret customer_account excluded_payment_method_types"
        ),
        **nulls("hooks last_payment_error latest_charge managed_payments next_action on_behalf_of"),
        **nulls("payment_method payment_method_configuration_details payment_record presentment_details"),
        **nulls("processing review setup_future_usage shipping source statement_descriptor"),
        **nulls("statement_descriptor_suffix transfer_data transfer_group"),
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "capture_method": "automatic_async",
        "confirmation_method": "automatic",
        "currency": currency,
        "customer": customer_id,
        "description": description,
        "livemode": False,
        "metadata": dict(metadata),
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "receipt_email": receipt_email,
        "status": "requires_payment_method",
    }


def charge(
    *, intent: Mapping[str, Any], payment_method: str, email: str | None, decline_code: str | None
) -> dict[str, Any]:
    """Return a new charge for an intent: succeeded, or failed when ``decline_code`` is given."""
    brand, last4 = CARDS.get(payment_method, ("visa", "0002" if decline_code else "4242"))
    country = FOREIGN_CARDS.get(payment_method, "US")
    is_paid = decline_code is None
    amount = intent["amount"]
    return {
        **nulls("application application_fee application_fee_amount authorization_code balance_transaction"),
        **nulls("failure_balance_transaction on_behalf_of presentment_details receipt_number review"),
        **nulls("shipping source source_transfer statement_descriptor statement_descriptor_suffix"),
        **nulls("transfer_data transfer_group"),
        "amount": amount,
        "amount_captured": amount if is_paid else 0,
        "amount_refunded": 0,
        "billing_details": {
            "address": dict(NO_ADDRESS),
            "email": email,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "calculated_statement_descriptor": "PRETEND STUDIO",
        "captured": is_paid,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None if is_paid else "card_declined",
        "failure_message": None if is_paid else "Your card was declined.",
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "outcome": {
            "advice_code": None if is_paid else "try_again_later",
            "network_advice_code": None,
            "network_decline_code": None if is_paid else "05",
            "network_status": "approved_by_network" if is_paid else "declined_by_network",
            "reason": decline_code,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete."
            if is_paid
            else "The bank did not return any further details with this decline.",
            "type": "authorized" if is_paid else "issuer_declined",
        },
        "paid": is_paid,
        "payment_intent": intent["id"],
        "payment_method": payment_method,
        "payment_method_details": {
            "card": {
                "brand": brand,
                "country": country,
                "funding": "credit",
                "last4": last4,
                "network": brand,
            },
            "type": "card",
        },
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_url": None,
        "refunded": False,
        "status": "succeeded" if is_paid else "failed",
    }


def refund(
    *, charge_data: Mapping[str, Any], amount: int, reason: str | None, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Return a new refund, succeeded at once as card refunds are."""
    return {
        **nulls(
            "balance_transaction customer_account description failure_balance_transaction failure_reason"
        ),
        **nulls("instructions_email next_action payment_method pending_reason presentment_details"),
        **nulls("receipt_number source_transfer_reversal transfer_reversal"),
        "amount": amount,
        "charge": charge_data["id"],
        "currency": charge_data["currency"],
        "customer": charge_data["customer"],
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": dict(metadata),
        "payment_intent": charge_data["payment_intent"],
        "reason": reason,
        "status": "succeeded",
    }


def dispute(*, charge_data: Mapping[str, Any], amount: int, reason: str, due_by: int) -> dict[str, Any]:
    """Return a new dispute that waits for evidence. It carries no metadata of the payment, as Stripe's."""
    return {
        "amount": amount,
        "charge": charge_data["id"],
        "currency": charge_data["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(DISPUTE_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": due_by,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": None,
        },
        "intended_submission_method": None,
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": charge_data["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }


def payout(
    *,
    amount: int,
    currency: str,
    arrival_date: int,
    is_automatic: bool,
    description: str | None,
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """Return a new payout on its way to the bank."""
    return {
        **nulls("application_fee application_fee_amount balance_transaction failure_balance_transaction"),
        **nulls(
            "failure_code failure_message original_payout payout_method reversed_by statement_descriptor"
        ),
        "amount": amount,
        "arrival_date": arrival_date,
        "automatic": is_automatic,
        "currency": currency,
        "description": description,
        "destination": "ba_twin",
        "livemode": False,
        "metadata": dict(metadata),
        "method": "standard",
        "reconciliation_status": "completed" if is_automatic else "not_applicable",
        "source_type": "card",
        "status": "pending",
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }


def balance_transaction(
    *,
    amount: int,
    fee: int,
    fee_description: str,
    currency: str,
    kind: str,
    category: str,
    source: str,
    available_on: int,
    description: str | None,
) -> dict[str, Any]:
    """Return a new ledger entry. ``net`` is always ``amount - fee``; ``status`` follows from the clock."""
    fee_detail = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": fee_description,
        "type": "stripe_fee",
    }
    return {
        "amount": amount,
        "available_on": available_on,
        "balance_type": "payments",
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [fee_detail] if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "pending",
        "type": kind,
    }


def balance(*, available: Mapping[str, int], pending: Mapping[str, int]) -> dict[str, Any]:
    """Return the balance: minor units per currency, what can be paid out and what cannot yet."""

    def amounts(by_currency: Mapping[str, int]) -> Sequence[Mapping[str, Any]]:
        return [
            {"amount": amount, "currency": currency, "source_types": {"card": amount}}
            for currency, amount in sorted(by_currency.items())
        ]

    return {
        "object": "balance",
        "available": amounts(available),
        "livemode": False,
        "pending": amounts(pending),
        "refund_and_dispute_prefunding": {"available": [], "pending": []},
    }
