"""Many looks at the books reconciled in one go: for evaluation, where small books are looked at every day.

Planning the reconciliation's statements costs more than a small studio's rows do. So the books of several
looks are laid side by side as the books of one big studio: ids, customers and currencies bear their look's
number, and all instants are moved so that every look is at the same one. Nothing of one look can then meet
anything of another, the code that reconciles is the asset's own, and a test holds the answers against those
of one look at a time. Orders that name no currency can bear no number with it: a look with such is reconciled
by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.finance.conserve import Conservation
from studio_assets.finance.reconcile import Discrepancy, Reconciliation, reconcile
from studio_assets.finance.tables import ORDER_CONTRACTS, SOURCES

Look = tuple[Mapping[str, pa.Table], datetime]
"""Contract tables, and the instant they show, aware."""

_NUMBER: Final = 4  # digits and a bar
# Everything that two rows may have in common and that is no plain word of the contract.
_SHARED: Final = frozenset(
    {
        *("document_id", "currency", "uid", "signup_id", "event_id", "agent_request_id", "agent_client_id"),
        *("stripe_payment_intent_id", "stripe_checkout_session_id", "payment_intent", "charge"),
        *("latest_charge", "balance_transaction", "source", "metadata_uid"),
        *("metadata_order_id", "metadata_materials_order_id", "metadata_agent_order_id"),
        *("metadata_charge_id", "metadata_event_charge_id", "metadata_signup_id"),
    }
)


def reconcile_all(
    looks: Sequence[Look], *, timezone: str, threads: int = 1, is_thorough: bool = False
) -> list[Reconciliation]:
    """Return the reconciliation of every look, in their order.

    Args:
        looks: At most a thousand; instants must lie whole days apart for their local days to stay apart, and
            the time zone must not change its clocks between them.
        timezone: The studio's time zone.
        threads: For the join engine.
        is_thorough: As for ``reconcile``.

    Raises:
        ValueError: when the instants do not lie whole days apart, or there are too many looks.
    """
    if not looks:
        return []
    at = max(as_of for _, as_of in looks)
    moves = [at - as_of for _, as_of in looks]
    if len(looks) > 10 ** (_NUMBER - 1) or any(move % timedelta(days=1) for move in moves):
        raise ValueError("Looks laid side by side must be few, and whole days apart.")
    beside = [number for number, (tables, _) in enumerate(looks) if _names_every_currency(tables)]
    said = {}
    if beside:
        together = {
            name: pa.concat_tables(
                _marked(looks[number][0][name], number, moves[number]) for number in beside
            )
            for name in SOURCES
        }
        found = reconcile(together, as_of=at, timezone=timezone, threads=threads, is_thorough=is_thorough)
        said = {number: _of_look(found, number, moves[number]) for number in beside}
    for number, (tables, as_of) in enumerate(looks):
        if number not in said:
            said[number] = reconcile(
                tables, as_of=as_of, timezone=timezone, threads=threads, is_thorough=is_thorough
            )
    return [said[number] for number in range(len(looks))]


def _names_every_currency(tables: Mapping[str, pa.Table]) -> bool:
    """Say whether no order is without a currency; Stripe's objects never are."""
    coins = [tables[name]["currency"] for name in ORDER_CONTRACTS.values()]
    return not any(coin.null_count or pc.any(pc.equal(coin, "")).as_py() for coin in coins)


def _mark(number: int) -> str:
    return f"{number:0{_NUMBER - 1}d}|"


def _marked(table: pa.Table, number: int, move: timedelta) -> pa.Table:
    """Return a table with the look's number at everything shared, and its instants moved."""
    columns = [
        _marked_column(field, column, number, move)
        for field, column in zip(table.schema, table.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _marked_column(field: pa.Field, column: pa.ChunkedArray, number: int, move: timedelta) -> pa.ChunkedArray:
    if field.name in _SHARED:
        is_blank = pc.equal(pc.utf8_trim_whitespace(column), "")
        return pc.if_else(is_blank, column, pc.binary_join_element_wise(_mark(number), column, ""))
    if pa.types.is_timestamp(field.type):
        return pc.add(column, pa.scalar(move, pa.duration(field.type.unit)))
    return column


def _of_look(found: Reconciliation, number: int, move: timedelta) -> Reconciliation:
    mark, kept = _mark(number), found.conservation
    return Reconciliation(
        [_unmarked(one, move) for one in found.discrepancies if one.subject.startswith(mark)],
        Conservation(
            {
                currency[_NUMBER:]: cents
                for currency, cents in kept.differences.items()
                if currency.startswith(mark)
            },
            [
                replace(part, currency=part.currency[_NUMBER:])
                for part in kept.parts
                if part.currency.startswith(mark)
            ],
        ),
    )


def _unmarked(one: Discrepancy, move: timedelta) -> Discrepancy:
    def plain(ids: Sequence[str]) -> Sequence[str]:
        return tuple(each[_NUMBER:] for each in ids)

    return replace(
        one,
        subject=one.subject[_NUMBER:],
        currency=one.currency[_NUMBER:] if one.currency else None,
        since=one.since - move if one.since else None,
        charge_ids=plain(one.charge_ids),
        refund_ids=plain(one.refund_ids),
        dispute_ids=plain(one.dispute_ids),
        other_ids=plain(one.other_ids),
        intent_id=one.intent_id[_NUMBER:] if one.intent_id else None,
    )
