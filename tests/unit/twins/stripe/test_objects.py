"""The twin's objects have the fields that the SDK's own types declare, and no others."""

import pytest
import stripe
from stripe.checkout import Session

from twins.stripe.account import Account, processing_fee
from twins.stripe.kinds import KINDS
from twins.stripe.ledger import Ledger
from twins.stripe.params import Params
from twins.stripe.payments import confirm_intent, create_intent
from twins.stripe.payouts import advance_payouts
from twins.stripe.refunds import create_refund

TYPES = {
    "balance_transactions": stripe.BalanceTransaction,
    "charges": stripe.Charge,
    "checkout/sessions": Session,
    "customers": stripe.Customer,
    "disputes": stripe.Dispute,
    "payment_intents": stripe.PaymentIntent,
    "payouts": stripe.Payout,
    "prices": stripe.Price,
    "refunds": stripe.Refund,
}
NOT_BY_DEFAULT = {  # fields Stripe adds when they are expanded, or for products the studio does not use
    "charges": {"level3", "refunds", "transfer"},
    "payment_intents": {"payment_details"},
    "checkout/sessions": {"line_items"},
    "customers": {
        "cash_balance",
        "invoice_credit_balance",
        "sources",
        "subscriptions",
        "tax",
        "tax_ids",
        "deleted",
    },
    "prices": {"currency_options", "tiers", "deleted"},
}


@pytest.fixture
def account(moving_clock):
    """An account in which every type of object exists."""
    from twins.stripe.checkout import create_session
    from twins.stripe.customers import create_customer, create_price

    account = Account(Ledger(), moving_clock)
    create_customer(account, Params({"email": "a@example.com"}))
    price = create_price(account, Params({"currency": "usd", "unit_amount": "500", "product": "prod_1"}))
    create_session(
        account,
        Params(
            {"mode": "payment", "line_items": [{"price": price.id}], "automatic_tax": {"enabled": "true"}}
        ),
    )
    for method in ("pm_card_visa", "pm_card_createDispute"):
        intent = create_intent(account, Params({"amount": "5000", "currency": "usd"}))
        confirm_intent(account, Params({"payment_method": method}), intent.id)
    paid = account.ledger.entries(KINDS["charges"])[0]
    create_refund(account, Params({"charge": paid.id, "amount": "100"}))
    moving_clock.forward(days=3)
    intent = create_intent(account, Params({"amount": "90000", "currency": "usd"}))
    confirm_intent(account, Params({"payment_method": "pm_card_visa"}), intent.id)
    moving_clock.forward(days=3)
    advance_payouts(account, Params({}))
    return account


@pytest.mark.parametrize("path", sorted(TYPES))
def test_fields_are_those_of_the_sdk(account, path):
    """Every declared field is there and no invented one: code written for the SDK finds what it expects."""
    declared = _declared(TYPES[path])
    entries = account.ledger.entries(KINDS[path])
    assert entries
    for entry in entries:
        shown = set(account.ledger.shown(entry, account.now()))
        assert shown == declared - NOT_BY_DEFAULT.get(path, set())


def _declared(sdk_type):
    return {name for name in sdk_type.__annotations__ if not name.startswith("_") and name != "OBJECT_NAME"}


@pytest.mark.parametrize(
    ("amount", "fee"),
    [(50, 31), (100, 33), (500, 45), (1000, 59), (1050, 60), (4000, 146), (99_999_999, 2_900_030)],
)
def test_fees_are_rounded_half_up(amount, fee):
    """2.9 % + 30 cents, to the cent: $5.00 costs 45 cents, not 44."""
    assert processing_fee(amount) == fee
