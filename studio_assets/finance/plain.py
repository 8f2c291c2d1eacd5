"""What the columns alone tell of every sale and taking, by place: enough to call most of them in order.

Whole columns are gone through at once, which for a million rows costs a few thousandths of a second each. No
word is compared here but with the few that the contract knows; names and intents meet in ``match``. What is
not plain here is not wrong yet: it is looked at with care.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.finance.tables import ORDER_CONTRACTS, Shelf

Places = npt.NDArray[np.int32]
Cents = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

NEVER: Final = -(2**61)
"""Stands for an instant that is not known: long before all others, and half as far as numbers go."""

_ANY_MODE, _TEST, _LIVE = np.int8(-1), np.int8(0), np.int8(1)
_SOLD: Final = ("paid", "picked_up", "fulfilled", "completed")
_SERVICE_PAID: Final = ("paid", "paid_prepay", "payment_succeeded")
_UNDONE: Final = ("refunded", "disputed", "cancelled")


class Coins:
    """Currencies as they are spelled, by numbers that hold for all tables and threads; none is -1."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._lock = Lock()

    def codes(self, column: pa.ChunkedArray) -> Codes:
        """Return the numbers of a column's currencies."""
        first = column[0].as_py() if len(column) else None
        # Most studios take one currency only.
        if first is not None and column.null_count == 0 and pc.all(pc.equal(column, first)).as_py():
            return np.full(len(column), self._code(first), dtype=np.int32)
        encoded = column.combine_chunks().dictionary_encode()
        # One more than there are, so that none (-1) finds its place at the end.
        codes = np.array([*(self._code(each) for each in encoded.dictionary.to_pylist()), -1], dtype=np.int32)
        return np.asarray(codes[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])

    @property
    def names(self) -> Sequence[str]:
        """Return the currencies by number, in lower case: two numbers may have one name."""
        return [spelled.lower() for spelled in self._codes]

    def sums(self, codes: Codes, cents: Cents, which: Mask) -> dict[str | None, tuple[int, int]]:
        """Return currency in lower case -> exact sum and count of some cents; null for those without one."""
        if not which.any():
            return {}
        if not which.all():
            codes, cents = codes[which], cents[which]
        names: list[str | None] = [*self.names, None]
        sums, counts = (np.zeros(len(names), dtype=np.int64) for _ in range(2))
        np.add.at(sums, codes, cents)
        np.add.at(counts, codes, 1)
        total: dict[str | None, tuple[int, int]] = {}
        for name, cent, count in zip(names, sums, counts, strict=True):
            if count:
                before = total.get(name, (0, 0))
                total[name] = before[0] + int(cent), before[1] + int(count)
        return total

    def _code(self, spelled: str) -> int:
        with self._lock:
            return self._codes.setdefault(spelled, len(self._codes))


@dataclass(frozen=True, slots=True)
class Sales:
    """Sales by place.

    Attributes:
        total: Cents; 0 where none are named.
        is_service: Whether it is an agent's order, which bears no tax.
        created: Microseconds since 1970; ``NEVER`` where not known, as ``paid``.
        coin: Number of the currency.
        mode: 1 for live, 0 for any other, -1 where none is named.
        is_plain: Paid by somebody, and nothing else.
        is_settled: Prepaid, so that no money is expected.
    """

    total: Cents
    is_service: Mask
    created: Cents
    paid: Cents
    coin: Codes
    mode: npt.NDArray[np.int8]
    is_plain: Mask
    is_settled: Mask


@dataclass(frozen=True, slots=True)
class Takings:
    """Charges by place, whether they took money or not.

    Attributes:
        amount: Cents.
        created: Microseconds since 1970; ``NEVER`` where not known.
        domain: Place of the kind of sale that it names, among ``ORDER_CONTRACTS``; -1 where it names none.
        is_taking: It took money.
        is_plain: It has its entry in the ledger, and nothing is missing from it.
    """

    amount: Cents
    created: Cents
    coin: Codes
    mode: npt.NDArray[np.int8]
    domain: npt.NDArray[np.int8]
    is_taking: Mask
    is_plain: Mask


def sales_of(shelf: Shelf, coins: Coins) -> Sales:
    """Return the sales of the shelf by place."""
    parts = [
        _sales_in(shelf.table(contract), letter, coins)
        for letter, contract in ORDER_CONTRACTS.items()
        if shelf.count(contract)
    ]
    if len(parts) == 1:  # most studios sell of one kind by far the most; a million numbers are slow to copy
        return parts[0]
    empty = shelf.table(ORDER_CONTRACTS["m"]).slice(0, 0)
    parts = parts or [_sales_in(empty, "m", coins)]
    return Sales(
        *(np.concatenate([getattr(each, name) for each in parts]) for name in Sales.__dataclass_fields__)
    )


def _sales_in(table: pa.Table, letter: str, coins: Coins) -> Sales:
    total = numbers(table["amount_cents" if letter == "a" else "total_cents"], 0)
    is_plain, is_settled = _PLAIN[letter](table)
    uid = table["uid"]
    return Sales(
        total=total,
        is_service=np.full(len(total), letter == "a"),
        created=instants(table["created_at"]),
        paid=np.full(len(total), NEVER) if letter == "a" else instants(table["paid_at"]),
        coin=coins.codes(table["currency"]),
        mode=_modes(pc.equal(table["mode"], "live")),
        # Blanks are nobody. Some lie beyond ASCII, as no plain customer's name does.
        is_plain=is_plain & (total > 0) & mask(pc.greater_equal(uid, "!")) & mask(pc.less(uid, "\x7f")),
        is_settled=is_settled,
    )


def takings_of(shelf: Shelf, coins: Coins) -> Takings:
    """Return the charges of the shelf by place."""
    table = shelf.table("charges")
    coin = coins.codes(table["currency"])
    is_known = mask(pc.and_(pc.is_valid(table["balance_transaction"]), pc.is_valid(table["created_at"])))
    captured = table["captured"]
    is_taken = captured if captured.null_count == 0 else pc.fill_null(captured, fill_value=True)
    return Takings(
        amount=numbers(pc.coalesce(table["amount_captured_cents"], table["amount_cents"]), 0),
        created=instants(table["created_at"]),
        coin=coin,
        mode=_modes(table["livemode"]),
        domain=_domains(table),
        is_taking=mask(pc.equal(table["status"], "succeeded")) & mask(is_taken),
        is_plain=is_known & (coin >= 0),
    )


def _materials(table: pa.Table) -> tuple[Mask, Mask]:
    is_paid = mask(pc.equal(table["payment_status"], "paid")) & is_any(table["status"], _SOLD)
    return is_paid, np.zeros(table.num_rows, dtype=bool)


def _events(table: pa.Table) -> tuple[Mask, Mask]:
    """A seat with more than one checkout is not plain."""
    seats = pc.value_counts(table["signup_id"].drop_null())
    crowded = seats.field("values").filter(pc.greater(seats.field("counts"), 1))
    is_paid = mask(pc.equal(table["payment_status"], "paid"))
    if len(crowded):
        is_paid &= ~mask(pc.is_in(table["signup_id"], value_set=crowded))
    return is_paid, np.zeros(table.num_rows, dtype=bool)


def _services(table: pa.Table) -> tuple[Mask, Mask]:
    payment, status = table["payment_status"], table["status"]
    is_prepaid = mask(pc.equal(table["payment_provider"], "internal_prepay"))
    is_prepaid |= mask(pc.equal(payment, "paid_prepay"))
    stands = mask(pc.is_valid(status)) & ~is_any(status, _UNDONE)
    is_paid = is_any(payment, _SERVICE_PAID) & stands
    return is_paid & ~is_prepaid, is_paid & is_prepaid


_PLAIN: Final[Mapping[str, Callable[[pa.Table], tuple[Mask, Mask]]]] = {
    "m": _materials,
    "e": _events,
    "a": _services,
}
"""Kind of sale -> how its columns say that it is paid by money, or prepaid."""


def _domains(table: pa.Table) -> npt.NDArray[np.int8]:
    domains = np.full(table.num_rows, -1, dtype=np.int8)
    source = table["metadata_source"]
    # The last that fits counts.
    for letter, word, names in (
        ("m", "materials", ("metadata_materials_order_id",)),
        ("e", "events", ("metadata_event_charge_id", "metadata_charge_id")),
        ("a", "agent", ("metadata_agent_order_id",)),
    ):
        place = list(ORDER_CONTRACTS).index(letter)
        domains[mask(pc.equal(source, word))] = place
        for name in names:
            domains[mask(pc.is_valid(table[name]))] = place
    return domains


def is_any(column: pa.ChunkedArray, words: pa.Array | Sequence[str]) -> Mask:
    """Say of each value whether it is one of some words; null is none."""
    # Arrow looks for pandas when it makes an array: only where one is needed, never on import.
    return mask(pc.is_in(column, value_set=words if isinstance(words, pa.Array) else pa.array(words)))


def mask(column: pa.ChunkedArray) -> Mask:
    """Return truths as an array; null is not true."""
    return np.asarray(
        (column if column.null_count == 0 else pc.fill_null(column, fill_value=False)).to_numpy(), dtype=bool
    )


def numbers(column: pa.ChunkedArray, unknown: int) -> Cents:
    """Return integers as an array, with a number for those not known."""
    known = column if column.null_count == 0 else pc.fill_null(column, unknown)
    return np.asarray(known.to_numpy(), dtype=np.int64)


def instants(column: pa.ChunkedArray) -> Cents:
    """Return instants as microseconds since 1970, ``NEVER`` where not known."""
    return numbers(column.cast(pa.int64()), NEVER)


def _modes(is_live: pa.ChunkedArray) -> npt.NDArray[np.int8]:
    return np.asarray(
        np.where(mask(is_live), _LIVE, np.where(mask(pc.is_valid(is_live)), _TEST, _ANY_MODE)), dtype=np.int8
    )
