"""The object types the Stripe twin serves: their names, id prefixes, list filters and expandable fields.

Only facts about the wire stand here; what an object holds is in ``objects.py``, what changes it in the
modules named after the act (``payments.py``, ``refunds.py`` ...). Source: https://docs.stripe.com/api.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """One object type.

    Attributes:
        path: Where it is listed, below ``/v1/``.
        object_name: Value of its ``object`` field; also the word Stripe uses in "No such ...".
        prefix: Start of every id.
        filters: Query parameters of its list that compare one field with a value.
        ranges: Query parameters of its list that accept ``gt``, ``gte``, ``lt``, ``lte`` or one value.
        references: Fields holding an id that ``expand`` may replace by the object.
        permission: The restricted-key permission that reading needs, without its ``rak_`` and ``_read``.
    """

    path: str
    object_name: str
    prefix: str
    permission: str
    filters: frozenset[str] = frozenset()
    ranges: frozenset[str] = frozenset({"created"})
    references: frozenset[str] = frozenset()


CUSTOMERS = ObjectKind("customers", "customer", "cus_", "customer", filters=frozenset({"email"}))
PRICES = ObjectKind(
    "prices", "price", "price_", "plan", filters=frozenset({"active", "currency", "product", "type"})
)
PAYMENT_INTENTS = ObjectKind(
    "payment_intents",
    "payment_intent",
    "pi_",
    "payment_intent",
    filters=frozenset({"customer"}),
    references=frozenset({"customer", "latest_charge"}),
)
CHARGES = ObjectKind(
    "charges",
    "charge",
    "ch_",
    "charge",
    filters=frozenset({"customer", "payment_intent", "transfer_group"}),
    references=frozenset({"balance_transaction", "customer", "payment_intent"}),
)
REFUNDS = ObjectKind(
    "refunds",
    "refund",
    "re_",
    "charge",
    filters=frozenset({"charge", "payment_intent"}),
    references=frozenset({"balance_transaction", "charge", "payment_intent"}),
)
DISPUTES = ObjectKind(
    "disputes",
    "dispute",
    "dp_",
    "dispute",
    filters=frozenset({"charge", "payment_intent"}),
    references=frozenset({"charge", "payment_intent"}),
)
PAYOUTS = ObjectKind(
    "payouts",
    "payout",
    "po_",
    "payout",
    filters=frozenset({"status"}),
    ranges=frozenset({"created", "arrival_date"}),
    references=frozenset({"balance_transaction"}),
)
BALANCE_TRANSACTIONS = ObjectKind(
    "balance_transactions",
    "balance_transaction",
    "txn_",
    "balance",
    filters=frozenset({"currency", "payout", "source", "type"}),
    references=frozenset({"source"}),
)
CHECKOUT_SESSIONS = ObjectKind(
    "checkout/sessions",
    "checkout.session",
    "cs_test_",
    "checkout_session",
    filters=frozenset({"customer", "payment_intent", "status"}),
    references=frozenset({"customer", "payment_intent"}),
)
EVENTS = ObjectKind("events", "event", "evt_", "event", filters=frozenset({"type", "types"}))

KINDS = {
    kind.path: kind
    for kind in (
        CUSTOMERS,
        PRICES,
        PAYMENT_INTENTS,
        CHARGES,
        REFUNDS,
        DISPUTES,
        PAYOUTS,
        BALANCE_TRANSACTIONS,
        CHECKOUT_SESSIONS,
        EVENTS,
    )
}
