"""Which money belongs to which sale: by name first, then by stored ids, then by amount, time and customer.

Most pairs are plainly in order (see ``pair``); only what is left is looked at with care.

What links by amount, time and customer must link one way only: a tie is refused, never guessed. Money of test
mode never pays a sale of live mode, nor the other way round.
"""

from typing import Final

import duckdb
import numpy as np

from studio_assets.finance.limits import Limits, micros
from studio_assets.finance.pair import Pairs
from studio_assets.finance.plain import Places
from studio_assets.finance.tables import Shelf

# Tax, where there is any, as Stripe adds it: half up on the total.
TAX: Final = "case when {sale}.domain = 'a' then 0 else ({sale}.total * {rate} + 500) // 1000 end"


def match(engine: duckdb.DuckDBPyConnection, shelf: Shelf, pairs: Pairs, limits: Limits) -> Places:
    """Link takings to sales where that is not plain; return the places of the sales looked at.

    Leaves those sales and their takings as ``case_sale`` and ``case_taking``, and ``link`` (taking -> sale,
    among those).

    Args:
        engine: Of the shelf.
        shelf: All sales and charges.
        pairs: Of ``pair.pair``.
        limits: The studio's terms.
    """
    shelf.show()
    doubtful = pairs.odd
    if len(pairs.loose):
        shelf.pick_takings(pairs.loose, "loose")
        meant = engine.sql(_MEANT).to_arrow_table()["place"].to_numpy()
        doubtful = np.union1d(doubtful, meant)
    shelf.pick_sales(doubtful, "case_sale")
    shelf.pick_takings(pairs.takings_of(doubtful), "few_taking")
    for step in (_CAREFULLY, _LINKS, _BY_NAME_ALONE, _BY_INTENTS_NAME, _BY_STORED_INTENT, _by_amount(limits)):
        engine.execute(step)
    return doubtful


# With the loose takings picked: sales that they mean, or whose payment they are.
_MEANT: Final = """
select place from sale where id in (
    select named from loose
    union all
    select i.named from intention i join loose t on i.id = t.intent where t.named is null)
union all
select place from sale where intent in (select intent from loose)
"""

# A bank may dispute in another currency than was charged: its amounts are not added to the charge's own.
_CAREFULLY: Final = """
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
