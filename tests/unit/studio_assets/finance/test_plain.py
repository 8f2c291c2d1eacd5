"""Whole columns say what rows would: currencies as spelled, sums to the cent, rows by their ids."""

import numpy as np
import pyarrow as pa

from studio_assets.finance.plain import Coins
from studio_assets.finance.tables import Shelf, open_engine
from tests.unit.studio_assets.finance.ledgers import Books

EVERY = np.ones(4, dtype=bool)


def test_currencies_are_summed_apart_and_those_without_one_by_themselves():
    """Two spellings are one currency; none is none, and no sum passes through a float."""
    coins = Coins()
    codes = coins.codes(pa.chunked_array([["usd", "USD"], ["eur", None]]))
    cents = np.array([2**60, 1, 5, 7])
    assert coins.sums(codes, cents, EVERY) == {"usd": (2**60 + 1, 2), "eur": (5, 1), None: (7, 1)}
    assert coins.sums(codes, cents, cents < 6) == {"usd": (1, 1), "eur": (5, 1)}


def test_one_currency_has_one_number_in_every_table():
    coins = Coins()
    assert coins.codes(pa.chunked_array([["usd", "usd"]])).tolist() == [0, 0]
    assert coins.codes(pa.chunked_array([["eur"], ["usd", None]])).tolist() == [1, 0, -1]
    assert coins.codes(pa.chunked_array([], pa.string())).tolist() == []


def test_rows_are_found_by_their_ids_wherever_the_batches_end():
    """In order of ids; what is not there is left out, before, between and after those that are."""
    books = Books()
    for number in range(7):
        books.sell(f"s{number}")
    tables = books.tables()
    orders = tables["materials_orders"]
    tables["materials_orders"] = pa.concat_tables([orders.slice(0, 3), orders.slice(3, 2), orders.slice(5)])
    asked = pa.chunked_array([["s5", "a", "s2", None], ["s3", "s2x", "z", "s0", "s5"]])
    with open_engine(1) as engine:
        shelf = Shelf(engine, tables)
        assert shelf.rows_of("materials_orders", asked)["document_id"].to_pylist() == ["s0", "s2", "s3", "s5"]
        assert shelf.places_of("materials_orders", asked).tolist() == [0, 2, 3, 5]
        assert shelf.places_of("event_charges", asked).tolist() == []
