"""A twin with robots of one's choice, and the real client on its wires."""

import pytest
from pyrate_limiter import Duration, Limiter, Rate
from roborock.web_api import RoborockApiClient

from tests.contract.roborock.studio import CANARIES, Studio, vacuum
from twins.roborock.server import RoborockTwin


@pytest.fixture(autouse=True)
def _unlimited_library(monkeypatch):
    """Lift the library's own limit of logins: it would hold for all tests of a process together."""
    monkeypatch.setattr(RoborockApiClient, "_login_limiter", Limiter([Rate(10_000, Duration.SECOND)]))


@pytest.fixture
def make_studio(tmp_path):
    """Return a function that starts a studio with the given robots."""
    twins = []

    def make(*robots, folder=tmp_path):
        twin = RoborockTwin(robots or [vacuum()], account=CANARIES).start()
        twins.append(twin)
        return Studio(twin, folder)

    yield make
    for twin in twins:
        twin.stop()
