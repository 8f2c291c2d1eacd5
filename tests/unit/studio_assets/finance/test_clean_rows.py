"""A hundred thousand orders that are in order raise nothing, and every cent is explained."""

from collections import Counter

from studio_assets.finance.reconcile import reconcile
from tests.benchmarks.reconcile import AS_OF, TROUBLES, books
from tests.unit.studio_assets.finance.ledgers import TIMEZONE


def test_a_hundred_thousand_clean_rows_raise_no_flag():
    tables, planted = books(100_000, 0)
    found = reconcile(tables, as_of=AS_OF, timezone=TIMEZONE)
    assert planted == {}
    assert found.discrepancies == []
    assert found.conservation.error_cents == 0


def test_what_is_planted_among_many_is_found_and_nothing_else():
    tables, planted = books(20_000, 100)
    found = reconcile(tables, as_of=AS_OF, timezone=TIMEZONE)
    assert Counter(one.kind.value for one in found.discrepancies) == planted == dict.fromkeys(TROUBLES, 20)
    assert found.conservation.error_cents == 0
