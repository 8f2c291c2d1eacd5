"""What hangs together by ids: rows that name one another, and findings that name them.

Nearly always it is a handful of rows, a few steps off: whole columns are asked for them, which costs a few
thousandths of a second a step. Odd ids may make a chain as long as the books, of which each step finds one
row more. So after some steps what names what is written down once, and then every id and every row is looked
up once: time grows with the rows, whatever hangs on what.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.finance.plain import Mask, mask
from studio_assets.finance.tables import TAKING_NAMES
from studio_assets.findings.making import safe_id

_IDS: Final[Mapping[str, Sequence[str]]] = {
    "materials_orders": ("stripe_payment_intent_id", "stripe_checkout_session_id"),
    "event_charges": ("stripe_payment_intent_id", "stripe_checkout_session_id", "signup_id"),
    "agent_orders": ("stripe_payment_intent_id",),
    "payment_intents": ("latest_charge", *TAKING_NAMES),
    "charges": ("payment_intent", "balance_transaction", *TAKING_NAMES),
    "refunds": ("charge", "payment_intent"),
    "disputes": ("charge", "payment_intent"),
    "payouts": ("balance_transaction",),
    "balance_transactions": ("source",),
}
"""Columns besides ``document_id`` whose ids hang rows together. Ids are not told apart by what they are of:
two things of one name at most keep more from being said."""
_STEPS: Final = 40
"""So often all columns are asked, before what names what is written down: that costs about as much."""
_PLAINLY: Final = r"^\w{1,64}$"
"""What is an id without asking: most are. The rest ``safe_id`` is asked about."""

_Numbers = npt.NDArray[np.int32]


def hanging_together(
    ids: Iterable[str], tables: Mapping[str, pa.Table], known: Sequence[frozenset[str]]
) -> set[str]:
    """Return ids, and all that rows or findings name together with one of them, and so on.

    Args:
        ids: As documents have them, or as findings name them.
        tables: Contract name -> rows.
        known: What each finding names.
    """
    found, new = set(ids), set(ids)
    for _ in range(_STEPS):
        if not new:
            return found
        new = _near(new, tables, known) - found
        found |= new
    return found | _reached(_written_down(new, tables, known)) if new else found


def ids_in(contract: str, rows: pa.Table) -> set[str]:
    """Return the ids in some rows, and as findings name them; what is blank is none."""
    return named(value for column in _columns(contract) for value in pc.unique(rows[column]).to_pylist())


def named(ids: Iterable[str | None]) -> set[str]:
    """Return ids that are not blank, each as it is and as findings name it."""
    return {name for each in ids if each is not None and each.strip() for name in (each, safe_id(each))}


def _columns(contract: str) -> Sequence[str]:
    return ("document_id", *_IDS.get(contract, ()))


def _near(ids: set[str], tables: Mapping[str, pa.Table], known: Sequence[frozenset[str]]) -> set[str]:
    """Return all that rows or findings name together with one of some ids."""
    wanted, near = pa.array(ids, pa.string()), set[str]()
    for contract, table in tables.items():
        columns = [column for column in _columns(contract) if table[column].null_count < table.num_rows]
        is_near = [pc.is_in(table[column], value_set=wanted) for column in columns]
        for which in is_near:
            if pc.any(which).as_py():
                near |= ids_in(contract, table.filter(which))
    for together in known:
        if not together.isdisjoint(ids):
            near |= together
    return near


class _Groups:
    """Numbers that belong to a number."""

    def __init__(self, of: _Numbers, numbers: _Numbers, count: int) -> None:
        self._numbers = numbers[np.argsort(of, kind="stable")]  # much lies in order already
        self._starts = np.concatenate(([0], np.cumsum(np.bincount(of, minlength=count))))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def of(self, number: int) -> list[int]:
        """Return those that belong to one number."""
        members: list[int] = self._numbers[self._starts[number] : self._starts[number + 1]].tolist()
        return members


@dataclass(frozen=True, slots=True)
class _Web:
    """Which rows and findings name which ids, all by number; findings are numbered on after the rows.

    Attributes:
        words: The ids, by number.
        start: Numbers of those to start from.
        rows_of: Id -> what names it; ``words_of`` the other way, with what findings call an id by.
    """

    words: pa.ChunkedArray
    start: _Numbers
    rows_of: _Groups
    words_of: _Groups


def _written_down(
    start: Iterable[str], tables: Mapping[str, pa.Table], known: Sequence[frozenset[str]]
) -> _Web:
    rows, columns, count = [], [], 0
    for contract, table in tables.items():
        for column in _columns(contract):
            rows.append(np.arange(count, count + table.num_rows, dtype=np.int32))
            columns.append(table[column])
        count += table.num_rows
    findings = np.arange(count, count + len(known), dtype=np.int32)
    rows.append(np.repeat(findings, [len(together) for together in known]))
    columns += [_column(name for together in known for name in together), _column(start)]
    words, numbers = _numbered(columns)
    row, word, first = np.concatenate(rows), np.concatenate(numbers[:-1]), numbers[-1]
    row, word = row[word >= 0], word[word >= 0]
    words, is_blank, other = _other_names(words)
    # Findings name ids as they are. What a row names may be blank, or go by another name in findings.
    is_said, is_odd = (row >= count) | ~is_blank[word], (row < count) & (other[word] >= 0)
    return _Web(
        words,
        first,
        _Groups(word, row, len(words)),
        _Groups(
            np.concatenate([row[is_said], row[is_odd]]),
            np.concatenate([word[is_said], other[word[is_odd]]]),
            count + len(known),
        ),
    )


def _other_names(words: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Mask, _Numbers]:
    """Return words and what findings call them; of each whether it is blank, and the number of that name.

    Words keep their numbers. Where a name is the word itself there is no other (-1).
    """
    odd = np.flatnonzero(~mask(pc.match_substring_regex(words, _PLAINLY)))
    is_blank, other = np.zeros(len(words), dtype=bool), np.full(len(words), -1, dtype=np.int32)
    if not len(odd):
        return words, is_blank, other
    names = words.take(pa.array(odd)).to_pylist()
    is_blank[odd] = [not name.strip() for name in names]
    more, (_, called) = _numbered([words, _column(map(safe_id, names))])
    other[odd] = np.where(is_blank[odd] | (called == odd), -1, called)
    return more, is_blank, other


def _reached(web: _Web) -> set[str]:
    """Return every id there is a way to from the start; each id and each row is looked up once."""
    is_found, is_passed = bytearray(len(web.words)), bytearray(len(web.words_of))
    waiting: list[int] = web.start.tolist()
    for word in waiting:
        is_found[word] = True
    while waiting:
        for row in web.rows_of.of(waiting.pop()):
            if is_passed[row]:
                continue
            is_passed[row] = True
            for word in web.words_of.of(row):
                if not is_found[word]:
                    is_found[word] = True
                    waiting.append(word)
    found = np.flatnonzero(np.frombuffer(is_found, dtype=bool))
    return set(web.words.take(pa.array(found)).to_pylist())


def _column(words: Iterable[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(list(words), pa.string())])


def _numbered(columns: Sequence[pa.ChunkedArray]) -> tuple[pa.ChunkedArray, list[_Numbers]]:
    """Return the words of some columns, each once, and by column the number of each value; -1 for null."""
    chunks = [chunk for column in columns for chunk in column.chunks if len(chunk)]
    parts = pa.chunked_array(chunks, pa.string()).dictionary_encode().chunks
    numbers = np.concatenate([part.indices.fill_null(-1).to_numpy() for part in parts])
    words = pa.chunked_array([parts[0].dictionary])  # one for all parts
    return words, np.split(numbers, np.cumsum([len(column) for column in columns])[:-1])
