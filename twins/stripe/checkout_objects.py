"""What a checkout session and its lines hold when they are new. Pure, like ``objects.py``."""

from collections.abc import Mapping
from typing import Any

from twins.stripe.objects import NO_ADDRESS, nulls


def checkout_session(
    *,
    currency: str,
    subtotal: int,
    tax: int,
    is_taxed: bool,
    expires_at: int,
    customer_id: str | None,
    customer_email: str | None,
    client_reference_id: str | None,
    success_url: str | None,
    cancel_url: str | None,
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """Return a new open checkout session for a one-time payment."""
    return {
        **nulls("after_expiration allow_promotion_codes allowed_payment_method_types branding_settings"),
        **nulls("billing_address_collection client_secret collected_information consent consent_collection"),
        **nulls("currency_conversion customer_account customer_details discounts"),
        **nulls("excluded_payment_method_types integration_identifier invoice locale managed_payments"),
        **nulls("name_collection optional_items origin_context payment_intent payment_link"),
        **nulls("payment_method_configuration_details permissions presentment_details recovered_from"),
        **nulls("redirect_on_completion return_url saved_payment_method_options setup_intent shipping_cost"),
        **nulls("shipping_address_collection submit_type subscription tax_id_collection url wallet_options"),
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": subtotal,
        "amount_total": subtotal + tax,
        "automatic_tax": {
            "enabled": is_taxed,
            "liability": {"type": "self"} if is_taxed else None,
            "provider": "stripe" if is_taxed else None,
            "status": "complete" if is_taxed else None,
        },
        "cancel_url": cancel_url,
        "client_reference_id": client_reference_id,
        "currency": currency,
        "custom_fields": [],
        "custom_text": {**nulls("after_submit shipping_address submit terms_of_service_acceptance")},
        "customer": customer_id,
        "customer_creation": None if customer_id else "if_required",
        "customer_email": customer_email,
        "expires_at": expires_at,
        "invoice_creation": {"enabled": False, "invoice_data": {"metadata": {}}},
        "livemode": False,
        "metadata": dict(metadata),
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "success_url": success_url,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": tax},
        "ui_mode": "hosted_page",
    }


def line_item(
    *,
    item_id: str,
    description: str,
    unit_amount: int,
    quantity: int,
    tax: int,
    currency: str,
    price_id: str | None,
) -> dict[str, Any]:
    """Return one line of a checkout session."""
    subtotal = unit_amount * quantity
    return {
        "id": item_id,
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": subtotal,
        "amount_tax": tax,
        "amount_total": subtotal + tax,
        "currency": currency,
        "description": description,
        "metadata": {},
        "price": {
            "id": price_id,
            "object": "price",
            "currency": currency,
            "type": "one_time",
            "unit_amount": unit_amount,
        },
        "quantity": quantity,
    }


def paid_by(email: str | None) -> dict[str, Any]:
    """Return the details of the customer who completed a session."""
    return {
        **nulls("business_name individual_name name phone"),
        "address": dict(NO_ADDRESS),
        "email": email,
        "tax_exempt": "none",
        "tax_ids": [],
    }
