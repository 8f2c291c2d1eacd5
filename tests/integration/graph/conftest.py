"""A pretend studio per test: twins in this process, history in PostgreSQL, Dagster in memory."""

from functools import cache

import pytest

from studio_assets import run
from tests.dagster_memory import memory_instance
from tests.integration.graph.pretend_studio import PretendStudio

NOWHERE = "/dev/null/nowhere"
PLACES = (
    *("home", "raw_url", "database_url", "dagster_database_url", "checkpoint_urls"),
    *("firestore_emulator_host", "google_credentials", "write_credentials", "stripe_api_base", "stripe_key"),
    *("hubitat_url", "hubitat_app_id", "hubitat_token", "roborock_session"),
)
"""Settings that say where a studio's things are and what opens them: doors have them, the job does not."""


@pytest.fixture(autouse=True)
def jobs(monkeypatch):
    """Let studios that differ by nothing but places run one job: they would all resolve the same.

    The job knows no place at all, so whatever took one from there instead of from a door would be found out.
    """
    monkeypatch.setattr(run, "_job", lambda settings, name: _resolved(_without_places(settings), name))


def _without_places(settings):
    """Return settings in which everything that is set still is, to what nobody can open."""
    places = {name: value for name in PLACES if (value := getattr(settings, name)) is not None}
    return settings.model_copy(update={name: type(value)(NOWHERE) for name, value in places.items()})


_resolved = cache(run._job.__wrapped__)


@pytest.fixture
def instance():
    """Return a Dagster instance of this test's own."""
    with memory_instance() as ephemeral:
        yield ephemeral


@pytest.fixture
def studio(history, tmp_path, instance):
    """Return a populated studio whose time stands still."""
    made = PretendStudio(history, tmp_path, instance)
    try:
        made.populate()
        yield made
    finally:
        made.close()
