"""Contract tables as the join engine sees them: one shape for every sale, one for every taking of money.

Amounts are integer minor units with their currency in lower case; instants are microseconds since 1970, so
nothing depends on the engine's idea of time zones. A row handed in twice counts once. Every sale and every
taking has a place, a small number, so that rows can be picked from the tables without looking for them. Most
sales are ``is_plain`` (paid, and nothing else) or ``is_settled`` (prepaid, so that no money is expected), as
their own columns say with the least of looking.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.finance.limits import micros

ORDER_CONTRACTS: Final[Mapping[str, str]] = {
    "m": "materials_orders",
    "e": "event_charges",
    "a": "agent_orders",
}
"""Letter of a kind of sale -> contract whose rows are the orders."""

STRIPE_CONTRACTS: Final = (
    *("payment_intents", "charges", "refunds", "disputes", "payouts"),
    "balance_transactions",
)
SOURCES: Final = (*ORDER_CONTRACTS.values(), *STRIPE_CONTRACTS)

# Of two versions of one object, which is the later: Stripe's objects do not say when they last changed, but
# only ever go one way. Portal documents say it themselves (updated_at).
_LATER: Final[Mapping[str, str]] = {
    "payment_intents": "list_position(['processing', 'requires_capture', 'canceled', 'succeeded'], status)",
    "charges": "list_position(['pending', 'failed', 'succeeded'], status) desc nulls last, "
    "captured desc nulls last, amount_refunded_cents desc nulls last, disputed",
    "refunds": "list_position(['pending', 'succeeded', 'canceled', 'failed'], status)",
    "disputes": "list_position(['warning_under_review', 'under_review', 'warning_closed', 'prevented', "
    "'lost', 'won'], status)",
    "payouts": "list_position(['pending', 'in_transit', 'paid', 'canceled', 'failed'], status)",
    "balance_transactions": "list_position(['pending', 'available'], status)",
}
_TAKEN: Final = "charges"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MEMORY: Final = "1GB"

# What the portal says became of an order. A present paid_at means paid unless a refund or dispute followed.
_STATE: Final = """
    case when payment_status = 'refunded' or status = 'refunded' then 'refunded'
         when payment_status = 'disputed' or status = 'disputed' then 'disputed'
         when payment_status = 'cancelled' or status = 'cancelled' then 'void'
         when {is_paid} then 'paid' else 'pending' end"""
_SOLD: Final = "status in ('paid', 'picked_up', 'fulfilled', 'completed')"
_IS_SOMEBODYS: Final = "uid >= '!'"  # nothing blank comes after this
_SERVICE_PAID: Final = "payment_status in ('paid', 'paid_prepay', 'payment_succeeded')"
_PREPAID: Final = "(payment_provider = 'internal_prepay' or payment_status = 'paid_prepay')"
_STANDS: Final = "status not in ('refunded', 'disputed', 'cancelled')"
_BACKWARDS: Final = "('payment_pending', 'checkout_pending', 'checkout_created', 'payment_failed')"

_SALES: Final = f"""
create or replace temp view {{name}} as
select place, 'm' as domain, document_id as id, nullif(trim(uid), '') as uid, lower(currency) as currency,
       coalesce(total_cents, 0) as total, mode, payment_status, stripe_payment_intent_id as intent,
       stripe_checkout_session_id as session, null::varchar as signup, epoch_us(paid_at) as paid,
       epoch_us(created_at) as created, epoch_us(updated_at) as updated, false as is_prepaid,
       {_STATE.format(is_paid=f"paid_at is not null or payment_status = 'paid' or {_SOLD}")} as state,
       paid_at is not null and payment_status in {_BACKWARDS} as is_set_back, currency as spelled,
       payment_status = 'paid' and {_SOLD} and {_IS_SOMEBODYS} and total_cents > 0 as is_plain,
       false as is_settled
from {{materials_orders}}
union all
select place, 'e', document_id, nullif(trim(uid), ''), lower(currency), coalesce(total_cents, 0), mode,
       payment_status, stripe_payment_intent_id, stripe_checkout_session_id, signup_id, epoch_us(paid_at),
       epoch_us(created_at), epoch_us(updated_at), false,
       case when payment_status in ('refunded', 'disputed') then payment_status
            when paid_at is not null or payment_status = 'paid' then 'paid' else 'pending' end,
       paid_at is not null and payment_status in {_BACKWARDS}, currency,
       payment_status = 'paid' and {_IS_SOMEBODYS} and total_cents > 0, false
from {{event_charges}}
union all
select place, 'a', document_id, nullif(trim(uid), ''), lower(currency), coalesce(amount_cents, 0), mode,
       payment_status, stripe_payment_intent_id, null, null, null, epoch_us(created_at),
       epoch_us(updated_at), coalesce({_PREPAID}, false),
       {_STATE.format(is_paid=f"{_SERVICE_PAID} or status = 'paid'")}, false, currency,
       {_SERVICE_PAID} and coalesce(not ({_PREPAID}), true) and {_STANDS} and {_IS_SOMEBODYS}
           and amount_cents > 0,
       coalesce({_PREPAID} and {_SERVICE_PAID} and {_STANDS}, false)
from {{agent_orders}}
"""

_NAME: Final = (
    "coalesce(metadata_order_id, metadata_materials_order_id, metadata_agent_order_id, "
    "metadata_event_charge_id, metadata_charge_id)"
)
_DOMAIN: Final = """
    case when metadata_agent_order_id is not null or metadata_source = 'agent' then 'a'
         when metadata_event_charge_id is not null or metadata_charge_id is not null
              or metadata_source = 'events' then 'e'
         when metadata_materials_order_id is not null or metadata_source = 'materials' then 'm' end"""

_TAKINGS: Final = f"""
create or replace temp view {{name}} as
select place, document_id as id, payment_intent as intent,
       coalesce(amount_captured_cents, amount_cents) as amount,
       lower(currency) as currency, currency as spelled, livemode, {_NAME} as named, {_DOMAIN} as domain,
       metadata_uid as uid, metadata_source as source, balance_transaction as entry,
       epoch_us(created_at) as created
from {{charges}}
where status = 'succeeded' and captured is distinct from false
"""

_INTENTS: Final = f"""
create or replace temp view intention as
select document_id as id, status, {_NAME} as named, {_DOMAIN} as domain, latest_charge,
       epoch_us(created_at) as created
from payment_intents
"""

_BACK: Final = """
create or replace temp table back as
select r.document_id as id, coalesce(r.charge, c.id) as charge, r.amount_cents as amount,
       lower(r.currency) as currency, epoch_us(r.created_at) as created
from refunds r
left join (
    select intent, min(id) as id from taking
    where intent in (select payment_intent from refunds where charge is null) group by intent
) c on r.charge is null and c.intent = r.payment_intent
where r.status is null or r.status not in ('failed', 'canceled')
"""

_CASES: Final = """
create or replace temp table quarrel as
select d.document_id as id, coalesce(d.charge, c.id) as charge, d.amount_cents as amount,
       lower(d.currency) as currency, epoch_us(d.created_at) as created,
       case when d.status = 'lost' then 'lost'
            when d.status in ('won', 'warning_closed', 'prevented') then 'won' else 'open' end as outcome,
       case when d.status in ('won', 'warning_closed', 'prevented', 'warning_needs_response',
                              'warning_under_review') then 0 else d.amount_cents end as withdrawn
from disputes d
left join (
    select intent, min(id) as id from taking
    where intent in (select payment_intent from disputes where charge is null) group by intent
) c on d.charge is null and c.intent = d.payment_intent
"""


_TOUCHED: Final = """
create or replace temp table touched as
select place, id from taking where id in (select charge from back union all select charge from quarrel)
"""


def open_engine(threads: int = 2, memory: str = _MEMORY) -> duckdb.DuckDBPyConnection:
    """Return a join engine in this process: no files, no extensions, no network."""
    engine = duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": memory,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "enable_external_access": False,
        },
    )
    engine.execute("set preserve_insertion_order = false")
    return engine


class Shelf:
    """The tables as the engine has them, from which rows can be picked by their places."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> None:
        """Show the tables to the engine, and the views ``sale`` and ``taking`` over them.

        Args:
            engine: Of :func:`open_engine`.
            tables: Contract name -> rows; the names of :data:`SOURCES`. What is absent is taken as empty.
        """
        self._engine = engine
        self._placed: dict[str, tuple[int, pa.Table]] = {}
        first = 0
        for name in SOURCES:
            table = tables.get(name)
            if table is None:
                table = arrow_schema(catalog.collection(name)).empty_table()
            if not _is_ascending(table):
                table = _once(engine, name, table)
            if name in ORDER_CONTRACTS.values():
                table, first = self._place(name, table, first), first + table.num_rows
            elif name == _TAKEN:
                table = self._place(name, table, 0)
            engine.register(name, table)
        self._show("", {name: name for name in self._placed})

    def pick(self, sales: pa.Array, takings: pa.Array) -> None:
        """Show the sales and takings of these places as ``few_sale`` and ``few_taking``."""
        for name, (first, table) in self._placed.items():
            places = takings if name == _TAKEN else sales
            is_mine = pc.and_(pc.greater_equal(places, first), pc.less(places, first + table.num_rows))
            rows = pc.subtract(places.filter(is_mine), pa.scalar(first, places.type))
            self._engine.register(f"few_{name}", table.take(rows))
        self._show("few_", {name: f"few_{name}" for name in self._placed})

    def _place(self, name: str, table: pa.Table, first: int) -> pa.Table:
        places = pa.array(np.arange(first, first + table.num_rows, dtype=np.int32))
        self._placed[name] = first, table.append_column("place", places)
        return self._placed[name][1]

    def _show(self, prefix: str, names: Mapping[str, str]) -> None:
        self._engine.execute(_SALES.format(name=f"{prefix}sale", **names))
        self._engine.execute(_TAKINGS.format(name=f"{prefix}taking", **names))


def load(engine: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> Shelf:
    """Show contract tables to the engine: ``sale``, ``taking``, ``intention``, ``back`` and ``quarrel``.

    ``touched`` are the takings that ``back`` (refunds) and ``quarrel`` (disputes) are about.
    """
    shelf = Shelf(engine, tables)
    for statement in (_INTENTS, _BACK, _CASES, _TOUCHED):
        engine.execute(statement)
    return shelf


def instant(value: int | None) -> datetime | None:
    """Return microseconds since 1970 as an aware UTC instant."""
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def since_epoch(value: datetime) -> int:
    """Return an aware instant as microseconds since 1970."""
    return micros(value.astimezone(UTC) - _EPOCH)


def _is_ascending(table: pa.Table) -> bool:
    """Say whether every id is there once, as raw reads hold them: in order."""
    ids = table.column("document_id")
    if table.num_rows < 2:
        return True
    return bool(pc.all(pc.less(ids.slice(0, len(ids) - 1), ids.slice(1))).as_py())


def _once(engine: duckdb.DuckDBPyConnection, contract: str, table: pa.Table) -> pa.Table:
    """Return a table with every id once: the newest version, whatever order the rows came in."""
    newest = f"{_LATER.get(contract, 'updated_at')} desc nulls last"
    order = ", ".join([newest, *(f'"{name}"' for name in table.column_names if name != "document_id")])
    engine.register("twice", table)
    once = engine.sql(
        f"select * from twice qualify row_number() over (partition by document_id order by {order}) = 1 "
        "order by document_id"
    ).to_arrow_table()
    engine.unregister("twice")
    return once.cast(table.schema)
