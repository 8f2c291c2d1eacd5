"""Sales and takings that name each other, and which of these pairs are plainly in order.

One join over everything finds the pairs. Words in it would cost more than all else, so hashes of 64 bits
stand for names and intents. Were two names ever to share one, something would have two partners and be looked
at with care, where words are compared; unless neither has a partner of its own, which of a thousand without
one on either side is a chance of one in ten million million. All else is held side by side, column by column.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np

from studio_assets.finance.limits import Limits, micros
from studio_assets.finance.plain import (
    Cents,
    Codes,
    Coins,
    Mask,
    Places,
    Sales,
    Takings,
    sales_of,
    takings_of,
)
from studio_assets.finance.tables import ORDER_CONTRACTS, TAKING_NAMES, Shelf

_BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Pairs:
    """Who names whom, by place, and what is left over.

    Attributes:
        sold: Places of sales in pairs; ``taken`` those of their takings.
        is_fine: Whether a pair is in order and neither side is in another.
        beyond: Cents of the taking beyond the sale's, by pair; ``coin`` the currency.
        odd: Places of sales that are not plainly in order, or whose taking is not theirs alone; ascending.
        loose: Places of takings that name no sale there is, ascending.
    """

    sold: Places
    taken: Places
    is_fine: Mask
    beyond: Cents
    coin: Codes
    coins: Coins
    sales: Sales
    takings: Takings
    odd: Places
    loose: Places

    def takings_of(self, sales: Places) -> Places:
        """Return the places of the takings of some sales, and of those that name no sale there is."""
        is_asked = np.zeros(len(self.sales.total), dtype=bool)
        is_asked[sales] = True
        return np.union1d(self.taken[is_asked[self.sold]], self.loose)

    def explained(self, doubtful: Cents | None) -> dict[str | None, tuple[int, int]]:
        """Return currency -> cents by which pairs in order differ, and how many do; but for some sales."""
        is_told = self.is_fine & (self.beyond != 0)
        if doubtful is not None:
            is_doubted = np.zeros(len(self.sales.total), dtype=bool)
            is_doubted[doubtful] = True
            is_told &= ~is_doubted[self.sold]
        return self.coins.sums(self.coin, self.beyond, is_told)


def pair(
    engine: duckdb.DuckDBPyConnection, shelf: Shelf, limits: Limits, *, is_thorough: bool, threads: int
) -> Pairs:
    """Return the pairs of everything on the shelf.

    Args:
        engine: Of the shelf.
        shelf: All sales and charges.
        limits: The studio's terms.
        is_thorough: Call no pair in order.
        threads: How many go through columns at once.
    """
    coins = Coins()
    with ThreadPoolExecutor(threads) as crew:
        sides = crew.submit(sales_of, shelf, coins), crew.submit(takings_of, shelf, coins)
        sold, taken, is_same_intent = _joined(engine, shelf)
        sales, takings = sides[0].result(), sides[1].result()
        # A name is one within its kind of sale; what took no money is nobody's partner.
        counts = [shelf.count(contract) for contract in ORDER_CONTRACTS.values()]
        kind = np.repeat(np.arange(len(counts), dtype=np.int8), counts)
        is_pair = takings.is_taking[taken] & (takings.domain[taken] == kind[sold])
        if not is_pair.all():
            sold, taken, is_same_intent = sold[is_pair], taken[is_pair], is_same_intent[is_pair]
        sales_in = np.bincount(sold, minlength=len(sales.coin))
        takings_in = np.bincount(taken, minlength=len(takings.coin))
        is_plain_sale = sales.is_plain & (sales_in == 1)
        is_plain_taking = takings.is_plain & (takings_in == 1)
        if shelf.has_returns:
            is_plain_taking[shelf.touched()] = False

        def look(start: int) -> tuple[Mask, Cents, Codes]:
            """Look at some pairs; many at once would not stay near the processor."""
            block = slice(start, start + _BLOCK)
            of, by = sold[block], taken[block]
            is_fine, beyond = _are_in_order(sales, takings, of, by, limits)
            return is_fine & is_plain_sale[of] & is_plain_taking[by], beyond, takings.coin[by]

        blocks = list(crew.map(look, range(0, max(len(sold), 1), _BLOCK)))
    is_fine, beyond, coin = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    is_fine &= is_same_intent & (not is_thorough)
    is_odd = (sales_in == 0) & ~sales.is_settled
    is_odd[sold[~is_fine]] = True
    is_loose = takings.is_taking & (takings_in == 0)
    odd, loose = (np.flatnonzero(each).astype(np.int32) for each in (is_odd, is_loose))
    return Pairs(sold, taken, is_fine, beyond, coin, coins, sales, takings, odd, loose)


def _are_in_order(
    sales: Sales, takings: Takings, sold: Places, taken: Places, limits: Limits
) -> tuple[Mask, Cents]:
    """Say of each pair whether sums, modes and times agree, and return the cents beyond the sale's."""
    total, at = sales.total[sold], takings.created[taken]
    beyond = takings.amount[taken] - total
    # What is plain costs something, so that no tax is below zero here.
    is_fine = np.abs(beyond - (total * limits.tax_per_mille + 500) // 1000) <= limits.tax_rounding_cents
    is_fine &= ~sales.is_service[sold]
    is_fine |= beyond == 0
    mode = sales.mode[sold]
    is_fine &= (mode < 0) | (mode == takings.mode[taken])
    is_fine &= sales.coin[sold] == takings.coin[taken]
    is_fine &= at - sales.created[sold] <= micros(limits.late_capture)
    is_fine &= sales.paid[sold] - at <= micros(limits.grace)
    return is_fine, beyond


def _joined(engine: duckdb.DuckDBPyConnection, shelf: Shelf) -> tuple[Places, Places, Mask]:
    """Return places of sales and charges that bear the same name, and whether their intents agree."""
    table = shelf.table("charges")
    # What no charge has need not be read.
    names = [name for name in TAKING_NAMES if table[name].null_count < table.num_rows]
    orders = [contract for contract in ORDER_CONTRACTS.values() if shelf.count(contract)]
    if not names or not orders:
        nothing = np.zeros(0, dtype=np.int32)
        return nothing, nothing, np.zeros(0, dtype=bool)
    name = f"coalesce({', '.join(names)})"
    sides = " union all ".join(_SIDE.format(contract=contract) for contract in orders)
    both = engine.sql(_JOIN.format(sides=sides, name=name)).to_arrow_table()
    sold, taken = (both[side].to_numpy() for side in ("sold", "taken"))
    return sold, taken, np.asarray(both["is_same"].to_numpy(), dtype=bool)


_SIDE: Final = """
select place, hash(document_id) as name,
       case when stripe_payment_intent_id is not null then hash(stripe_payment_intent_id) end as intent
from {contract}"""
_JOIN: Final = """
select s.place as sold, t.place as taken, s.intent is null or s.intent = t.intent as is_same
from ({sides}) s join (
    select place, hash({name}) as name, hash(payment_intent) as intent from charges where {name} is not null
) t on t.name = s.name
"""
