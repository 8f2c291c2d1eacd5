"""Conservation: every cent by which Stripe and the portal differ is explained by name, once.

The difference itself is taken from the tables alone, with no join: what Stripe took, less what it gave back
or lost to disputes, less what the portal calls paid. The explanations are summed over linked rows. Whatever a
join loses or doubles shows as an error of that many cents.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow.compute as pc

from studio_assets.finance.classes import Kind
from studio_assets.finance.classify import Case
from studio_assets.finance.limits import micros
from studio_assets.finance.pair import Pairs
from studio_assets.finance.plain import Cents, Codes, Coins, Mask, Sales, Takings, mask, numbers
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
    engine: duckdb.DuckDBPyConnection, shelf: Shelf, pairs: Pairs, case: Case | None
) -> Conservation:
    """Return the difference between Stripe and portal, and what it is made of.

    Args:
        engine: Of the shelf.
        shelf: All sales and charges.
        pairs: Of ``pair.pair``.
        case: What was doubtful; null where everything is in order.
    """
    explained: Counter[tuple[str, str]] = Counter()
    rows: Counter[tuple[str, str]] = Counter()
    looked_at = None if case is None else numbers(case.facts.table["place"], 0)
    sums = [("tax", pairs.explained(looked_at))]
    if case is not None:
        coins = case.facts.coins
        sums += [
            (name, coins.sums(codes, cents, which & (cents != 0)))
            for name, which, cents, codes in _parts(case)
        ]
        sums += [
            (str(name), {currency: (int(cents), int(count))})
            for name, currency, cents, count in engine.execute(_APART).fetchall()
        ]
    for name, by_currency in sums:
        for currency, (cents, count) in by_currency.items():
            part = name, currency or _UNKNOWN
            explained[part] += cents
            rows[part] += count
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
        for currency, (cents, _) in each.items():
            total[currency or _UNKNOWN] += cents
    unclear = np.flatnonzero(~(sales.is_plain | sales.is_settled)).astype(np.int32)
    steps = []
    if len(unclear):
        shelf.pick_sales(unclear, "unclear")
        steps.append(_UNCLEAR)
    if shelf.has_returns:
        steps.append(_RETURNED)
    for step in steps:
        # Two spellings may have one name: none at all, and an empty one.
        for currency, cents in engine.execute(step).fetchall():
            total[currency or _UNKNOWN] += int(cents)
    return {currency: cents for currency, cents in total.items() if cents}


_Part = tuple[str, Mask, Cents, Codes]


def _parts(case: Case) -> Iterator[_Part]:
    """Yield names, what they are of, and the cents and currencies of it: of sales, then of takings."""
    facts, holds = case.facts, case.holds
    has, own, coin, own_coin = facts.has, facts.own_amount, facts.coin, facts.own_coin
    is_paid, is_bare = facts.is_held & has, facts.is_held & ~has
    is_same = is_paid & (own_coin == coin)
    yield "priced_at_stripe", is_same & (facts.total == 0), own - facts.total - facts.residual, coin
    yield "tax", is_same & (facts.total != 0), own - facts.total - facts.residual, coin
    yield "rounding", is_same & holds[Kind.ROUNDING], facts.residual, coin
    yield "amount_mismatch", is_same & ~holds[Kind.ROUNDING], facts.residual, coin
    yield "currency_mismatch", is_paid & ~is_same, -facts.total, coin
    yield "currency_mismatch", is_paid & ~is_same, own, own_coin
    for name, which in _first_of(
        is_bare,
        (Kind.MODE_MIX, holds[Kind.MODE_MIX]),
        (Kind.DUPLICATE_ORDER, holds[Kind.DUPLICATE_ORDER]),
        (Kind.ORDER_WITHOUT_CHARGE, holds[Kind.ORDER_WITHOUT_CHARGE]),
        ("in_flight", is_bare),
    ):
        yield name, which, -facts.total, coin
    waits = case.as_of - facts.own_created <= micros(case.limits.grace)
    is_refunded, is_disputed = case.is_state("refunded"), case.is_state("disputed")
    quarrels = (
        (Kind.DISPUTE_OPEN, case.has_open),
        (Kind.DISPUTE_LOST, case.has_lost),
        (Kind.DISPUTE_WON, np.ones(len(has), dtype=bool)),
    )
    for name, which in _first_of(
        has & ~facts.is_held,
        ("in_flight", waits),
        (Kind.REGRESSED_PAYMENT, holds[Kind.REGRESSED_PAYMENT]),
        (Kind.DUPLICATE_CHARGE, facts.is_prepaid),
        (Kind.PARTIAL_REFUND, is_refunded & (case.all_back > 0)),
        (Kind.REFUND_MISSING, is_refunded),
        *((name, is_disputed & which) for name, which in quarrels),
        (Kind.CHARGE_WITHOUT_ORDER, has),
    ):
        yield name, which, own - facts.own_back, own_coin
    yield "refund_unrecorded", is_paid & holds[Kind.REFUND_UNRECORDED], -facts.own_back, own_coin
    yield "in_flight", is_paid & ~holds[Kind.REFUND_UNRECORDED], -facts.own_back, own_coin
    for name, which in _first_of(has, *quarrels):
        yield name, which, -facts.own_withdrawn, own_coin
    yield from _parts_of_takings(case)


def _parts_of_takings(case: Case) -> Iterator[_Part]:
    money = case.facts.money
    kept = money.amount - money.given_back - money.withdrawn
    by_link, coins = kept[money.taking], money.coin[money.taking]
    yield "duplicate_charge", money.is_own & ~money.is_first, by_link, coins
    yield "mode_mix", ~money.is_own, by_link, coins
    table = money.table
    is_portals = mask(pc.is_null(table["named"])) & mask(pc.equal(table["source"], "portal"))
    for name, which in _first_of(
        money.is_loose,
        ("sold_without_order", is_portals),
        ("in_flight", case.as_of - money.created <= micros(case.limits.grace)),
        (Kind.MISSING_ORDER, money.is_loose),
    ):
        yield name, which, kept, money.coin


def _first_of(whole: Mask, *names: tuple[str, Mask]) -> Iterator[tuple[str, Mask]]:
    """Yield names and what each is of: of a whole, what holds and did not hold under a name before."""
    rest = whole
    for name, holds in names:
        yield str(name), rest & holds
        rest = rest & ~holds


_APART: Final = """
with apart as (
    select 'refund_of_unknown_charge' as name, currency, -amount as cents from back
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
select name, currency, sum(cents)::bigint, count(*) from apart where cents <> 0 group by name, currency
"""
