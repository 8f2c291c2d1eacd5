"""Which money belongs to which sale: by name first, then by stored ids, then by amount, time and customer.

Most pairs are plainly in order, and one join over everything finds them; only what is left is looked at with
care. Words in that join would cost more than all else, so hashes of 64 bits stand for names, intents and
currencies in it. Were two names ever to share one, something would have two partners and be looked at with
care, where words are compared; unless neither has a partner of its own, which of a thousand without one on
either side is a chance of one in ten million million.

What links by amount, time and customer must link one way only: a tie is refused, never guessed. Money of test
mode never pays a sale of live mode, nor the other way round.
"""

from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from studio_assets.finance.limits import Limits, micros
from studio_assets.finance.tables import Shelf

# Tax, where there is any, as Stripe adds it: half up on the total.
TAX: Final = "case when {sale}.domain = 'a' then 0 else ({sale}.total * {rate} + 500) // 1000 end"


def match(
    engine: duckdb.DuckDBPyConnection, shelf: Shelf, limits: Limits, *, is_thorough: bool = False
) -> None:
    """Link takings to sales.

    Leaves ``pair`` (one row per sale and taking that name each other, or that stand alone, by place),
    ``doubtful`` (places of the sales to look at with care), those sales and their takings as ``case_sale``
    and ``case_taking``, and ``link`` (taking -> sale, among those).

    Args:
        engine: After ``tables.load``.
        shelf: Of ``tables.load``.
        limits: The studio's terms.
        is_thorough: Look at everything with care; slower, and the same result.
    """
    engine.execute(_pairs(limits, is_thorough=is_thorough))
    pairs = _Pairs(engine)
    doubtful = pairs.odd_sales
    if len(pairs.loose_takings):
        shelf.pick(_NO_PLACES, pairs.loose_takings)
        doubtful = np.union1d(doubtful, engine.sql(_MEANT).to_arrow_table().column(0).to_numpy())
    engine.register("doubtful", pa.table({"place": doubtful}))
    shelf.pick(pa.array(doubtful), pairs.takings_of(doubtful))
    for step in (_CAREFULLY, _LINKS, _BY_NAME_ALONE, _BY_INTENTS_NAME, _BY_STORED_INTENT, _by_amount(limits)):
        engine.execute(step)


def _pairs(limits: Limits, *, is_thorough: bool) -> str:
    tax = TAX.format(sale="s", rate=limits.tax_per_mille)
    return f"""
create or replace temp table pair as
with crowded as (select signup from sale where signup is not null group by signup having count(*) > 1),
     s as (select place, hash(id, domain) as name, domain, hash(spelled) as coin, total, created, paid,
                  case when intent is not null then hash(intent) end as intent, mode = 'live' as is_live,
                  is_plain and (signup is null or signup not in (select signup from crowded)) as is_plain,
                  is_settled
           from sale),
     t as (select place, case when named is not null and domain is not null then hash(named, domain) end
                      as name, hash(spelled) as coin, amount, created, hash(intent) as intent, livemode,
                  entry is not null and place not in (select place from touched) as is_plain
           from taking)
select s.place as sold, t.place as taken, t.coin, t.amount - s.total as beyond,
       t.place is null and coalesce(s.is_settled, false)
       or coalesce({not is_thorough} and s.is_plain and t.is_plain and s.coin = t.coin
           and (s.is_live is null or s.is_live = t.livemode)
           and (s.intent is null or s.intent = t.intent)
           and (t.amount = s.total
                or (s.domain <> 'a' and abs(t.amount - s.total - {tax}) <= {limits.tax_rounding_cents}))
           and t.created - s.created <= {micros(limits.late_capture)}
           and (s.paid is null or s.paid - t.created <= {micros(limits.grace)}), false) as is_fine
from s full join t on t.name = s.name
"""


class _Pairs:
    """The places in ``pair``, as arrays: a million of them are gone through at once."""

    def __init__(self, engine: duckdb.DuckDBPyConnection) -> None:
        pairs = engine.sql("select sold, taken, is_fine from pair").to_arrow_table()
        self._sold, self._taken = (pairs.column(side).fill_null(-1).to_numpy() for side in (0, 1))
        self._is_fine = pairs.column(2).to_numpy()

    @property
    def loose_takings(self) -> pa.Array:
        """Return the places of takings that name no sale there is."""
        return pa.array(np.sort(self._taken[self._sold < 0]))

    @property
    def odd_sales(self) -> npt.NDArray[np.int32]:
        """Return the places of sales that are not plainly in order, or whose taking is not theirs alone."""
        # One more than a place, so that whatever has no partner counts at 0.
        sales, takings = np.bincount(self._sold + 1), np.bincount(self._taken + 1)
        is_alone = (sales[self._sold + 1] == 1) & ((takings[self._taken + 1] == 1) | (self._taken < 0))
        return np.unique(self._sold[(self._sold >= 0) & ~(self._is_fine & is_alone)])

    def takings_of(self, sales: npt.NDArray[np.int32]) -> pa.Array:
        """Return the places of the takings of some sales, and of those that name no sale there is."""
        # The last one stands for no sale at all, whose place is -1.
        is_asked = np.zeros(max(self._sold.max(initial=-1), sales.max(initial=-1)) + 2, dtype=bool)
        is_asked[sales] = is_asked[-1] = True
        return pa.array(np.sort(self._taken[is_asked[self._sold] & (self._taken >= 0)]))


_NO_PLACES: Final = pa.nulls(0, pa.int32())

# With the loose takings picked: sales that they mean, or whose payment they are.
_MEANT: Final = """
select place from sale where id in (
    select named from few_taking
    union all
    select i.named from intention i join few_taking t on i.id = t.intent where t.named is null)
union all
select place from sale where intent in (select intent from few_taking)
"""

# A bank may dispute in another currency than was charged: its amounts are not added to the charge's own.
_CAREFULLY: Final = """
create or replace temp table case_sale as select * from few_sale;
create or replace temp table case_taking as
select t.*, coalesce(b.amount, 0) as given_back, b.last as last_back, b.ids as back_ids,
       coalesce(q.withdrawn, 0) as withdrawn, q.outcome, q.ids as quarrel_ids, q.since as quarrel_since,
       coalesce(b.is_mixed, false) or coalesce(q.is_mixed, false) as is_mixed
from few_taking t
left join (select b.charge, sum(b.amount) filter (b.currency = c.currency)::bigint as amount,
                  max(b.created) as last, list(b.id order by b.id) as ids,
                  bool_or(b.currency <> c.currency) as is_mixed
           from back b join few_taking c on c.id = b.charge group by b.charge) b on b.charge = t.id
left join (select q.charge, sum(q.withdrawn) filter (q.currency = c.currency)::bigint as withdrawn,
                  case when bool_or(q.outcome = 'open') then 'open'
                       when bool_or(q.outcome = 'lost') then 'lost' else 'won' end as outcome,
                  list(q.id order by q.id) as ids, min(q.created) as since,
                  bool_or(q.currency <> c.currency) as is_mixed
           from quarrel q join few_taking c on c.id = q.charge group by q.charge) q on q.charge = t.id
"""

_LINKS: Final = """
create or replace temp table link as
select t.id as taken, s.domain, s.id as sold, 'named' as how
from case_taking t join case_sale s on t.named = s.id and t.domain = s.domain
"""

_LOOSE: Final = "t.id not in (select taken from link)"
# One taking may have one sale; what fits several fits none.
_ONE: Final = "qualify count(*) over (partition by t.id) = 1"

_BY_NAME_ALONE: Final = f"""
insert into link
select t.id, s.domain, s.id, 'named' from case_taking t join case_sale s on t.named = s.id
where t.domain is null and {_LOOSE} {_ONE}
"""

_BY_INTENTS_NAME: Final = f"""
insert into link
select t.id, s.domain, s.id, 'intents_name'
from case_taking t join intention i on i.id = t.intent
join case_sale s on s.id = i.named and (i.domain is null or i.domain = s.domain)
where t.named is null and {_LOOSE} {_ONE}
"""

_BY_STORED_INTENT: Final = f"""
insert into link
select t.id, s.domain, s.id, 'stored'
from case_taking t join case_sale s on s.intent = t.intent
where {_LOOSE} and (t.named is null or t.named not in (select id from case_sale)) {_ONE}
"""


def _by_amount(limits: Limits) -> str:
    tax = TAX.format(sale="s", rate=limits.tax_per_mille)
    window = micros(limits.guess_window)
    return f"""
insert into link
with fitting as (
    select t.id as taken, s.domain, s.id as sold
    from case_taking t join case_sale s
      on s.currency = t.currency and (s.uid = t.uid or t.uid is null)
     and (s.mode is null or (s.mode = 'live') = t.livemode)
     and (t.amount = s.total
          or (s.domain <> 'a' and abs(t.amount - s.total - {tax}) <= {limits.tax_rounding_cents}))
     and abs(t.created - coalesce(s.paid, s.created)) <= {window} and t.created >= s.created - 300000000
     and (t.domain is null or t.domain = s.domain)
    where {_LOOSE} and t.named is null and t.source is distinct from 'portal' and s.total > 0
      and s.state = 'paid' and not s.is_prepaid
      and (s.domain, s.id) not in (select (domain, sold) from link)
)
select taken, domain, sold, 'fitting' from fitting
qualify count(*) over (partition by taken) = 1 and count(*) over (partition by domain, sold) = 1
"""
