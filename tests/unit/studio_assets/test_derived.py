"""What all derived assets have alike: a step without anything to rest on says so, and is not tried again."""

import dagster as dg
import pytest

from studio_assets.derived import resting_on_today
from studio_assets.studio_state.today import NothingToRestOnError


def test_nothing_to_rest_on_fails_the_step_for_good():
    """Staff read why, and what was left undone for it."""
    with pytest.raises(dg.Failure) as failed, resting_on_today("Nothing was drafted."):
        raise NothingToRestOnError("There is no snapshot of 2026-03-01 yet.")
    assert failed.value.description == "There is no snapshot of 2026-03-01 yet. Nothing was drafted."
    assert not failed.value.allow_retries


def test_whatever_else_goes_wrong_is_not_hidden():
    """A mistake of ours is no missing snapshot."""
    with pytest.raises(KeyError), resting_on_today("Nothing was drafted."):
        raise KeyError("batches")
