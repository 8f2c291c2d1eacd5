"""Amounts as people read them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.money import amount_text


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "usd", "0.00 USD"),
        (7, "USD", "0.07 USD"),
        (-164, "usd", "-1.64 USD"),
        (123_456_789, None, "1,234,567.89"),
        (1_500, "jpy", "1,500 JPY"),
        (-5, None, "-0.05"),
    ],
)
def test_an_amount_reads_as_on_a_receipt(minor, currency, text):
    assert amount_text(minor, currency) == text


@given(st.integers(-(10**18), 10**18))
def test_no_cent_is_lost_in_writing(minor):
    """What is written says exactly the integer, however large."""
    assert Fraction(amount_text(minor).replace(",", "")) * 100 == minor
