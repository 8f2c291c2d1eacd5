"""What is known of each doubtful sale once its money is linked: whole columns again, one place per sale.

Nothing depends on the order of rows: the taking that counts as a sale's own is the one that was not given
back, then the one whose intent the order stores, then the earliest, then by id. Money of the other mode is
foreign: it is never a sale's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.finance.limits import Limits
from studio_assets.finance.plain import NEVER, Cents, Codes, Coins, Mask, instants, mask, numbers
from studio_assets.finance.tables import Shelf

Rows = npt.NDArray[np.int64]

HOW: Final = ("named", "fitting", "intents_name", "stored")
"""Ways of linking; of several in one sale the last is told."""

_NOBODY: Final = -1
FAR_OFF: Final = 2**61
"""Stands for an instant that is not known where the earliest is asked for."""


@dataclass(frozen=True, slots=True)
class Money:
    """Takings looked at, by number in order of ids, and the links between them and sales.

    Attributes:
        given_back: Cents refunded, as ``withdrawn`` those that disputes hold.
        last_back: When something was last given back; ``NEVER`` where nothing was.
        outcome: Of its disputes; null where it has none.
        quarrel_since: When they began; ``FAR_OFF`` where it has none.
        is_mixed: Whether some of it went back in another currency.
        back_ids: Taking -> its refunds, as ``quarrel_ids`` its disputes; only where it has any.
        is_loose: Whether it has no sale.
        sale: By link, the number of the sale, ``taking`` that of the taking, and ``how`` the way in ``HOW``.
        is_own: By link, whether the money is of the sale's mode; ``is_first`` whether it counts as its own.
    """

    table: pa.Table
    amount: Cents
    created: Cents
    coin: Codes
    given_back: Cents
    withdrawn: Cents
    last_back: Cents
    outcome: npt.NDArray[Any]
    quarrel_since: Cents
    is_mixed: Mask
    back_ids: Mapping[int, Sequence[str]]
    quarrel_ids: Mapping[int, Sequence[str]]
    is_loose: Mask
    sale: Rows
    taking: Rows
    how: Rows
    is_own: Mask
    is_first: Mask

    @property
    def is_kept(self) -> Mask:
        """Say of each taking whether it was not wholly given back."""
        return self.given_back < self.amount


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the classes are told by: sales by number, and their money; instants not known are ``NEVER``.

    Attributes:
        table: Of ``case_sale``, in order of places.
        state: One word per sale.
        own: Number of the taking that counts as the sale's own, -1 where it has none; ``has`` where it has.
        residual: Cents of the own taking that neither price nor tax explain.
        is_held: Whether the portal calls the sale paid, by money.
        how: Number in ``HOW`` of how its money was linked.
        twins: Sale -> the first other sale that claims its payment.
        seats: Sale -> ids of all checkouts of its seat, where there are more than one.
    """

    table: pa.Table
    money: Money
    coins: Coins
    total: Cents
    tax: Cents
    coin: Codes
    paid: Cents
    created: Cents
    updated: Cents
    state: npt.NDArray[Any]
    is_service: Mask
    is_prepaid: Mask
    is_held: Mask
    own: Rows
    has: Mask
    own_amount: Cents
    own_created: Cents
    own_back: Cents
    own_withdrawn: Cents
    own_coin: Codes
    residual: Cents
    how: Rows
    intent_status: pa.ChunkedArray
    intent_created: Cents
    twins: Mapping[int, str]
    seats: Mapping[int, Sequence[str]]

    def count(self, which: Mask) -> Rows:
        """Return how many of some links each sale has."""
        return np.bincount(self.money.sale[which], minlength=len(self.total))

    def sum(self, cents: Cents, which: Mask) -> Cents:
        """Return what the takings of some links of each sale add up to."""
        return self._gathered(np.add, cents, which, 0)

    def latest(self, at: Cents, which: Mask) -> Cents:
        """Return the latest instant of the takings of some links of each sale, or ``NEVER``."""
        return self._gathered(np.maximum, at, which, NEVER)

    def earliest(self, at: Cents, which: Mask) -> Cents:
        """Return the earliest such instant, or ``FAR_OFF``."""
        return self._gathered(np.minimum, at, which, FAR_OFF)

    def _gathered(self, into: np.ufunc, values: Cents, which: Mask, start: int) -> Cents:
        gathered = np.full(len(self.total), start, dtype=np.int64)
        into.at(gathered, self.money.sale[which], values[self.money.taking[which]])
        return gathered


def gather(engine: duckdb.DuckDBPyConnection, shelf: Shelf, limits: Limits) -> Facts:
    """Return the facts of everything that ``match.match`` left.

    Args:
        engine: After ``match.match``.
        shelf: All sales and payment intents.
        limits: The studio's terms.
    """
    coins = Coins()
    sales = engine.sql("select * from case_sale order by place").to_arrow_table()
    coin = coins.codes(sales["currency"])
    money = _money(engine, sales, coins)
    count = sales.num_rows
    own = np.full(count, _NOBODY)
    own[money.sale[money.is_first]] = money.taking[money.is_first]
    has = own >= 0

    def owned(values: npt.NDArray[Any], otherwise: int) -> npt.NDArray[Any]:
        found = np.full(count, otherwise, dtype=values.dtype)
        found[has] = values[own[has]]
        return found

    is_service = mask(pc.equal(sales["domain"], "a"))
    total = numbers(sales["total"], 0)
    raised = total * limits.tax_per_mille + 500
    tax = np.where(is_service, 0, np.sign(raised) * (np.abs(raised) // 1000))
    own_amount, own_coin = owned(money.amount, 0), owned(money.coin, -1)
    is_prepaid, state = mask(sales["is_prepaid"]), sales["state"].to_numpy()
    how = np.zeros(count, dtype=np.int64)
    np.maximum.at(how, money.sale, money.how)
    intent_status, intent_created = _intents(shelf, sales["intent"])
    return Facts(
        table=sales,
        money=money,
        coins=coins,
        total=total,
        tax=tax,
        coin=coin,
        paid=instants(sales["paid"]),
        created=instants(sales["created"]),
        updated=instants(sales["updated"]),
        state=state,
        is_service=is_service,
        is_prepaid=is_prepaid,
        is_held=(state == "paid") & ~is_prepaid,
        own=own,
        has=has,
        own_amount=own_amount,
        own_created=owned(money.created, NEVER),
        own_back=owned(money.given_back, 0),
        own_withdrawn=owned(money.withdrawn, 0),
        own_coin=own_coin,
        residual=_residual(own_amount - total, tax, is_service, limits)
        * (has & (total != 0) & (own_coin == coin) & ~is_prepaid),
        how=how,
        intent_status=intent_status,
        intent_created=intent_created,
        twins=_twins(engine, sales, has),
        seats=_seats(sales),
    )


def _residual(beyond: Cents, tax: Cents, is_service: Mask, limits: Limits) -> Cents:
    untaxed = np.abs(beyond - tax)
    is_explained = ~is_service & (untaxed <= limits.tax_rounding_cents)
    is_nearer = ~is_service & (untaxed < np.abs(beyond))
    return np.asarray(np.where(is_explained, 0, np.where(is_nearer, beyond - tax, beyond)))


def _money(engine: duckdb.DuckDBPyConnection, sales: pa.Table, coins: Coins) -> Money:
    table = engine.sql("select * from case_taking order by place").to_arrow_table()
    links = engine.sql("select sold, taken, how from link").to_arrow_table()
    count, place = table.num_rows, numbers(table["place"], 0)
    sale = np.searchsorted(numbers(sales["place"], 0), numbers(links["sold"], 0))
    taking = np.searchsorted(place, numbers(links["taken"], 0))
    amount, created = numbers(table["amount"], 0), instants(table["created"])
    given_back, withdrawn = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    last_back, since = np.full(count, NEVER), np.full(count, FAR_OFF)
    outcome, is_mixed = np.full(count, None), np.zeros(count, dtype=bool)
    back_ids: dict[int, Sequence[str]] = {}
    quarrel_ids: dict[int, Sequence[str]] = {}
    for row in engine.sql(_RETURNED).to_arrow_table().to_pylist():
        one = int(np.searchsorted(place, row["place"]))
        given_back[one], withdrawn[one] = row["amount"] or 0, row["withdrawn"] or 0
        is_mixed[one] = row["is_mixed"]
        if row["back_ids"]:
            last_back[one], back_ids[one] = row["last"], row["back_ids"]
        if row["quarrel_ids"]:
            outcome[one], since[one], quarrel_ids[one] = row["outcome"], row["since"], row["quarrel_ids"]
    mode, livemode = sales["mode"].take(pa.array(sale)), mask(table["livemode"])[taking]
    is_own = ~(mask(pc.is_valid(mode)) & (mask(pc.equal(mode, "live")) != livemode))
    stored, intent = sales["intent"].take(pa.array(sale)), table["intent"].take(pa.array(taking))
    is_others = mask(pc.not_equal(stored, intent))
    is_loose = np.ones(count, dtype=bool)
    is_loose[taking] = False
    # Places ascend with ids.
    order = np.lexsort(
        (taking, created[taking], is_others, given_back[taking] >= amount[taking], ~is_own, sale)
    )
    sale, taking, is_own = sale[order], taking[order], is_own[order]
    return Money(
        table=table,
        amount=amount,
        created=created,
        coin=coins.codes(table["currency"]),
        given_back=given_back,
        withdrawn=withdrawn,
        last_back=last_back,
        outcome=outcome,
        quarrel_since=since,
        is_mixed=is_mixed,
        back_ids=back_ids,
        quarrel_ids=quarrel_ids,
        is_loose=is_loose,
        sale=sale,
        taking=taking,
        how=numbers(pc.index_in(links["how"], value_set=pa.array(HOW)), 0)[order],
        is_own=is_own,
        is_first=is_own & np.concatenate(([True], sale[1:] != sale[:-1]))[: len(sale)],
    )


def _intents(shelf: Shelf, stored: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Cents]:
    """Return the status of the intent that each sale stores, and when it was made."""
    known = shelf.rows_of("payment_intents", stored)
    which = pc.index_in(stored, value_set=known["document_id"].combine_chunks())
    return known["status"].take(which), instants(known["created_at"].take(which))


def _twins(engine: duckdb.DuckDBPyConnection, sales: pa.Table, has: Mask) -> dict[int, str]:
    """Return the first other sale of its kind that stores the intent or session of a sale without money."""
    near = engine.sql("select place, domain, id, intent, session from near").to_arrow_table().to_pylist()
    claims: dict[tuple[str, str, str], list[str]] = {}
    for row in near:
        for which in ("intent", "session"):
            if row[which] is not None:
                claims.setdefault((row["domain"], which, row[which]), []).append(row["id"])
    # The first other one is among the first two: a thousand claims are not held with each other.
    claims = {claim: nsmallest(2, ids) for claim, ids in claims.items()}
    twins: dict[int, str] = {}
    places = numbers(sales["place"], 0)
    for row in near:
        one = int(np.searchsorted(places, row["place"]))
        if one < len(places) and places[one] == row["place"] and not has[one]:
            others = [
                other
                for which in ("intent", "session")
                for other in claims.get((row["domain"], which, row[which]), ())
                if other != row["id"]
            ]
            if others:
                twins[one] = min(others)
    return twins


def _seats(sales: pa.Table) -> dict[int, list[str]]:
    """Return the ids of all checkouts of a sale's seat, ascending, where it has more than one."""
    seated = np.flatnonzero(mask(pc.is_valid(sales["signup"])))
    rows = sales.select(["signup", "id"]).take(pa.array(seated)).to_pylist()
    checkouts: dict[str, list[str]] = {}
    for row in rows:
        checkouts.setdefault(row["signup"], []).append(row["id"])
    # One list for all of a seat: a thousand checkouts would make a million ids.
    for ids in checkouts.values():
        ids.sort()
    return {
        int(sale): checkouts[row["signup"]]
        for sale, row in zip(seated, rows, strict=True)
        if len(checkouts[row["signup"]]) > 1
    }


# A bank may dispute in another currency than was charged: its amounts are not added to the charge's own.
_RETURNED: Final = """
select t.place, b.amount, b.last, b.ids as back_ids, q.withdrawn, q.outcome, q.ids as quarrel_ids, q.since,
       coalesce(b.is_mixed, false) or coalesce(q.is_mixed, false) as is_mixed
from case_taking t
left join (select b.charge, sum(b.amount) filter (b.currency = c.currency)::bigint as amount,
                  max(b.created) as last, list(b.id order by b.id) as ids,
                  bool_or(b.currency <> c.currency) as is_mixed
           from back b join case_taking c on c.id = b.charge group by b.charge) b on b.charge = t.id
left join (select q.charge, sum(q.withdrawn) filter (q.currency = c.currency)::bigint as withdrawn,
                  case when bool_or(q.outcome = 'open') then 'open'
                       when bool_or(q.outcome = 'lost') then 'lost' else 'won' end as outcome,
                  list(q.id order by q.id) as ids, min(q.created) as since,
                  bool_or(q.currency <> c.currency) as is_mixed
           from quarrel q join case_taking c on c.id = q.charge group by q.charge) q on q.charge = t.id
where b.charge is not null or q.charge is not null
"""
