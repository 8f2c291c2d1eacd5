"""A running twin and the official SDK's clients for it."""

from datetime import UTC, datetime, timedelta

import pytest
import stripe

from twins.stripe.access import READER_KEY, WORLD_KEY
from twins.stripe.server import StripeTwin


class WorldClock:
    """The simulated time of a test."""

    def __init__(self):
        self.instant = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)

    def __call__(self):
        return self.instant

    def forward(self, **span):
        self.instant += timedelta(**span)


@pytest.fixture(autouse=True)
def _no_telemetry(monkeypatch):
    """The SDK must not write an id under the home directory of whoever runs the tests."""
    monkeypatch.setattr(stripe, "enable_telemetry", False)


@pytest.fixture
def world_clock():
    """A clock at 2 March 2026, 10:00 in Phoenix."""
    return WorldClock()


@pytest.fixture
def twin(world_clock):
    """A running, empty twin."""
    with StripeTwin(now=world_clock) as running:
        yield running


def _client(twin, key, **options):
    return stripe.StripeClient(key, base_addresses={"api": twin.base_url}, **options)


@pytest.fixture
def world(twin):
    """The SDK with the key that may write."""
    return _client(twin, WORLD_KEY)


@pytest.fixture
def reader(twin):
    """The SDK as it comes, with a restricted key."""
    return _client(twin, READER_KEY)


@pytest.fixture
def client_for(twin):
    """Make an SDK client for the twin with any key."""
    return lambda key, **options: _client(twin, key, **options)
