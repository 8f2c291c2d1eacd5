"""The kill switch's changes: the whole table, and what each means."""

import itertools

import pytest

from policies.decisions import Switch
from policies.kill_switch import CHANGES, MEANING, require_change, switch_after
from policies.proposals import UnknownTransitionError

LEGAL = {
    (None, "opened"),
    ("opened", "halted"),
    ("halted", "resume_requested"),
    ("resume_requested", "resumed"),
    ("resume_requested", "halted"),
    ("resumed", "halted"),
}
KINDS = ["opened", "halted", "resume_requested", "resumed", "unknown"]


@pytest.mark.parametrize(("before", "after"), list(itertools.product([None, *KINDS], KINDS)))
def test_every_pair(before, after):
    """Exactly the legal pairs pass; every other raises, also unknown ones."""
    if (before, after) in LEGAL:
        require_change(before, after)
    else:
        with pytest.raises(UnknownTransitionError):
            require_change(before, after)


def test_meaning():
    """Only opened and resumed are off; a request to resume changes nothing; all else is unreadable."""
    assert {kind: switch_after(kind) for kind in [None, *KINDS]} == {
        None: Switch.UNREADABLE,
        "opened": Switch.OFF,
        "halted": Switch.ON,
        "resume_requested": Switch.ON,
        "resumed": Switch.OFF,
        "unknown": Switch.UNREADABLE,
    }
    assert set(MEANING) == set(CHANGES) - {None}
