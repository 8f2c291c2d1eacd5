"""Conservation: every cent by which Stripe and the portal differ is explained by name, once.

The difference itself is taken from the tables alone, with no join: what Stripe took, less what it gave back
or lost to disputes, less what the portal calls paid. The explanations are summed over linked rows. Whatever a
join loses or doubles shows as an error of that many cents.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np

from studio_assets.finance.limits import Limits, micros
from studio_assets.finance.pair import Pairs
from studio_assets.finance.plain import Coins, Places, Sales, Takings
from studio_assets.finance.tables import Shelf

_UNKNOWN: Final = "unknown"
"""What sums of orders that name no currency are counted under."""

_RETURNED: Final = """
select currency, sum(cents)::bigint from (
    select currency, -sum(amount) as cents from back group by currency
    union all select currency, -sum(withdrawn) from quarrel group by currency
) group by currency
"""
_UNCLEAR: Final = """
select currency, -sum(total)::bigint from unclear where state = 'paid' and not is_prepaid group by currency
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One named explanation: how many cents of a currency it makes, over how many rows."""

    name: str
    currency: str
    cents: int
    rows: int


@dataclass(frozen=True, slots=True)
class Conservation:
    """The whole difference and its parts; currencies are never added up.

    Attributes:
        differences: Currency -> what Stripe holds for the studio less what the portal calls paid.
        parts: Explanations, by currency and name. ``tax``, ``in_flight``, ``sold_without_order`` and
            ``priced_at_stripe`` are no discrepancies; those that end in ``_of_unknown_charge`` and
            ``_in_other_currency`` are what Stripe's own objects cannot be set against; the others bear the
            name of their class.
    """

    differences: Mapping[str, int]
    parts: Sequence[Part]

    @property
    def error_cents(self) -> int:
        """Return by how many cents the parts miss the whole, in every currency; 0 is right."""
        explained: dict[str, int] = {}
        for part in self.parts:
            explained[part.currency] = explained.get(part.currency, 0) + part.cents
        currencies = explained.keys() | self.differences.keys()
        return sum(abs(self.differences.get(each, 0) - explained.get(each, 0)) for each in currencies)


def conserve(
    engine: duckdb.DuckDBPyConnection,
    shelf: Shelf,
    pairs: Pairs,
    doubtful: Places | None,
    *,
    limits: Limits,
    as_of: int,
) -> Conservation:
    """Return the difference between Stripe and portal, and what it is made of.

    Args:
        engine: After ``classify.classify``, where anything was doubtful.
        shelf: All sales and charges.
        pairs: Of ``pair.pair``.
        doubtful: Of ``match.match``; null where everything is in order.
        limits: The studio's terms.
        as_of: What the tables show, in microseconds since 1970.
    """
    explained: Counter[tuple[str, str]] = Counter()
    rows: Counter[tuple[str, str]] = Counter()

    def explain(name: str, currency: str | None, cents: int, count: int) -> None:
        part = name, currency or _UNKNOWN
        explained[part] += cents
        rows[part] += count

    for currency, (cents, count) in pairs.explained(doubtful).items():
        explain("tax", currency, cents, count)
    if doubtful is not None:
        for name, currency, cents, count in engine.execute(_parts(limits, as_of)).fetchall():
            explain(str(name), currency, int(cents), int(count))
    parts = [Part(*part, cents, rows[part]) for part, cents in explained.items()]
    return Conservation(
        _differences(engine, shelf, pairs.sales, pairs.takings, pairs.coins),
        sorted(parts, key=lambda part: (part.currency, part.name)),
    )


def _differences(
    engine: duckdb.DuckDBPyConnection, shelf: Shelf, sales: Sales, takings: Takings, coins: Coins
) -> Mapping[str, int]:
    """Return currency -> what Stripe took and kept less what was sold: by columns alone, without links."""
    total: Counter[str] = Counter()
    sums = coins.sums(takings.coin, takings.amount, takings.is_taking)
    less = coins.sums(sales.coin, -sales.total, sales.is_plain)
    for each in (sums, less):
        total.update({currency or _UNKNOWN: cents for currency, (cents, _) in each.items()})
    unclear = np.flatnonzero(~(sales.is_plain | sales.is_settled)).astype(np.int32)
    steps = []
    if len(unclear):
        shelf.pick_sales(unclear, "unclear")
        steps.append(_UNCLEAR)
    if shelf.has_returns:
        steps.append(_RETURNED)
    for step in steps:
        rows = engine.execute(step).fetchall()
        total.update({currency or _UNKNOWN: int(cents) for currency, cents in rows})
    return {currency: cents for currency, cents in total.items() if cents}


def _parts(limits: Limits, as_of: int) -> str:
    quarrel = (
        "case when has_open is not null then 'dispute_open' when has_lost is not null then 'dispute_lost' "
        "else 'dispute_won' end"
    )
    waits = f"({as_of} - own_created <= {micros(limits.grace)})"
    unheard = (
        f"case when {waits} then 'in_flight' when regressed_payment then 'regressed_payment' "
        "when is_prepaid then 'duplicate_charge' when state = 'refunded' then "
        "case when all_back > 0 then 'partial_refund' else 'refund_missing' end "
        f"when state = 'disputed' then {quarrel} else 'charge_without_order' end"
    )
    return f"""
with careful as (
    select case when total = 0 then 'priced_at_stripe' else 'tax' end as name, currency,
           own - total - residual as cents
    from judged where is_held and has and own_currency is not distinct from currency
    union all
    select case when rounding then 'rounding' else 'amount_mismatch' end, currency, residual
    from judged where is_held and has and own_currency is not distinct from currency
    union all
    select 'currency_mismatch', currency, -total from judged
    where is_held and has and own_currency is distinct from currency
    union all
    select 'currency_mismatch', own_currency, own from judged
    where is_held and has and own_currency is distinct from currency
    union all
    select case when mode_mix then 'mode_mix' when duplicate_order then 'duplicate_order'
                when order_without_charge then 'order_without_charge' else 'in_flight' end, currency, -total
    from judged where is_held and not has
    union all
    select {unheard}, own_currency, own - own_back from judged where not is_held and has
    union all
    select case when refund_unrecorded then 'refund_unrecorded' else 'in_flight' end, own_currency, -own_back
    from judged where is_held and has
    union all
    select {quarrel}, own_currency, -own_withdrawn from judged where has
    union all
    select 'duplicate_charge', currency, amount - given_back - withdrawn from money
    where place > 1 and not is_foreign
    union all
    select 'mode_mix', currency, amount - given_back - withdrawn from money where is_foreign
    union all
    select case when named is null and source = 'portal' then 'sold_without_order'
                when {as_of} - created <= {micros(limits.grace)} then 'in_flight' else 'missing_order' end,
           currency, amount - given_back - withdrawn
    from case_taking where id not in (select taken from link)
    union all
    select 'refund_of_unknown_charge', currency, -amount from back
    where charge is null or charge not in (select id from touched)
    union all
    select 'dispute_of_unknown_charge', currency, -withdrawn from quarrel
    where charge is null or charge not in (select id from touched)
    union all
    select 'refund_in_other_currency', b.currency, -b.amount
    from back b join case_taking t on t.id = b.charge where b.currency <> t.currency
    union all
    select 'dispute_in_other_currency', q.currency, -q.withdrawn
    from quarrel q join case_taking t on t.id = q.charge where q.currency <> t.currency
)
select name, currency, sum(cents)::bigint, count(*) from careful where cents <> 0 group by name, currency
"""
