"""Contract tables as the join engine sees them: one shape for every sale, one for every taking of money.

Amounts are integer minor units with their currency in lower case; instants are microseconds since 1970, so
nothing depends on the engine's idea of time zones. A row handed in twice counts once. Every sale and every
taking has a place, a small number, so that rows can be picked from the tables without looking for them.
Planning a statement costs more than a small studio's rows do: nothing is shown before it is asked for.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
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
_MATERIALS: Final = ORDER_CONTRACTS["m"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MEMORY: Final = "1GB"

# What the portal says became of an order. A present paid_at means paid unless a refund or dispute followed.
_STATE: Final = """
    case when payment_status = 'refunded' or status = 'refunded' then 'refunded'
         when payment_status = 'disputed' or status = 'disputed' then 'disputed'
         when payment_status = 'cancelled' or status = 'cancelled' then 'void'
         when {is_paid} then 'paid' else 'pending' end"""
_SOLD: Final = "status in ('paid', 'picked_up', 'fulfilled', 'completed')"
_SERVICE_PAID: Final = "payment_status in ('paid', 'paid_prepay', 'payment_succeeded')"
_PREPAID: Final = "(payment_provider = 'internal_prepay' or payment_status = 'paid_prepay')"
_BACKWARDS: Final = "('payment_pending', 'checkout_pending', 'checkout_created', 'payment_failed')"

_SALE_COLUMNS: Final = (
    "place, domain, id, uid, currency, total, mode, payment_status, intent, session, signup, paid, created, "
    "updated, is_prepaid, state, is_set_back, spelled"
)
_SALES: Final[Mapping[str, str]] = {
    "materials_orders": f"""
select place, 'm', document_id, nullif(trim(uid), ''), lower(currency), coalesce(total_cents, 0), mode,
       payment_status, stripe_payment_intent_id, stripe_checkout_session_id, null::varchar, epoch_us(paid_at),
       epoch_us(created_at), epoch_us(updated_at), false,
       {_STATE.format(is_paid=f"paid_at is not null or payment_status = 'paid' or {_SOLD}")},
       paid_at is not null and payment_status in {_BACKWARDS}, currency
from {{table}}""",
    "event_charges": f"""
select place, 'e', document_id, nullif(trim(uid), ''), lower(currency), coalesce(total_cents, 0), mode,
       payment_status, stripe_payment_intent_id, stripe_checkout_session_id, signup_id, epoch_us(paid_at),
       epoch_us(created_at), epoch_us(updated_at), false,
       case when payment_status in ('refunded', 'disputed') then payment_status
            when paid_at is not null or payment_status = 'paid' then 'paid' else 'pending' end,
       paid_at is not null and payment_status in {_BACKWARDS}, currency
from {{table}}""",
    "agent_orders": f"""
select place, 'a', document_id, nullif(trim(uid), ''), lower(currency), coalesce(amount_cents, 0), mode,
       payment_status, stripe_payment_intent_id, null::varchar, null::varchar, null::bigint,
       epoch_us(created_at), epoch_us(updated_at), coalesce({_PREPAID}, false),
       {_STATE.format(is_paid=f"{_SERVICE_PAID} or status = 'paid'")}, false, currency
from {{table}}""",
}
"""Contract -> its rows as sales."""

TAKING_NAMES: Final = (
    *("metadata_order_id", "metadata_agent_order_id", "metadata_materials_order_id"),
    *("metadata_charge_id", "metadata_event_charge_id"),
)
"""Columns in which a charge may name its sale; the first that is filled counts, as for the portal."""
_NAME: Final = f"coalesce({', '.join(TAKING_NAMES)})"
_DOMAIN: Final = """
    case when metadata_agent_order_id is not null or metadata_source = 'agent' then 'a'
         when metadata_event_charge_id is not null or metadata_charge_id is not null
              or metadata_source = 'events' then 'e'
         when metadata_materials_order_id is not null or metadata_source = 'materials' then 'm' end"""

_TAKINGS: Final = f"""
select place, document_id as id, payment_intent as intent,
       coalesce(amount_captured_cents, amount_cents) as amount,
       lower(currency) as currency, currency as spelled, livemode, {_NAME} as named, {_DOMAIN} as domain,
       metadata_uid as uid, metadata_source as source, balance_transaction as entry,
       epoch_us(created_at) as created
from {{table}}
where status = 'succeeded' and captured is distinct from false
"""

_INTENTS: Final = f"""
create temp view intention as
select document_id as id, status, {_NAME} as named, {_DOMAIN} as domain, latest_charge,
       epoch_us(created_at) as created
from payment_intents
"""

_BACK: Final = """
create temp table back as
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
create temp table quarrel as
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
        """Show the tables to the engine, every id once.

        Args:
            engine: Of :func:`open_engine`.
            tables: Contract name -> rows; the names of :data:`SOURCES`. What is absent is taken as empty.
        """
        self._engine = engine
        self._tables: dict[str, pa.Table] = {}
        self._first: dict[str, int] = {}
        self._is_shown = False
        self._touched = np.zeros(0, dtype=np.int32)
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
            self._tables[name] = table
            engine.register(name, table)

    def table(self, name: str) -> pa.Table:
        """Return a contract's rows, every id once; sales and charges with their places."""
        return self._tables[name]

    def count(self, name: str) -> int:
        """Return how many rows a contract has."""
        return int(self._tables[name].num_rows)

    @property
    def has_returns(self) -> bool:
        """Say whether any money was given back or is quarrelled about."""
        return self.count("refunds") + self.count("disputes") > 0

    def show(self) -> None:
        """Show ``taking``, ``intention``, ``back`` (refunds) and ``quarrel`` (disputes).

        ``touched`` are the takings that these are about. Only the first call does anything.
        """
        if self._is_shown:
            return
        self._is_shown = True
        self._engine.execute(f"create temp view taking as {_TAKINGS.format(table=_TAKEN)}")
        for statement in (_INTENTS, _BACK, _CASES):
            self._engine.execute(statement)
        about = self._engine.sql("select charge from back union select charge from quarrel").to_arrow_table()
        self._touched = self.places_of(_TAKEN, about["charge"])
        self.pick_takings(self._touched, "touched")

    def touched(self) -> npt.NDArray[np.int32]:
        """Return the places of the charges that refunds and disputes are about."""
        self.show()
        return self._touched

    def rows_of(self, name: str, ids: pa.ChunkedArray) -> pa.Table:
        """Return a contract's rows with some ids, ascending; ids unknown are left out."""
        table, wanted = self._tables[name], ids.drop_null().unique()
        if not len(wanted) or not table.num_rows:
            return table.slice(0, 0)
        rows = np.unique(pc.search_sorted(table["document_id"], wanted).to_numpy()).astype(np.int32)
        near = rows_at(table, rows[rows < table.num_rows])
        return near.filter(pc.is_in(near["document_id"], value_set=wanted))

    def places_of(self, name: str, ids: pa.ChunkedArray) -> npt.NDArray[np.int32]:
        """Return the places of a contract's rows with some ids, ascending; ids unknown are left out."""
        return np.asarray(self.rows_of(name, ids)["place"].to_numpy())

    def sale_rows(self, places: npt.NDArray[np.int32]) -> dict[str, pa.Table]:
        """Return by contract the rows of the sales of these places, which ascend; only contracts with any."""
        rows = {}
        for contract in _SALES:
            first, table = self._first[contract], self._tables[contract]
            start, stop = np.searchsorted(places, (first, first + table.num_rows))
            if start < stop:
                rows[contract] = rows_at(table, places[start:stop] - first)
        return rows

    def pick_sales(self, places: npt.NDArray[np.int32], name: str) -> None:
        """Make a table of the sales of these places, which ascend."""
        # An empty one stands for all of them where nothing is picked.
        rows = self.sale_rows(places) or {_MATERIALS: self._tables[_MATERIALS].slice(0, 0)}
        for contract, table in rows.items():
            self._engine.register(f"few_{contract}", table)
        shown = {contract: f"few_{contract}" for contract in rows}
        self._engine.execute(f"create or replace temp table {name} as {_sales(shown)}")

    def pick_takings(self, places: npt.NDArray[np.int32], name: str) -> None:
        """Make a table of the takings of these places, which ascend."""
        self._engine.register("few_charges", rows_at(self._tables[_TAKEN], places))
        self._engine.execute(f"create or replace temp table {name} as {_TAKINGS.format(table='few_charges')}")

    def _place(self, name: str, table: pa.Table, first: int) -> pa.Table:
        self._first[name] = first
        places = pa.array(np.arange(first, first + table.num_rows, dtype=np.int32))
        return table.append_column("place", places)


def load(engine: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> Shelf:
    """Return a shelf with everything shown."""
    shelf = Shelf(engine, tables)
    shelf.show()
    return shelf


def _sales(tables: Mapping[str, str]) -> str:
    """Return the statement that selects the sales in tables, by contract."""
    parts = " union all ".join(_SALES[contract].format(table=table) for contract, table in tables.items())
    return f"with rows ({_SALE_COLUMNS}) as ({parts}) select * from rows"


def instant(value: int | None) -> datetime | None:
    """Return microseconds since 1970 as an aware UTC instant."""
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def since_epoch(value: datetime) -> int:
    """Return an aware instant as microseconds since 1970."""
    return micros(value.astimezone(UTC) - _EPOCH)


def rows_at(table: pa.Table, rows: npt.NDArray[np.int32]) -> pa.Table:
    """Return rows by their numbers, which ascend: batch by batch, for taking from a whole table copies it."""
    taken, first = [], 0
    for batch in table.to_batches():
        start, stop = np.searchsorted(rows, (first, first + batch.num_rows))
        if start < stop:
            taken.append(batch.take(pa.array(rows[start:stop] - first)))
        first += batch.num_rows
    return pa.Table.from_batches(taken, table.schema)


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
