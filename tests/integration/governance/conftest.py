"""A governed studio per test: real ledger, pretend cloud, Dagster in memory."""

import pytest

from tests.dagster_memory import memory_instance
from tests.integration.governance.governed import GovernedStudio


@pytest.fixture
def instance():
    with memory_instance() as ephemeral:
        yield ephemeral


@pytest.fixture
def governed(postgres_url, history, tmp_path, instance):
    """Return a studio in which a proposal can be made, decided and carried out."""
    made = GovernedStudio(postgres_url, history, tmp_path, instance)
    try:
        yield made
    finally:
        made.close()
