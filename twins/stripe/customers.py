"""Customers and prices: the things that payments refer to."""

import re

from twins.stripe import objects
from twins.stripe.account import Account
from twins.stripe.errors import ApiError, missing_parameter
from twins.stripe.kinds import CUSTOMERS, PRICES
from twins.stripe.ledger import Entry
from twins.stripe.params import Params

_EMAIL = re.compile(r"\A[^@\s]+@[^@\s]+\.[^@\s]+\Z")


def is_email(text: str) -> bool:
    """Tell whether a text looks like an address Stripe would take."""
    return bool(_EMAIL.match(text))


def create_customer(account: Account, params: Params) -> Entry:
    """Create a customer."""
    params.refuse_unknown("description", "email", "metadata", "name", "phone")
    email = params.text("email")
    if email and not is_email(email):
        raise ApiError("Invalid email address: ****", code="email_invalid", param="email")
    data = objects.customer(
        email=email,
        name=params.text("name"),
        phone=params.text("phone"),
        description=params.text("description"),
        metadata=params.metadata(),
    )
    customer = account.record(CUSTOMERS, data)
    account.announce("customer.created", customer)
    return customer


def create_price(account: Account, params: Params) -> Entry:
    """Create a one-time price for a product, which needs no record of its own here."""
    params.refuse_unknown("currency", "metadata", "nickname", "product", "product_data", "unit_amount")
    product_data = params.section("product_data")
    product = params.text("product") or (account.ledger.new_id("prod_") if product_data.values else None)
    if product is None:
        raise missing_parameter("product")
    unit_amount = params.required_integer("unit_amount")
    if unit_amount < 0:
        raise ApiError("Invalid non-negative integer", code="parameter_invalid_integer", param="unit_amount")
    data = objects.price(
        currency=params.required_text("currency").lower(),
        unit_amount=unit_amount,
        product=product,
        nickname=params.text("nickname") or product_data.text("name"),
        metadata=params.metadata(),
    )
    price = account.record(PRICES, data)
    account.announce("price.created", price)
    return price
