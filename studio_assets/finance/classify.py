"""What is wrong with each sale, taking, ledger entry and payout: the classes as predicates over joined facts.

Every class is one predicate. All that hold are told, except those that a class further up hides because they
would say the same again. Nothing depends on the order of rows: the taking that counts as a sale's own is the
one that was not given back, then the one whose intent the order stores, then the earliest, then by id.
"""

from typing import Final

import duckdb
import pyarrow as pa

from studio_assets.finance.classes import Kind, hidden_by
from studio_assets.finance.limits import Limits, micros
from studio_assets.finance.match import TAX

# How long after the money an order's last change must lie for a message to have set it back, where the order
# itself does not remember having been paid.
_SET_BACK_AFTER: Final = 600_000_000

_MONEY: Final = """
create or replace temp table money as
select l.domain, l.sold, l.how, t.* exclude (place, domain),
       coalesce(s.mode is not null and (s.mode = 'live') <> t.livemode, false) as is_foreign,
       row_number() over (
           partition by l.domain, l.sold,
                        coalesce(s.mode is not null and (s.mode = 'live') <> t.livemode, false)
           order by t.given_back >= t.amount, coalesce(s.intent <> t.intent, false), t.created, t.id
       ) as place
from link l
join case_taking t on t.id = l.taken
join case_sale s on s.id = l.sold and s.domain = l.domain
"""

_SUMS: Final = """
select domain, sold,
       count(*) filter (not is_foreign) as takings,
       count(*) filter (not is_foreign and given_back < amount) as kept,
       count(*) filter (is_foreign) as foreign_takings,
       sum(amount) filter (not is_foreign)::bigint as taken,
       sum(amount) filter (not is_foreign and given_back < amount)::bigint as kept_cents,
       sum(given_back) filter (not is_foreign)::bigint as all_back,
       sum(withdrawn) filter (not is_foreign)::bigint as all_withdrawn,
       max(last_back) filter (not is_foreign) as last_back,
       max(created) filter (not is_foreign) as last_taken,
       coalesce(bool_or(given_back > 0 and given_back + withdrawn > amount) filter (not is_foreign), false)
           as has_over,
       max(outcome) filter (not is_foreign and outcome = 'open') as has_open,
       max(outcome) filter (not is_foreign and outcome = 'lost') as has_lost,
       max(outcome) filter (not is_foreign and outcome = 'won') as has_won,
       min(quarrel_since) as quarrel_since,
       list(id order by created, id) as taken_ids,
       flatten(list(back_ids order by created, id) filter (back_ids is not null)) as back_ids,
       flatten(list(quarrel_ids order by created, id) filter (quarrel_ids is not null)) as quarrel_ids,
       max(how) filter (how <> 'named') as how,
       coalesce(bool_or(is_mixed) filter (not is_foreign), false)
           or count(distinct currency) filter (not is_foreign) > 1 as is_mixed
from money group by domain, sold
"""


# Sales without money, which may claim the payment of another.
_UNPAID: Final = """
create or replace temp table unpaid as
select domain, id, intent, session from case_sale s
where (intent is not null or session is not null) and not exists (
    select 1 from money m where m.domain = s.domain and m.sold = s.id and not m.is_foreign)
"""


def _facts(limits: Limits) -> str:
    tax = TAX.format(sale="s", rate=limits.tax_per_mille)
    return f"""
create or replace temp table fact as
with sums as ({_SUMS}),
own as (select * from money where place = 1 and not is_foreign),
crowd as (select signup, count(*) as checkouts, count(*) filter (state = 'pending') as payable,
                 list(id order by id) as checkout_ids, max(id) as last_id
          from case_sale where signup is not null group by signup having count(*) > 1),
twin as (
    select domain, id, min(twin_id) as twin_id from (
        select s.domain, s.id, o.id as twin_id from unpaid s join near o
            on o.intent = s.intent and o.domain = s.domain where o.id <> s.id
        union all
        select s.domain, s.id, o.id from unpaid s join near o
            on o.session = s.session and o.domain = s.domain where o.id <> s.id
    ) group by domain, id),
raw as (
    select s.*, {tax} as tax, p.id as own_id, p.amount as own, p.currency as own_currency,
           p.created as own_created, p.given_back as own_back, p.withdrawn as own_withdrawn, p.entry,
           p.source as own_source, m.* exclude (domain, sold),
           coalesce(m.takings, 0) > 0 as has, c.checkouts, c.payable, c.checkout_ids, c.last_id, w.twin_id,
           i.status as intent_status, i.created as intent_created,
           s.state = 'paid' and not s.is_prepaid as is_held
    from case_sale s
    left join sums m on m.domain = s.domain and m.sold = s.id
    left join own p on p.domain = s.domain and p.sold = s.id
    left join crowd c on c.signup = s.signup
    left join twin w on w.domain = s.domain and w.id = s.id
    left join intention i on i.id = s.intent
)
select *,
       case when not has or total = 0 or own_currency is distinct from currency or is_prepaid then 0
            when domain <> 'a' and abs(own - total - tax) <= {limits.tax_rounding_cents} then 0
            when domain <> 'a' and abs(own - total - tax) < abs(own - total) then own - total - tax
            else own - total end as residual
from raw
"""


def predicates(limits: Limits, as_of: int) -> dict[Kind, str]:
    """Return class -> what must hold of a row of ``fact``; ``as_of`` in microseconds since 1970."""
    grace, news = micros(limits.grace), micros(limits.news)
    set_back = (
        "is_set_back or (domain = 'a' and has and state = 'pending' and payment_status = 'payment_pending' "
        f"and intent is not null and updated - own_created > {_SET_BACK_AFTER})"
    )
    has_quarrel = "coalesce(has_open, has_lost, has_won) is not null"
    is_waiting_for_intent = (
        "intent_status in ('requires_payment_method', 'requires_confirmation', 'requires_action', "
        "'processing', 'requires_capture') and payment_status <> 'payment_failed' "
        f"and {as_of} - created < {micros(limits.authorisation)}"
    )
    return {
        Kind.MODE_MIX: "foreign_takings > 0",
        Kind.CURRENCY_MISMATCH: "has and own_currency is distinct from currency",
        Kind.CHARGE_WITHOUT_ORDER: f"has and state in ('pending', 'void') and own_back < own "
        f"and not ({has_quarrel}) and {as_of} - own_created > {grace}",
        Kind.ORDER_WITHOUT_CHARGE: "is_held and not has "
        f"and {as_of} - coalesce(paid, updated, created) > {grace}",
        Kind.DUPLICATE_CHARGE: "kept > 1 or (has and is_prepaid and own_back < own)",
        Kind.DUPLICATE_ORDER: "twin_id is not null and not has",
        Kind.AMOUNT_MISMATCH: f"abs(residual) > {limits.rounding_cents}",
        Kind.DISPUTE_LOST: "has_lost is not null and has_open is null",
        Kind.DISPUTE_OPEN: "has_open is not null",
        Kind.DISPUTE_WON: "has_won is not null and has_open is null and has_lost is null "
        "and state = 'disputed'",
        Kind.REFUND_OVER: "has_over",
        Kind.REFUND_MISSING: f"state = 'refunded' and has and all_back = 0 and not ({has_quarrel}) "
        f"and {as_of} - updated > {grace}",
        Kind.PARTIAL_REFUND: f"state = 'refunded' and has and all_back > 0 and own_back < own "
        f"and not ({has_quarrel})",
        Kind.REFUND_UNRECORDED: f"state = 'paid' and has and own_back > 0 and {as_of} - last_back > {grace}",
        Kind.REGRESSED_PAYMENT: set_back,
        Kind.EXPIRED_AUTHORISATION: "state = 'pending' and not has and intent_status = 'canceled'",
        Kind.TWO_PAYABLE_SESSIONS: f"payable > 0 and id = last_id and {as_of} - created < {news}",
        Kind.LEDGER_MISMATCH: f"has and entry is null and {as_of} - own_created > {grace}",
        Kind.LATE_CAPTURE: f"has and own_created - created > {micros(limits.late_capture)} "
        f"and {as_of} - own_created < {news}",
        Kind.METADATA_LOST: "how is not null",
        Kind.CUSTOMER_DELETED: "uid is null and (has or is_held)",
        Kind.ROUNDING: f"residual <> 0 and abs(residual) <= {limits.rounding_cents}",
        Kind.DAY_EDGE: f"state = 'paid' and has and paid - own_created > {grace} "
        f"and {as_of} - own_created < {news}",
        Kind.ABANDONED_CHECKOUT: f"state = 'pending' and not has and not is_prepaid "
        f"and coalesce(payable, 0) + coalesce(checkouts, 0) = 0 "
        f"and {as_of} - created > {micros(limits.cart_age)} and {as_of} - created < {news} "
        f"and coalesce(not ({is_waiting_for_intent}), true) "
        "and coalesce(intent_status <> 'canceled', true)",
    }


# Class -> expected and observed cents of a sale, and the currency; null where no money is at odds.
_AMOUNTS: Final = {
    Kind.MODE_MIX: ("total", "0", "currency"),
    Kind.CURRENCY_MISMATCH: ("0", "own", "own_currency"),
    Kind.CHARGE_WITHOUT_ORDER: ("0", "own - own_back", "own_currency"),
    Kind.ORDER_WITHOUT_CHARGE: ("total", "0", "currency"),
    Kind.DUPLICATE_CHARGE: ("case when is_prepaid then 0 else own end", "kept_cents", "own_currency"),
    Kind.DUPLICATE_ORDER: ("total", "0", "currency"),
    Kind.AMOUNT_MISMATCH: ("own - residual", "own", "own_currency"),
    Kind.ROUNDING: ("own - residual", "own", "own_currency"),
    Kind.DISPUTE_LOST: ("taken", "taken - all_withdrawn", "own_currency"),
    Kind.DISPUTE_OPEN: ("taken", "taken - all_withdrawn", "own_currency"),
    Kind.DISPUTE_WON: ("0", "own - own_withdrawn", "own_currency"),
    Kind.REFUND_OVER: ("taken", "all_back + all_withdrawn", "own_currency"),
    Kind.REFUND_MISSING: ("taken", "0", "own_currency"),
    Kind.PARTIAL_REFUND: ("own", "own_back", "own_currency"),
    Kind.REFUND_UNRECORDED: ("0", "own_back", "own_currency"),
    Kind.LEDGER_MISMATCH: ("own", "0", "own_currency"),
}
_NOTHING: Final = ("null", "null", "null")
# Classes whose amounts are sums over all money of a sale: told without amounts where its currencies differ.
_SUMMED: Final = frozenset(
    {Kind.DUPLICATE_CHARGE, Kind.DISPUTE_LOST, Kind.DISPUTE_OPEN, Kind.REFUND_OVER, Kind.REFUND_MISSING}
)
_SINCE: Final = {
    Kind.ORDER_WITHOUT_CHARGE: "coalesce(paid, updated, created)",
    Kind.DUPLICATE_CHARGE: "last_taken",
    Kind.DISPUTE_LOST: "quarrel_since",
    Kind.DISPUTE_OPEN: "quarrel_since",
    Kind.DISPUTE_WON: "quarrel_since",
    Kind.REFUND_OVER: "last_back",
    Kind.REFUND_MISSING: "updated",
    Kind.PARTIAL_REFUND: "last_back",
    Kind.REFUND_UNRECORDED: "last_back",
    Kind.REGRESSED_PAYMENT: "updated",
    Kind.DAY_EDGE: "own_created",
    Kind.DUPLICATE_ORDER: "created",
    Kind.TWO_PAYABLE_SESSIONS: "created",
    Kind.ABANDONED_CHECKOUT: "created",
    Kind.EXPIRED_AUTHORISATION: "coalesce(intent_created, created)",
}


def classify(engine: duckdb.DuckDBPyConnection, limits: Limits, as_of: int) -> pa.Table:
    """Return every discrepancy of sales and takings, one row each, in no order.

    Leaves the tables ``money`` and ``fact`` for the conservation.

    Args:
        engine: After ``match.match``.
        limits: The studio's terms.
        as_of: What the tables show, in microseconds since 1970.
    """
    for step in (_MONEY, _UNPAID, _facts(limits)):
        engine.execute(step)
    wanted = predicates(limits, as_of)
    flags = ",\n".join(f"coalesce({said}, false) as {kind.value}" for kind, said in wanted.items())
    engine.execute(f"create or replace temp table judged as select *, {flags} from fact")
    told = ",\n".join(_told(kind) for kind in wanted)
    return engine.sql(f"""
select t.kind, domain, id as subject, t.expected, t.observed, t.currency, t.since, how, taken_ids, back_ids,
       quarrel_ids, case t.kind when 'two_payable_sessions' then checkout_ids
                                when 'duplicate_order' then [twin_id] else [] end as other_ids,
       case when has then null else intent end as intent, own_created as money_at, paid as recorded_at
from (select *, unnest(list_filter([{told}], lambda one: one is not null)) as t
      from judged where {" or ".join(kind.value for kind in wanted)})
union all
{_orphans(limits, as_of)}""").to_arrow_table()


def _told(kind: Kind) -> str:
    """Return a structure where a class is to be told, null elsewhere."""
    hidden = "".join(f" and not {other.value}" for other in sorted(hidden_by(kind)))
    expected, observed, currency = _AMOUNTS.get(kind, _NOTHING)
    if kind in _SUMMED:
        expected, observed = (f"case when not is_mixed then {amount} end" for amount in (expected, observed))
    since = _SINCE.get(kind, "coalesce(own_created, created)")
    return (
        f"case when {kind.value}{hidden} then {{kind: '{kind.value}', expected: ({expected})::bigint, "
        f"observed: ({observed})::bigint, currency: ({currency})::varchar, since: ({since})::bigint}} end"
    )


def _orphans(limits: Limits, as_of: int) -> str:
    """Takings without a sale. What the portal sold without an order, as it says itself, is no discrepancy."""
    return f"""
select 'missing_order', 'c', id, 0::bigint, (amount - given_back - withdrawn)::bigint, currency, created,
       case when named is null then 'nameless' end, [id], back_ids, quarrel_ids, []::varchar[], intent,
       created, null
from case_taking
where id not in (select taken from link)
  and (named is not null or source is distinct from 'portal')
  and amount > given_back and {as_of} - created > {micros(limits.grace)}
union all
select 'dispute_' || outcome, 'c', id, amount, (amount - withdrawn)::bigint, currency, quarrel_since, null,
       [id], back_ids, quarrel_ids, []::varchar[], intent, created, null
from case_taking
where id not in (select taken from link) and outcome in ('open', 'lost')
  and named is null and source = 'portal'
"""
