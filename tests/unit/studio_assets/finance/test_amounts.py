"""However large amounts, however many currencies: right to the cent, or refused by name and never bent."""

import numpy as np
import pyarrow as pa
import pytest

from studio_assets.finance import amounts
from studio_assets.finance.amounts import MOST_CENTS, TooMuchToCountError, refuse_too_much
from studio_assets.finance.plain import Coins
from tests.unit.studio_assets.finance.ledgers import SOLD_AT, Books, table_of, with_tax

MOST_OF_STRIPE = 999_999_999_999
"""Twelve digits, in the currencies that have the most; in dollars it is eight."""


@pytest.mark.parametrize("cents", [MOST_OF_STRIPE, MOST_CENTS])
def test_the_largest_amounts_are_right_to_the_cent_both_ways(cents):
    """Taxed, taken twice, refunded and disputed: what is charged in words is what it comes to in numbers."""
    made = Books()
    price = (cents - 20) * 1000 // 1086  # so that the larger of the charges is just the most
    made.sell("x", cents=price)
    named = {"metadata_order_id": "x", "metadata_materials_order_id": "x", "metadata_source": "materials"}
    made.pay("again", with_tax(price), at=SOLD_AT, **named)
    made.refund("x", with_tax(price))
    made.dispute("x", "lost")
    made.sell("y", cents=price, domain="e")
    made.charge("y", amount_captured_cents=with_tax(price) + 10)
    made.sell("z", cents=price, domain="a")
    assert made.kinds() == [("amount_mismatch", "y"), ("dispute_lost", "x"), ("refund_over", "x")]
    found = made.reconcile()
    assert found.conservation.differences == {"usd": with_tax(price) + 10 - 2 * price}
    told = {one.subject: one for one in found.discrepancies if one.kind != "dispute_lost"}
    assert told["y"].observed_cents == told["y"].expected_cents + 10
    assert (told["x"].expected_cents, told["x"].observed_cents) == (2 * with_tax(price), 2 * with_tax(price))


def column(contract, name, values):
    rows = [{"document_id": f"d{number:02d}", name: cents} for number, cents in enumerate(values)]
    return {contract: table_of(contract, rows)}


@pytest.mark.parametrize("sign", [1, -1])
def test_an_amount_that_is_none_is_refused_with_its_document(sign):
    refuse_too_much(column("agent_orders", "amount_cents", [1, sign * MOST_CENTS, None]))
    with pytest.raises(
        TooMuchToCountError, match=r"amount_cents of agent_orders/d01 is -?1,000,000,000,000,001"
    ):
        refuse_too_much(column("agent_orders", "amount_cents", [1, sign * (MOST_CENTS + 1), None]))


@pytest.mark.parametrize("cents", [2**63 - 1, -(2**63), 2**57])
def test_an_order_of_any_size_at_all_does_not_come_out_as_another_sum(cents):
    """Its tax alone would go round: 2**57 cents make less than nothing."""
    made = Books()
    made.sell("x")
    made.order("x", total_cents=cents)
    with pytest.raises(TooMuchToCountError, match="materials_orders/x"):
        made.reconcile()


def test_what_a_column_adds_up_to_is_refused_where_it_cannot_be_counted(monkeypatch):
    """On the bound it is counted, above it is not; signs do not make up for each other."""
    monkeypatch.setattr(amounts, "MOST_TOGETHER", 3000)
    refuse_too_much(column("materials_orders", "total_cents", [1000, -1000, 1000]))
    refuse_too_much(column("materials_orders", "total_cents", [*[1] * 10, 2000, None]))
    with pytest.raises(TooMuchToCountError, match="total_cents of materials_orders adds up to about"):
        refuse_too_much(column("materials_orders", "total_cents", [1000, -1001, 1000]))


def test_more_rows_than_have_places_are_refused(monkeypatch):
    monkeypatch.setattr(amounts, "MOST_ROWS", 3)
    refuse_too_much(column("charges", "amount_cents", [1, 2, 3]))
    with pytest.raises(TooMuchToCountError, match="4 rows are more than can be reconciled"):
        refuse_too_much(column("charges", "amount_cents", [1, 2, 3, 4]))


def test_the_bounds_leave_room_for_every_sum_there_is():
    """No sum is of more than charges, three kinds of sales, refunds, disputes; no rate above 1000 per mille.

    And what a studio may have is far within: ten million charges of the most that Stripe takes in dollars.
    """
    assert amounts.MOST_TOGETHER * 6 < 2**63
    assert amounts.MOST_CENTS * 1000 < 2**63
    assert amounts.MOST_TOGETHER > 1000 * 10_000_000 * 99_999_999


def test_forty_thousand_currencies_are_kept_apart():
    """More than sixteen bits tell: each has its own number, in every table, and its own sum."""
    many = 40_000
    coins = Coins()
    names = [f"c{number:05d}" for number in range(many)]
    codes = coins.codes(pa.chunked_array([names, [None]]))
    again = coins.codes(pa.chunked_array([[names[-1]] * 3]))
    assert len(set(codes.tolist())) == many + 1
    assert again.tolist() == [many - 1] * 3
    sums = coins.sums(codes, np.arange(many + 1), np.ones(many + 1, dtype=bool))
    assert sums == {name: (number, 1) for number, name in enumerate(names)} | {None: (many, 1)}
