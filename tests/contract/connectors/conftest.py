"""Every connector on its twin."""

import pytest
from pyrate_limiter import Duration, Limiter, Rate
from roborock.web_api import RoborockApiClient


@pytest.fixture(autouse=True)
def _unlimited_library(monkeypatch):
    """Lift a library's own limits: they hold per process, so they would hold for all tests together."""
    for name in ("_login_limiter", "_home_data_limiter"):
        monkeypatch.setattr(RoborockApiClient, name, Limiter([Rate(10_000, Duration.SECOND)]))
