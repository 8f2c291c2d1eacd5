"""How much can be counted: what no sum could hold is found before anything is worked out.

A document whose amount is none is set aside by itself (``aside``); what is too much all together, or was not
set aside, is refused by name. Everything is counted in whole numbers of 64 bits, which pass their end without
a word. Below these bounds no product and no sum of a reconciliation comes near it, whatever is linked to
whatever. Stripe takes at most twelve digits, and eight of most currencies; ten million payments of eight
digits are a thousandth of the sum.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio_assets.contracts import catalog
from studio_assets.contracts.model import Column, Kind

MOST_CENTS: Final = 10**15
"""The largest amount of one row, with or without sign, in minor units."""
MOST_TOGETHER: Final = 2**60
"""What the amounts of one column may add up to, without sign and in whatever currencies."""
MOST_ROWS: Final = 2**31 - 1
"""How many sales there may be, and how many charges: places are numbers of 32 bits."""


class TooMuchToCountError(Exception):
    """There is more than can be counted without mistake. Carries a sentence with row and column to mend."""


def beyond_counting(contract: str, table: pa.Table) -> Iterator[tuple[Column, pa.ChunkedArray]]:
    """Yield the columns of some rows that hold amounts no sum could, and of each row whether it does.

    Args:
        contract: Contract name.
        table: Rows of it.
    """
    for column in catalog.collection(contract).columns:
        if column.kind is Kind.CENTS and table.num_rows:
            amounts = table[column.name]
            bounds = pc.min_max(amounts).as_py()
            if max(bounds["max"] or 0, -(bounds["min"] or 0)) > MOST_CENTS:
                # Not by size without sign: the least number of 64 bits has none.
                is_beyond = pc.or_(pc.greater(amounts, MOST_CENTS), pc.less(amounts, -MOST_CENTS))
                yield column, pc.fill_null(is_beyond, False)


def refuse_too_much(tables: Mapping[str, pa.Table]) -> None:
    """Return if everything in some contract tables can be counted without mistake.

    Args:
        tables: Contract name -> rows.

    Raises:
        TooMuchToCountError: an amount, a column's sum or a number of rows is beyond the bounds; permanent
            until the row is mended.
    """
    rows = sum(table.num_rows for table in tables.values())
    if rows > MOST_ROWS:
        raise TooMuchToCountError(f"{rows:,} rows are more than can be reconciled at once ({MOST_ROWS:,}).")
    for name, table in tables.items():
        for column in catalog.collection(name).columns:
            if column.kind is Kind.CENTS and table.num_rows:
                _refuse_column(name, column.name, table)


def _refuse_column(contract: str, column: str, table: pa.Table) -> None:
    amounts = table[column]
    bounds = pc.min_max(amounts).as_py()
    least, most = bounds["min"] or 0, bounds["max"] or 0
    largest = max(most, -least)
    if largest > MOST_CENTS:
        row = pc.index(amounts, most if most == largest else least).as_py()
        document = table["document_id"][row].as_py()
        raise TooMuchToCountError(
            f"{column} of {contract}/{document} is {amounts[row].as_py():,}: more than {MOST_CENTS:,} minor "
            "units is no amount of money. Correct the document at its source."
        )
    if largest * len(amounts) <= MOST_TOGETHER:
        return
    # In floats, which do not go round; what they round off is nothing beside the room above the bound.
    together = float(np.abs(pc.fill_null(amounts, 0).to_numpy()).sum(dtype=np.float64))
    if together > MOST_TOGETHER:
        raise TooMuchToCountError(
            f"{column} of {contract} adds up to about {together:.3g} minor units, more than can be counted "
            f"to the cent ({MOST_TOGETHER:,}). Look for rows with amounts that cannot be."
        )
