"""Payment intents and the charges they make: create, confirm, cancel, with Stripe's test payment methods."""

from twins.stripe import objects
from twins.stripe.account import SETTLING_SECONDS, Account, processing_fee
from twins.stripe.disputes import open_dispute
from twins.stripe.errors import ApiError, missing_parameter, no_such
from twins.stripe.kinds import CHARGES, CUSTOMERS, PAYMENT_INTENTS
from twins.stripe.ledger import Entry
from twins.stripe.params import Params

DECLINES = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedLostCard": "lost_card",
    "pm_card_visa_chargeDeclinedLostCard": "lost_card",
}
DISPUTED = {
    "pm_card_createDispute": "fraudulent",
    "pm_card_createDisputeProductNotReceived": "product_not_received",
}
SMALLEST_CENTS = 50
LARGEST_CENTS = 99_999_999
CONFIRMABLE = {"requires_payment_method", "requires_confirmation"}


def check_amount(amount: int, param: str = "amount") -> None:
    """Raise when Stripe would not charge an amount."""
    if amount < SMALLEST_CENTS:
        raise ApiError("Amount must be at least $0.50 usd", code="amount_too_small", param=param)
    if amount > LARGEST_CENTS:
        raise ApiError("Amount must be no more than $999,999.99", code="amount_too_large", param=param)


def create_intent(account: Account, params: Params) -> Entry:
    """Create a payment intent, and confirm it when asked to."""
    params.refuse_unknown(
        "amount",
        "automatic_payment_methods",
        "confirm",
        "currency",
        "customer",
        "description",
        "metadata",
        "off_session",
        "payment_method",
        "payment_method_types",
        "receipt_email",
        "return_url",
        "statement_descriptor_suffix",
    )
    amount = params.required_integer("amount")
    currency = params.required_text("currency").lower()
    check_amount(amount)
    customer = params.text("customer")
    if customer:
        account.require(CUSTOMERS, customer, "customer")
    payment_method = _known(params.text("payment_method"))
    intent = new_intent(
        account,
        amount=amount,
        currency=currency,
        customer_id=customer,
        description=params.text("description"),
        receipt_email=params.text("receipt_email"),
        metadata=params.metadata(),
    )
    if payment_method:
        account.change(intent, payment_method=payment_method, status="requires_confirmation")
    if params.boolean("confirm"):
        return confirm(account, intent, payment_method)
    return intent


def new_intent(
    account: Account,
    *,
    amount: int,
    currency: str,
    customer_id: str | None,
    description: str | None,
    receipt_email: str | None,
    metadata: dict[str, str],
) -> Entry:
    """Store a payment intent that waits for a payment method."""
    data = objects.payment_intent(
        amount=amount,
        currency=currency,
        customer_id=customer_id,
        description=description,
        receipt_email=receipt_email,
        metadata=metadata,
    )
    intent = account.record(PAYMENT_INTENTS, data)
    account.ledger.change(intent, client_secret=f"{intent.id}_secret_twin")
    account.announce("payment_intent.created", intent)
    return intent


def confirm_intent(account: Account, params: Params, intent_id: str) -> Entry:
    """Confirm a payment intent with the payment method given now or earlier."""
    params.refuse_unknown("off_session", "payment_method", "receipt_email", "return_url")
    intent = account.require(PAYMENT_INTENTS, intent_id, "intent", is_path=True)
    return confirm(account, intent, _known(params.text("payment_method")) or intent["payment_method"])


def cancel_intent(account: Account, params: Params, intent_id: str) -> Entry:
    """Cancel a payment intent that has not succeeded."""
    params.refuse_unknown("cancellation_reason")
    intent = account.require(PAYMENT_INTENTS, intent_id, "intent", is_path=True)
    if intent["status"] not in CONFIRMABLE:
        raise _unexpected_state(account, intent, "cancel")
    account.change(
        intent,
        "payment_intent.canceled",
        status="canceled",
        canceled_at=account.now(),
        cancellation_reason=params.text("cancellation_reason"),
    )
    return intent


def confirm(account: Account, intent: Entry, payment_method: str | None) -> Entry:
    """Try to charge; a declined card leaves a failed charge behind and raises Stripe's card error."""
    if intent["status"] not in CONFIRMABLE:
        raise _unexpected_state(account, intent, "confirm")
    if payment_method is None:
        raise missing_parameter("payment_method")
    decline_code = DECLINES.get(payment_method)
    customer = account.ledger.find(CUSTOMERS, intent["customer"]) if intent["customer"] else None
    email = intent["receipt_email"] or (customer["email"] if customer else None)
    charge = account.record(
        CHARGES,
        objects.charge(
            intent=intent.data, payment_method=payment_method, email=email, decline_code=decline_code
        ),
    )
    if decline_code:
        raise _declined(account, intent, charge, payment_method, decline_code)
    _succeed(account, intent, charge, payment_method)
    if payment_method in DISPUTED:
        open_dispute(account, charge, reason=DISPUTED[payment_method])
    return intent


def _succeed(account: Account, intent: Entry, charge: Entry, payment_method: str) -> None:
    amount = charge["amount"]
    move = account.post(
        amount=amount,
        fee=processing_fee(amount, is_foreign=payment_method in objects.FOREIGN_CARDS),
        currency=charge["currency"],
        kind="charge",
        category="charge",
        source=charge.id,
        available_on=account.now() + SETTLING_SECONDS,
        description=charge["description"],
    )
    account.ledger.change(charge, balance_transaction=move.id)
    account.announce("charge.succeeded", charge)
    account.change(
        intent,
        "payment_intent.succeeded",
        amount_received=amount,
        last_payment_error=None,
        latest_charge=charge.id,
        payment_method=payment_method,
        status="succeeded",
    )


def _declined(
    account: Account, intent: Entry, charge: Entry, payment_method: str, decline_code: str
) -> ApiError:
    problem = {
        "charge": charge.id,
        "code": "card_declined",
        "decline_code": decline_code,
        "doc_url": "https://docs.stripe.com/error-codes#card-declined",
        "message": "Your card was declined.",
        "payment_method": {"id": payment_method, "object": "payment_method", "type": "card"},
        "type": "card_error",
    }
    account.announce("charge.failed", charge)
    account.change(
        intent,
        "payment_intent.payment_failed",
        last_payment_error=problem,
        latest_charge=charge.id,
        payment_method=None,
        status="requires_payment_method",
    )
    return ApiError(
        "Your card was declined.",
        status=402,
        kind="card_error",
        code="card_declined",
        decline_code=decline_code,
        charge=charge.id,
        payment_intent=account.ledger.shown(intent, account.now()),
    )


def _unexpected_state(account: Account, intent: Entry, act: str) -> ApiError:
    return ApiError(
        f"You cannot {act} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=account.ledger.shown(intent, account.now()),
    )


def _known(payment_method: str | None) -> str | None:
    if payment_method is None or payment_method in objects.CARDS | DECLINES | DISPUTED:
        return payment_method
    raise no_such("PaymentMethod", payment_method, "payment_method", status=400)
