"""Which money belongs to which sale: by name first, then by stored ids, then by amount, time and customer.

Most pairs are plainly in order, and one join over everything finds them; only what is left is looked at with
care. What links by amount, time and customer must link one way only: a tie is refused, never guessed. Money
of test mode never pays a sale of live mode, nor the other way round.
"""

from typing import Final

import duckdb

from studio_assets.finance.limits import Limits, micros

# Tax, where there is any, as Stripe adds it: half up on the total.
TAX: Final = "case when {sale}.domain = 'a' then 0 else ({sale}.total * {rate} + 500) // 1000 end"


def match(engine: duckdb.DuckDBPyConnection, limits: Limits, *, is_thorough: bool = False) -> None:
    """Link takings to sales.

    Leaves three tables: ``pair`` (one row per sale and taking that name each other, or that stand alone),
    ``doubtful`` (hashes of the ids of sales to look at with care) and ``link`` (taking -> sale, among those).

    Args:
        engine: After ``tables.load``.
        limits: The studio's terms.
        is_thorough: Look at everything with care; slower, and the same result.
    """
    engine.execute(_pairs(limits, is_thorough=is_thorough))
    engine.execute(_DOUBTFUL)
    engine.execute(_CAREFULLY)
    engine.execute(_LINKS)
    for step in (_BY_NAME_ALONE, _BY_INTENTS_NAME, _BY_STORED_INTENT, _by_amount(limits)):
        engine.execute(step)


def _pairs(limits: Limits, *, is_thorough: bool) -> str:
    tax = TAX.format(sale="s", rate=limits.tax_per_mille)
    return f"""
create or replace temp table pair as
with touched as (select charge from back union select charge from quarrel),
     crowded as (select signup from sale where signup is not null group by signup having count(*) > 1),
     side as (select * from sale where not is_prepaid or state <> 'paid'
              or id in (select named from taking where domain = 'a'))
select case when s.id is null then null else hash(s.id) end as h, t.id as taken,
       coalesce(t.currency, s.currency) as currency, t.amount as amount,
       case when s.id is null then null else s.total end as total,
       coalesce({not is_thorough}
           and s.id is not null and t.id is not null
           and s.state = 'paid' and not s.is_set_back and not s.is_prepaid and s.uid is not null
           and s.currency = t.currency and (s.mode is null or (s.mode = 'live') = t.livemode)
           and (s.intent is null or s.intent = t.intent) and t.entry is not null
           and s.total > 0
           and (t.amount = s.total
                or (s.domain <> 'a' and abs(t.amount - s.total - {tax}) <= {limits.tax_rounding_cents}))
           and t.created - s.created <= {micros(limits.late_capture)}
           and (s.paid is null or s.paid - t.created <= {micros(limits.grace)})
           and t.id not in (select charge from touched where charge is not null)
           and (s.signup is null or s.signup not in (select signup from crowded)), false) as is_fine
from side s
full join taking t on t.named = s.id and t.domain = s.domain
"""


_DOUBTFUL: Final = """
create or replace temp table doubtful as
select h from pair where h is not null and not is_fine
union
select h from pair where h is not null group by h having count(*) > 1
union
select hash(named) from taking where named is not null and id in (select taken from pair where h is null)
union
select hash(i.named) from intention i join taking t on t.intent = i.id
where t.named is null and i.named is not null and t.id in (select taken from pair where h is null)
union
select hash(s.id) from sale s join taking t on t.intent = s.intent
where t.id in (select taken from pair where h is null)
"""

_CAREFULLY: Final = """
create or replace temp table case_sale as
select * from sale where hash(id) in (select h from doubtful);
create or replace temp table case_taking as
select t.*, coalesce(b.amount, 0) as given_back, b.last as last_back, b.ids as back_ids,
       coalesce(q.withdrawn, 0) as withdrawn, q.outcome, q.ids as quarrel_ids, q.since as quarrel_since,
       coalesce(q.amount, 0) as disputed
from taking t
left join (select charge, sum(amount)::bigint as amount, max(created) as last,
                  list(id order by id) as ids from back group by charge) b on b.charge = t.id
left join (select charge, sum(withdrawn)::bigint as withdrawn, sum(amount)::bigint as amount,
                  case when bool_or(outcome = 'open') then 'open'
                       when bool_or(outcome = 'lost') then 'lost' else 'won' end as outcome,
                  list(id order by id) as ids, min(created) as since from quarrel group by charge) q
       on q.charge = t.id
where t.id in (select taken from pair where h is null and taken is not null)
   or (t.named is not null and hash(t.named) in (select h from doubtful))
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
where {_LOOSE} and (t.named is null or t.named not in (select id from sale)) {_ONE}
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
