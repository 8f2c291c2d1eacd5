"""The quick way, which looks with care at what is doubtful alone, says what looking at everything says."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.cli.evaluation.side_by_side import reconcile_all
from studio_assets.finance.classes import Kind
from tests.unit.studio_assets.finance.ledgers import AS_OF, TIMEZONE, said
from tests.unit.studio_assets.finance.muddles import muddle


def kinds_where_both_ways_agree(seeds, *, sales):
    looks = [(muddle(seed, sales), AS_OF) for seed in seeds]
    quick = reconcile_all(looks, timezone=TIMEZONE)
    thorough = reconcile_all(looks, timezone=TIMEZONE, is_thorough=True)
    for seed, one, other in zip(seeds, quick, thorough, strict=True):
        assert said(one) == said(other), f"muddle {seed}"
        assert one.conservation.error_cents == 0, f"muddle {seed}"
    return {discrepancy.kind for found in quick for discrepancy in found.discrepancies}


def test_both_ways_say_the_same_where_every_class_is():
    """Of sixty muddled studios: every flag with its evidence, every sum, and no cent unexplained."""
    assert kinds_where_both_ways_agree(range(100, 160), sales=12) == set(Kind)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 24))
def test_both_ways_say_the_same_of_any_muddle(seed, sales):
    kinds_where_both_ways_agree(range(seed, seed + 8), sales=sales)
