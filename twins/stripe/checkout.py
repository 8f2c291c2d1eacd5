"""Checkout sessions for one-time payments: opened by the portal, completed by a customer, or left to expire.

Differences from Stripe, on purpose: the session's metadata is copied to the payment intent when no
``payment_intent_data[metadata]`` is given (the portal always copies it), and automatic tax is one flat rate.
"""

from dataclasses import dataclass

from twins.stripe import checkout_objects
from twins.stripe.account import DAY_SECONDS, Account
from twins.stripe.customers import is_email
from twins.stripe.errors import ApiError, missing_parameter
from twins.stripe.kinds import CHECKOUT_SESSIONS, CUSTOMERS, PAYMENT_INTENTS, PRICES
from twins.stripe.ledger import Entry
from twins.stripe.params import Params
from twins.stripe.payments import check_amount, confirm, new_intent

TAX_PER_MILLE = 86
"""Sales tax in Phoenix, Arizona: 8.6 %."""


@dataclass(frozen=True, slots=True)
class _Line:
    description: str
    unit_amount: int
    quantity: int
    currency: str
    price_id: str | None


def create_session(account: Account, params: Params) -> Entry:
    """Open a checkout session for goods whose prices stand inline or as price ids."""
    params.refuse_unknown(
        "allow_promotion_codes",
        "automatic_tax",
        "billing_address_collection",
        "cancel_url",
        "client_reference_id",
        "customer",
        "customer_email",
        "expires_at",
        "line_items",
        "metadata",
        "mode",
        "payment_intent_data",
        "payment_method_types",
        "success_url",
    )
    mode = params.required_text("mode")
    if mode != "payment":
        raise ApiError(f"Twin: only mode payment is imitated, not {mode}.", param="mode")
    lines = [_line(account, section) for section in params.sections("line_items")]
    if not lines:
        raise missing_parameter("line_items")
    currencies = {line.currency for line in lines}
    if len(currencies) > 1:
        raise ApiError("All line items must have the same currency.", param="line_items")
    is_taxed = params.section("automatic_tax").boolean("enabled")
    taxes = [_tax(line.unit_amount * line.quantity) if is_taxed else 0 for line in lines]
    subtotal = sum(line.unit_amount * line.quantity for line in lines)
    check_amount(subtotal + sum(taxes), "line_items")
    customer, email = params.text("customer"), params.text("customer_email")
    if customer:
        account.require(CUSTOMERS, customer, "customer")
    if email and not is_email(email):
        raise ApiError("Invalid email address: ****", code="email_invalid", param="customer_email")
    metadata = params.metadata()
    intent_data = params.section("payment_intent_data")
    intent_data.refuse_unknown("description", "metadata", "receipt_email")
    session = account.record(
        CHECKOUT_SESSIONS,
        checkout_objects.checkout_session(
            currency=lines[0].currency,
            subtotal=subtotal,
            tax=sum(taxes),
            is_taxed=is_taxed,
            expires_at=params.integer("expires_at") or account.now() + DAY_SECONDS,
            customer_id=customer,
            customer_email=email,
            client_reference_id=params.text("client_reference_id"),
            success_url=params.text("success_url"),
            cancel_url=params.text("cancel_url"),
            metadata=metadata,
        ),
        aside={
            "line_items": [_shown_line(account, line, tax) for line, tax in zip(lines, taxes, strict=True)],
            "intent_metadata": intent_data.metadata() or metadata,
            "description": intent_data.text("description"),
            "receipt_email": intent_data.text("receipt_email"),
        },
    )
    account.ledger.change(session, url=f"https://checkout.stripe.com/c/pay/{session.id}")
    return session


def expire_session(account: Account, params: Params, session_id: str) -> Entry:
    """Expire an open session at once."""
    params.refuse_unknown()
    session = account.require(CHECKOUT_SESSIONS, session_id, "session", is_path=True)
    if session["status"] != "open":
        raise ApiError(
            'Only Checkout Sessions with a status in ["open"] can be expired.'
            f" This Checkout Session has a status of {session['status']}."
        )
    _expire(account, session)
    return session


def expire_checkouts(account: Account, params: Params) -> list[Entry]:
    """Expire every open session whose time is over; an act only the twin knows. Returns what changed."""
    params.refuse_unknown()
    now = account.now()
    over = [
        session
        for session in account.ledger.entries(CHECKOUT_SESSIONS)
        if session["status"] == "open" and session["expires_at"] <= now
    ]
    for session in over:
        _expire(account, session)
    return over


def complete_checkout(account: Account, params: Params) -> Entry:
    """Pay an open session as its customer would on Stripe's page; an act only the twin knows.

    A declined card raises the card error and leaves the session open, so the customer may try again.
    """
    params.refuse_unknown("session", "payment_method", "email")
    session = account.require(CHECKOUT_SESSIONS, params.required_text("session"), "session")
    if session["status"] != "open" or session["expires_at"] <= account.now():
        raise ApiError("Twin: this checkout session is no longer open.", code="checkout_session_not_open")
    email = params.text("email") or session["customer_email"]
    if session["payment_intent"] is None:
        intent = new_intent(
            account,
            amount=session["amount_total"],
            currency=session["currency"],
            customer_id=session["customer"],
            description=session.aside["description"],
            receipt_email=session.aside["receipt_email"] or email,
            metadata=session.aside["intent_metadata"],
        )
        account.change(session, payment_intent=intent.id)
    intent = account.require(PAYMENT_INTENTS, session["payment_intent"], "payment_intent")
    confirm(account, intent, params.text("payment_method") or "pm_card_visa")
    account.change(
        session,
        "checkout.session.completed",
        customer_details=checkout_objects.paid_by(email),
        payment_status="paid",
        status="complete",
        url=None,
    )
    return session


def _expire(account: Account, session: Entry) -> None:
    account.change(session, "checkout.session.expired", status="expired", url=None)


def _tax(amount: int) -> int:
    return (amount * TAX_PER_MILLE + 500) // 1000


def _line(account: Account, section: Params) -> _Line:
    section.refuse_unknown("price", "price_data", "quantity", "adjustable_quantity")
    quantity = section.integer("quantity")
    quantity = 1 if quantity is None else quantity
    if quantity < 1:
        raise ApiError("Invalid positive integer", code="parameter_invalid_integer", param="quantity")
    price_id = section.text("price")
    if price_id:
        price = account.require(PRICES, price_id, "line_items[price]")
        return _Line(
            price["nickname"] or "Price", price["unit_amount"], quantity, price["currency"], price_id
        )
    data = section.section("price_data")
    data.refuse_unknown("currency", "product", "product_data", "tax_behavior", "unit_amount")
    unit_amount = data.required_integer("unit_amount")
    if unit_amount < 0:
        raise ApiError("Invalid non-negative integer", code="parameter_invalid_integer", param="unit_amount")
    name = data.text("product") or data.section("product_data").required_text("name")
    return _Line(name, unit_amount, quantity, data.required_text("currency").lower(), None)


def _shown_line(account: Account, line: _Line, tax: int) -> dict[str, object]:
    return checkout_objects.line_item(
        item_id=account.ledger.new_id("li_"),
        description=line.description,
        unit_amount=line.unit_amount,
        quantity=line.quantity,
        tax=tax,
        currency=line.currency,
        price_id=line.price_id,
    )
