"""A pretend studio per test: twins in this process, history in PostgreSQL, Dagster in memory."""

import pytest

from tests.dagster_memory import memory_instance
from tests.integration.graph.pretend_studio import PretendStudio


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
