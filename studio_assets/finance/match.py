"""Which money belongs to which sale: by name first, then by stored ids, then by amount, time and customer.

Most pairs are plainly in order (see ``pair``); only what is left is looked at with care.

What links by amount, time and customer must link one way only: a tie is refused, never guessed. Money of test
mode never pays a sale of live mode, nor the other way round.
"""

from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.finance.limits import Limits, micros
from studio_assets.finance.pair import Pairs
from studio_assets.finance.plain import Places
from studio_assets.finance.tables import ORDER_CONTRACTS, Shelf

# Tax, where there is any, as Stripe adds it: half up on the total.
TAX: Final = "case when {sale}.domain = 'a' then 0 else ({sale}.total * {rate} + 500) // 1000 end"


# A charge may be a little older than the order it pays: five minutes.
_BEFORE_THE_SALE: Final = 300_000_000


def match(engine: duckdb.DuckDBPyConnection, shelf: Shelf, pairs: Pairs, limits: Limits) -> None:
    """Link takings to sales where that is not plain.

    Leaves those sales and their takings as ``case_sale`` and ``case_taking``, and ``link`` (taking -> sale,
    among those).

    Args:
        engine: Of the shelf.
        shelf: All sales and charges.
        pairs: Of ``pair.pair``.
        limits: The studio's terms.
    """
    shelf.show()
    doubtful, kin = _concerned(engine, shelf, pairs)
    shelf.pick_sales(doubtful, "case_sale")
    shelf.pick_sales(kin, "near")
    shelf.pick_takings(pairs.takings_of(doubtful), "case_taking")
    engine.execute(_LINKS)
    if _count(engine, _ADRIFT):
        engine.execute(_BY_WORD)
        if _count(engine, _NAMELESS):
            engine.execute(links_by_amount(limits))


def _concerned(engine: duckdb.DuckDBPyConnection, shelf: Shelf, pairs: Pairs) -> tuple[Places, Places]:
    """Return places of the sales to look at with care, and of those that share an intent or a session.

    Looked at are the odd ones, and those that a taking means which names no sale there is: by its name in
    another kind of sale, by its intent's name, or by the intent that the sale stores.
    """
    doubtful = pairs.odd
    mine = pa.chunked_array([], pa.string())
    if len(pairs.loose):
        shelf.pick_takings(pairs.loose, "loose")
        mine = engine.sql("select distinct intent from loose where intent is not null").to_arrow_table()[
            "intent"
        ]
        meant = engine.sql(_MEANT).to_arrow_table()["named"]
        doubtful = _all_of(doubtful, *(shelf.places_of(name, meant) for name in ORDER_CONTRACTS.values()))
    kin = [np.zeros(0, dtype=np.int32)]
    for column, more in (
        ("stripe_payment_intent_id", mine),
        ("stripe_checkout_session_id", mine.slice(0, 0)),
    ):
        rows = shelf.sale_rows(doubtful).values()
        asked = [chunk for table in rows if column in table.column_names for chunk in table[column].chunks]
        sought = pa.chunked_array([*asked, *more.chunks], pa.string()).drop_null().unique()
        found = _storing(engine, shelf, column, sought)
        if len(more):
            doubtful = _all_of(
                doubtful, found.filter(pc.is_in(found["word"], value_set=more))["place"].to_numpy()
            )
        often = pc.value_counts(found["word"])
        shared = often.field("values").filter(pc.greater(often.field("counts"), 1))
        kin.append(found.filter(pc.is_in(found["word"], value_set=shared))["place"].to_numpy())
    return doubtful, _all_of(*kin)


def _storing(engine: duckdb.DuckDBPyConnection, shelf: Shelf, column: str, words: pa.Array) -> pa.Table:
    """Return place and word of the sales that store one of some words in a column."""
    tables = {name: shelf.table(name) for name in ORDER_CONTRACTS.values()}
    parts = [
        f"select place, {column} as word from {name} where {column} in (select word from sought)"
        for name, table in tables.items()
        if len(words) and column in table.column_names and table[column].null_count < table.num_rows
    ]
    if not parts:
        return pa.table({"place": pa.array([], pa.int32()), "word": pa.array([], pa.string())})
    engine.register("sought", pa.table({"word": words}))
    return engine.sql(" union all ".join(parts)).to_arrow_table()


def _all_of(*places: Places) -> Places:
    return np.unique(np.concatenate(places))


def _count(engine: duckdb.DuckDBPyConnection, statement: str) -> int:
    return int(engine.execute(statement).fetchall()[0][0])


# With the loose takings picked: names of sales that they mean.
_MEANT: Final = """
select named from loose where named is not null
union all
select i.named from intention i join loose t on i.id = t.intent where i.named is not null
"""

_LINKS: Final = """
create or replace temp table link as
select t.place as taken, s.place as sold, 'named' as how
from case_taking t join case_sale s on t.named = s.id and t.domain = s.domain
"""

# What is not linked by its own name: all of it, and the part that nothing but its amount can link.
_ADRIFT: Final = """
create or replace temp table adrift as
select place, id, named, domain, intent, amount, currency, uid, livemode, created, source from case_taking
where place not in (select taken from link)
"""
_NAMELESS: Final = """
create or replace temp table nameless as
select * from adrift
where named is null and source is distinct from 'portal' and place not in (select taken from link)
"""
# One taking may have one sale; what fits several fits none.
_ONE: Final = "qualify count(*) over (partition by t.place) = 1"
# What names a sale there is, if of another kind, says whose it is not: nothing else links it then.
_NAMES_NONE: Final = "(t.named is null or t.named not in (select id from case_sale))"
_BY_WORD: Final = f"""
insert into link
with by_name_alone as (
    select t.place as taken, s.place as sold, 'named' as how
    from adrift t join case_sale s on t.named = s.id
    where t.domain is null {_ONE}
),
by_intents_name as (
    select t.place as taken, s.place as sold, 'intents_name' as how
    from adrift t join intention i on i.id = t.intent
    join case_sale s on s.id = i.named and (i.domain is null or i.domain = s.domain)
    where {_NAMES_NONE} {_ONE}
),
by_stored_intent as (
    select t.place as taken, s.place as sold, 'stored' as how
    from adrift t join (
        -- An intent that several sales store fits none of them; they are not joined to find that out.
        select intent, min(place) as place from case_sale
        where intent is not null group by intent having count(*) = 1
    ) s on s.intent = t.intent
    where {_NAMES_NONE}
      and t.place not in (select taken from by_name_alone union all select taken from by_intents_name)
)
from by_name_alone union all from by_intents_name union all from by_stored_intent
"""


def links_by_amount(limits: Limits) -> str:
    """Return the statement that links what nothing but amount, time and customer can link, one way only.

    It reads ``nameless`` and the sales without money among ``case_sale``; n of them cost n log n.
    """
    taxed = f"s.total + {TAX.format(sale='s', rate=limits.tax_per_mille)}"
    window, cents = micros(limits.guess_window), limits.tax_rounding_cents
    suits = """s.cents = a.amount and s.currency = a.currency
     and (s.mode is null or (s.mode = 'live') = a.livemode) and (a.domain is null or a.domain = s.domain)"""
    # Thousands may fit thousands, so nothing is held each against each. What is told alike of takings makes a
    # likeness; a sale waits for it from ``early`` until ``late``. One walk through each likeness in order of
    # time knows at a taking how many sales wait, and which where it is one: their places come and go in a
    # sum. At both ends of a wait it knows how many takings came before.
    return f"""
insert into link
with asked as (select distinct amount, currency, livemode, domain, uid from nameless),
sum as (
    select place, domain, uid, currency, mode, coalesce(paid, created) + {window} as late,
           greatest(coalesce(paid, created) - {window}, created - {_BEFORE_THE_SALE}) as early,
           unnest(list_distinct(list_append(
               case when s.domain = 'a' then []::bigint[]
                    else range({taxed} - {cents}, {taxed} + {cents} + 1)
               end, s.total::bigint))) as cents
    from case_sale s
    where total > 0 and state = 'paid' and not is_prepaid and created is not null
      and place not in (select sold from link)
),
wait as (
    select a.*, s.place as sold, s.early, s.late from asked a join sum s on s.uid = a.uid and {suits}
    where s.early <= s.late
    union all
    select a.*, s.place, s.early, s.late from asked a join sum s on {suits}
    where a.uid is null and s.early <= s.late
),
event as (
    select amount, currency, livemode, domain, uid, early as instant, 0 as turn, sold, null as taken from wait
    union all
    select amount, currency, livemode, domain, uid, late, 2, sold, null from wait
    union all
    select amount, currency, livemode, domain, uid, created, 1, null, place from nameless
    where created is not null
),
walked as (
    select turn, sold, taken, sum(1 - turn) over walk as waiting, sum((1 - turn) * sold) over walk as places,
           count(taken) over walk as came
    from event
    window walk as (partition by amount, currency, livemode, domain, uid order by instant, turn
                    rows between unbounded preceding and current row)
)
select taken, places::integer, 'fitting' from walked
where turn = 1 and waiting = 1 and places in (
    select sold from walked where sold is not null
    group by sold having sum((turn - 1) * came) = 1)
"""
