"""The stage on which the gateway's unit tests play."""

import pytest

from tests.unit.policies.stage import Stage


@pytest.fixture
def stage():
    """Return an open studio on a ledger in memory."""
    return Stage()
