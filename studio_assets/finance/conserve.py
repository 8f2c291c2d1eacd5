"""Conservation: every cent by which Stripe and the portal differ is explained by name, once.

The difference itself is taken from the tables alone, with no join: what Stripe took, less what it gave back
or lost to disputes, less what the portal calls paid. The explanations are summed over linked rows. Whatever a
join loses or doubles shows as an error of that many cents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from studio_assets.finance.limits import Limits, micros

_UNKNOWN: Final = "unknown"
"""What sums of orders that name no currency are counted under."""

_DIFFERENCE: Final = """
select lower(spelled) as currency, sum(cents)::bigint from (
    select spelled, sum(amount) as cents from taking group by spelled
    union all select currency, -sum(amount) from back group by currency
    union all select currency, -sum(withdrawn) from quarrel group by currency
    union all select spelled, -sum(total) from sale where state = 'paid' and not is_prepaid group by spelled
) group by all
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


def conserve(engine: duckdb.DuckDBPyConnection, limits: Limits, as_of: int) -> Conservation:
    """Return the difference between Stripe and portal, and what it is made of.

    Args:
        engine: After ``classify.classify``.
        limits: The studio's terms.
        as_of: What the tables show, in microseconds since 1970.
    """
    differences = {
        currency or _UNKNOWN: int(cents)
        for currency, cents in engine.execute(_DIFFERENCE).fetchall()
        if cents
    }
    rows = engine.execute(_parts(limits, as_of)).fetchall()
    parts = [
        Part(str(name), currency or _UNKNOWN, int(cents), int(count)) for name, currency, cents, count in rows
    ]
    return Conservation(differences, sorted(parts, key=lambda part: (part.currency, part.name)))


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
select name, currency, sum(cents)::bigint, sum(counted)::bigint from (
    select 'tax' as name, t.currency, f.cents, f.counted from (
        select coin, sum(beyond) as cents, count(*) as counted, min(taken) as one from pair
        where is_fine and beyond <> 0 and sold not in (select place from doubtful) group by coin
    ) f join taking t on t.place = f.one
    union all
    select name, currency, cents, 1 from careful where cents <> 0
) group by name, currency
"""
