"""Stripe's own books held against themselves: fees against the price list, payouts against the ledger.

Every cent that moved stands once in the ledger. What of it became available and was not sent within the
studio's patience, and what was sent in another sum than the ledger says, is a discrepancy. What a payout left
behind is told as short of that payout, and not once more as money that waits.
"""

from typing import Final

import duckdb
import pyarrow as pa

from studio_assets.finance.limits import Limits, micros

_ENTRIES: Final = """
create or replace temp view entry as
select document_id as id, amount_cents as amount, fee_cents as fee, net_cents as net,
       lower(currency) as currency, type, type like 'payout%' as is_payout, source,
       epoch_us(available_at) as ready, epoch_us(created_at) as created
from balance_transactions
"""


def audit_books(engine: duckdb.DuckDBPyConnection, limits: Limits, as_of: int) -> pa.Table:
    """Return the discrepancies of fees and payouts, in the columns of ``classify.classify``.

    ``domain`` is ``b`` for a ledger entry, ``p`` for a payout and ``w`` for money that waits, by currency.

    Args:
        engine: After ``tables.load``.
        limits: The studio's terms.
        as_of: What the tables show, in microseconds since 1970.
    """
    fee = f"((amount * {limits.fee_per_mille} + 500) // 1000 + {limits.fee_fixed_cents})"
    patience = micros(limits.payout_patience)
    engine.execute(_ENTRIES)
    return engine.sql(f"""
with sent as (
    select p.document_id as id, p.amount_cents as amount, lower(p.currency) as currency, p.status,
           epoch_us(p.arrival_date) as due, epoch_us(p.created_at) as created, e.amount as ledger,
           p.balance_transaction is not null and e.id is null as is_unbooked
    from payouts p left join entry e on e.id = p.balance_transaction
),
newest as (
    select currency, max(created) as created from sent
    where status not in ('failed', 'canceled') group by currency
),
balance as (
    select e.currency, sum(e.net) filter (e.ready <= {as_of}) as ready,
           sum(e.net) filter (case when is_payout then e.created <= {as_of}
                              else e.ready <= {as_of - patience} end) as long_ready,
           sum(e.net) filter (case when is_payout then e.created <= n.created
                              else e.ready <= n.created end)::bigint as ready_then
    from entry e left join newest n on n.currency = e.currency group by e.currency
),
short as (
    select s.id, s.amount, s.currency, s.created, b.ready_then as missing
    from sent s join newest n on n.currency = s.currency and n.created = s.created
    join balance b on b.currency = s.currency
    where s.ledger is not null and s.status not in ('failed', 'canceled') and b.ready_then > 0
),
waiting as (
    select b.currency, least(ready, long_ready) - coalesce(s.missing, 0) as net
    from balance b left join (select currency, max(missing) as missing from short group by currency) s
      on s.currency = b.currency
)
select 'fee_drift' as kind, 'b' as domain, id as subject, {fee}::bigint
       as expected, fee::bigint as observed, currency, created as since, null::varchar as how,
       case when source is null then []::varchar[] else [source] end as taken_ids,
       []::varchar[] as back_ids, []::varchar[] as quarrel_ids, [id] as other_ids, null::varchar as intent,
       created as money_at, null::bigint as recorded_at
from entry
where type in ('charge', 'payment') and amount > 0
  and abs(fee - {fee}) > {limits.fee_tolerance_cents}
union all
select 'payout_short', 'p', id, -ledger, amount, currency, created, null, [], [], [], [id], null, created,
       null
from sent where ledger is not null and status not in ('failed', 'canceled') and amount <> -ledger
union all
select 'payout_short', 'p', id, amount + missing, amount, currency, created, null, [], [], [], [id], null,
       created, null
from short
union all
select 'payout_missing', 'p', id, amount, 0, currency, created, null, [], [], [], [id], null, created, null
from sent
where status in ('failed', 'canceled') and (not exists (
          select 1 from entry
          where entry.source = sent.id and entry.type in ('payout_failure', 'payout_cancel'))
       or created >= coalesce((select max(n.created) from newest n where n.currency = sent.currency), 0))
   or status in ('pending', 'in_transit') and {as_of} - due > {patience}
   or is_unbooked
union all
select 'payout_missing', 'w', currency, net::bigint, 0, currency, {as_of - patience}, null, [], [], [], [],
       null, null, null
from waiting w where net > 0 and currency not in (
    select currency from sent where created > {as_of - patience})
""").to_arrow_table()
