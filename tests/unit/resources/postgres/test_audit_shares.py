"""Shares of the log: every number is in exactly one, in order, and the last ones are small."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from resources.postgres import audit_pair
from resources.postgres.audit_pair import LEAST, ROWS, SHARE

WIDTHS = st.one_of(
    st.integers(1, 64 * SHARE),
    st.builds(
        lambda unit, count, more: max(unit * count + more, 1),
        st.sampled_from([ROWS, SHARE, LEAST]),
        st.integers(0, 20),
        st.integers(-1, 1),
    ),
)


@given(st.one_of(st.integers(-SHARE, SHARE), st.integers(-(2**63), 2**63 - 1)), WIDTHS)
@example(1, LEAST)
@example(1, 1_000_000)
@example(1, audit_pair._MOST_SHARES * SHARE)
def test_every_number_is_in_one_share(first, width):
    """Whatever the first and the last number of a log are; a share is whole batches of equal size."""
    last = first + width - 1
    shares = audit_pair._shares(first, last)
    assert shares[0].start == first
    assert shares[-1].stop - ROWS <= last < shares[-1].stop
    assert all(share.stop == following.start for share, following in pairwise(shares))
    assert {share.step for share in shares} == {ROWS}
    assert all(
        0 < share.stop - share.start <= SHARE and not (share.stop - share.start) % ROWS for share in shares
    )


@given(WIDTHS)
def test_the_last_shares_are_small(width):
    """Whoever takes a share leaves three times as much to others, unless it is a batch: nobody waits long."""
    for share in audit_pair._shares(1, width):
        size, left = share.stop - share.start, width - share.start + 1
        assert size == ROWS or 4 * size <= left
