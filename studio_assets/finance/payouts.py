"""Stripe's own books held against themselves: fees against the price list, payouts against the ledger.

Every cent that moved stands once in the ledger. What of it became available and was not sent within the
studio's patience, and what was sent in another sum than the ledger says, is a discrepancy. What a payout left
behind is told as short of that payout, and not once more as money that waits.
"""

from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.finance.classes import Kind
from studio_assets.finance.classify import Row
from studio_assets.finance.limits import Limits, micros
from studio_assets.finance.plain import NEVER, Coins, Mask, instants, is_any, mask, numbers
from studio_assets.finance.tables import Shelf, instant

_ENTRIES: Final = """
create temp view entry as
select document_id as id, amount_cents as amount, fee_cents as fee, net_cents as net,
       lower(currency) as currency, type, type like 'payout%' as is_payout, source,
       epoch_us(available_at) as ready, epoch_us(created_at) as created
from few_balance_transactions
"""
_CHARGED: Final = ("charge", "payment")
_UNSENT: Final = ("failed", "canceled")


def audit_books(engine: duckdb.DuckDBPyConnection, shelf: Shelf, limits: Limits, as_of: int) -> list[Row]:
    """Return the discrepancies of fees and payouts.

    ``domain`` is ``b`` for a ledger entry, ``p`` for a payout and ``w`` for money that waits, by currency.

    Args:
        engine: Of the shelf.
        shelf: All payouts and ledger entries.
        limits: The studio's terms.
        as_of: What the tables show, in microseconds since 1970.
    """
    ledger, payouts = shelf.table("balance_transactions"), shelf.table("payouts")
    is_payout = mask(pc.starts_with(ledger["type"], "payout"))
    is_drifting = _is_drifting(ledger, limits)
    balance = _balance(ledger, payouts, is_payout, as_of, micros(limits.payout_patience))
    has_ready = any(row["ready"] > 0 or row["long_ready"] > 0 for row in balance)
    if not (payouts.num_rows or has_ready or is_drifting.any()):
        return []
    is_named = is_any(ledger["document_id"], payouts["balance_transaction"].drop_null().combine_chunks())
    few = np.flatnonzero(is_drifting | is_payout | is_named)
    engine.register("few_balance_transactions", ledger.take(pa.array(few)))
    engine.register("balance", pa.Table.from_pylist(balance, schema=_BALANCE))
    engine.execute(_ENTRIES)
    return [
        (Kind(kind), *said, instant(since), how, *(tuple(ids) for ids in lists), intent)
        for kind, *said, since, how, taken, back, quarrels, others, intent in engine.sql(
            _judged(limits, as_of)
        ).fetchall()
        for lists in [(taken, back, quarrels, others)]
    ]


def _is_drifting(ledger: pa.Table, limits: Limits) -> Mask:
    """Say of each entry whether its fee is not the one agreed on."""
    amount, fee = numbers(ledger["amount_cents"], 0), numbers(ledger["fee_cents"], 0)
    agreed = (amount * limits.fee_per_mille + 500) // 1000 + limits.fee_fixed_cents
    is_off = (amount > 0) & (np.abs(fee - agreed) > limits.fee_tolerance_cents)
    return np.asarray(is_off & is_any(ledger["type"], _CHARGED))


_BALANCE: Final = pa.schema(
    [
        ("currency", pa.string()),
        *((name, pa.int64()) for name in ("ready", "long_ready", "ready_then", "since")),
    ]
)


def _balance(
    ledger: pa.Table, payouts: pa.Table, is_payout: Mask, as_of: int, patience: int
) -> list[dict[str, Any]]:
    """Return by currency what is ready, what has long been, what was at the newest payout, and since when.

    Nothing is 0, so that what is ready but not for long does not wait. Money that was sent counts from then
    on, whenever its entry is ready. ``since`` is when the first money became ready that no payout has
    followed, null where there is none; it stays where it is from look to look.
    """
    newest = _newest(payouts)
    ready, created = instants(ledger["available_at"]), instants(ledger["created_at"])
    coins = Coins()
    codes, net = coins.codes(ledger["currency"]), numbers(ledger["net_cents"], 0)
    sent_or_ready = np.where(is_payout, created, ready) if is_payout.any() else ready
    is_long_ready = (sent_or_ready <= as_of - patience) | (is_payout & (sent_or_ready <= as_of))
    sums = {
        "ready": coins.sums(codes, net, ready <= as_of),
        "long_ready": coins.sums(codes, net, is_long_ready),
        "ready_then": {},
    }
    is_after = np.ones(len(codes), dtype=bool)
    if newest:
        is_by_then = (
            sent_or_ready <= np.array([*(newest.get(name, NEVER) for name in coins.names), NEVER])[codes]
        )
        sums["ready_then"], is_after = coins.sums(codes, net, is_by_then), ~is_by_then
    waits = is_after & ~is_payout & (net > 0)
    firsts = np.full(len(coins.names) + 1, as_of)
    np.minimum.at(firsts, codes[waits], ready[waits])
    since: dict[str, int] = {}
    for currency, first in zip(coins.names, firsts.tolist(), strict=False):
        since[currency] = min(first, since.get(currency, as_of))
    return [
        {
            "currency": currency,
            **{name: each.get(currency, (0, 0))[0] for name, each in sums.items()},
            "since": first if first < as_of else None,
        }
        for currency, first in since.items()
    ]


def _newest(payouts: pa.Table) -> dict[str, int]:
    """Return currency -> when the newest payout was made that did not fail."""
    sent: dict[str, int] = {}
    is_unsent = is_any(payouts["status"], pa.array([*_UNSENT, None]))
    made = instants(payouts["created_at"]).tolist()
    for currency, created, is_lost in zip(payouts["currency"].to_pylist(), made, is_unsent, strict=True):
        if not is_lost:
            name = currency.lower()
            sent[name] = max(created, sent.get(name, NEVER))
    return sent


def _judged(limits: Limits, as_of: int) -> str:
    fee = f"((amount * {limits.fee_per_mille} + 500) // 1000 + {limits.fee_fixed_cents})"
    patience = micros(limits.payout_patience)
    return f"""
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
short as (
    select s.id, s.currency, b.ready_then as missing
    from sent s join newest n on n.currency = s.currency and n.created = s.created
    join balance b on b.currency = s.currency
    where s.ledger is not null and s.status not in ('failed', 'canceled') and b.ready_then > 0
    -- Several may have been sent in one second: what they left behind is told of one.
    qualify row_number() over (partition by s.currency order by s.id desc) = 1
),
waiting as (
    select b.currency, since, least(ready, long_ready) - coalesce(s.missing, 0) as net
    from balance b left join short s on s.currency = b.currency
)
select 'fee_drift' as kind, 'b' as domain, id as subject, {fee}::bigint
       as expected, fee::bigint as observed, currency, created as since, null::varchar as how,
       case when source is null then []::varchar[] else [source] end as taken_ids,
       []::varchar[] as back_ids, []::varchar[] as quarrel_ids, [id] as other_ids, null::varchar as intent
from entry
where type in ('charge', 'payment') and amount > 0
  and abs(fee - {fee}) > {limits.fee_tolerance_cents}
union all
select 'payout_short', 'p', id, coalesce(missing, 0)::bigint - ledger, amount, s.currency, created, null,
       [], [], [], [id], null
from sent s left join short using (id)
where ledger is not null and status not in ('failed', 'canceled') and (amount <> -ledger or missing > 0)
union all
select 'payout_missing', 'p', id, amount, 0, currency, created, null, [], [], [], [id], null
from sent
where status in ('failed', 'canceled') and (not exists (
          select 1 from entry
          where entry.source = sent.id and entry.type in ('payout_failure', 'payout_cancel'))
       or created >= coalesce((select max(n.created) from newest n where n.currency = sent.currency), 0))
   or status in ('pending', 'in_transit') and {as_of} - due > {patience}
   or is_unbooked
union all
select 'payout_missing', 'w', currency, net::bigint, 0, currency, since, null, [], [], [], [],
       null
from waiting w where net > 0 and currency not in (
    select currency from sent where created > {as_of - patience})
"""
