"""Stripe as of an instant that has passed: what was made by then, without what only the present tells.

Stripe keeps no past versions. Read later, a charge of last week says whether it is refunded *now*; to take
that for last week's truth would be wrong, and would make every rebuild of the day different. So fields that
change after an object is made are left out of reads of past days: absent means not known. What happened is
still there, as objects of its own with their own times (refunds, disputes, ledger entries).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from resources.stripe.gateway import ListStats, PaymentSource

PRESENT_ONLY: Mapping[str, frozenset[str]] = {
    "payment_intents": frozenset({"status", "amount_received", "latest_charge", "canceled_at"}),
    "charges": frozenset({"amount_refunded", "refunded", "disputed"}),
    "refunds": frozenset({"status"}),
    "disputes": frozenset({"status"}),
    "payouts": frozenset({"status"}),
    "balance_transactions": frozenset({"status"}),
}
"""Object type -> fields that tell of the present whatever instant is asked for. No counter looks at them."""


class PastPayments:
    """A payment source that leaves out what only the present tells."""

    def __init__(self, payments: PaymentSource) -> None:
        self._payments = payments

    def list_objects(
        self,
        object_type: str,
        *,
        created_before: datetime,
        created_from: datetime | None = None,
        stats: ListStats,
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield as the source does, every object without the fields of :data:`PRESENT_ONLY`."""
        hidden = PRESENT_ONLY.get(object_type, frozenset())
        pages = self._payments.list_objects(
            object_type, created_before=created_before, created_from=created_from, stats=stats
        )
        for page in pages:
            yield [{name: value for name, value in record.items() if name not in hidden} for record in page]
