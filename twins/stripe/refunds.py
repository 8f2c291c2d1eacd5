"""Refunds: money given back, whole or in part, never more than was taken."""

from twins.stripe import objects
from twins.stripe.account import Account
from twins.stripe.disputes import settles_with
from twins.stripe.errors import ApiError, missing_parameter
from twins.stripe.kinds import CHARGES, DISPUTES, PAYMENT_INTENTS, REFUNDS
from twins.stripe.ledger import Entry
from twins.stripe.params import Params

REASONS = {"duplicate", "fraudulent", "requested_by_customer"}


def create_refund(account: Account, params: Params) -> Entry:
    """Refund a charge, named by itself or by its payment intent; the processing fee is not given back."""
    params.refuse_unknown("amount", "charge", "metadata", "payment_intent", "reason")
    charge = _refunded_charge(account, params)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = params.integer("amount")
    amount = left if amount is None else amount
    reason = params.text("reason")
    if reason is not None and reason not in REASONS:
        raise ApiError(f"Invalid reason: must be one of {', '.join(sorted(REASONS))}", param="reason")
    if amount < 1:
        raise ApiError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        raise ApiError(
            f"Refund amount (${amount / 100:.2f}) is greater than unrefunded amount on charge"
            f" (${left / 100:.2f})",
            param="amount",
        )
    refund = account.record(
        REFUNDS,
        objects.refund(charge_data=charge.data, amount=amount, reason=reason, metadata=params.metadata()),
    )
    move = account.post(
        amount=-amount,
        fee=0,
        currency=charge["currency"],
        kind="refund",
        category="refund",
        source=refund.id,
        available_on=settles_with(account, charge),
        description="REFUND FOR CHARGE",
    )
    account.ledger.change(refund, balance_transaction=move.id)
    account.announce("refund.created", refund)
    given_back = charge["amount_refunded"] + amount
    account.change(
        charge,
        "charge.refunded",
        amount_refunded=given_back,
        refunded=given_back == charge["amount_captured"],
    )
    return refund


def _refunded_charge(account: Account, params: Params) -> Entry:
    charge_id, intent_id = params.text("charge"), params.text("payment_intent")
    if charge_id is None and intent_id is None:
        raise missing_parameter("charge")
    if charge_id is None:
        intent = account.require(PAYMENT_INTENTS, str(intent_id), "payment_intent")
        charge_id = intent["latest_charge"]
        if charge_id is None or intent["status"] != "succeeded":
            raise ApiError(
                f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
                param="payment_intent",
            )
    charge = account.require(CHARGES, charge_id, "charge")
    if charge["status"] != "succeeded":
        raise ApiError(f"Charge {charge.id} cannot be refunded: it failed.", code="charge_not_refundable")
    if charge["disputed"] and not _is_dispute_won(account, charge):
        raise ApiError(
            f"Charge {charge.id} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if charge["refunded"]:
        raise ApiError(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
    return charge


def _is_dispute_won(account: Account, charge: Entry) -> bool:
    disputes = [d for d in account.ledger.entries(DISPUTES) if d["charge"] == charge.id]
    return bool(disputes) and all(dispute["status"] == "won" for dispute in disputes)
