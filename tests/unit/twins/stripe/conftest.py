"""A clock that tests set forward, and an account behind its service."""

import pytest

from tests.unit.twins.stripe.desk import Desk, MovingClock


@pytest.fixture
def moving_clock():
    """A clock at 2 March 2026, 10:00 in Phoenix."""
    return MovingClock()


@pytest.fixture
def desk(moving_clock):
    """An empty account behind its service."""
    return Desk(moving_clock)
