"""The ledgers every contract test runs against: in memory, and in PostgreSQL."""

import pytest

from policies.memory_ledger import MemoryLedger
from policies.registry import default_registry
from tests.contract.ledger.steps import STUDIO, Steps


@pytest.fixture
def postgres_ledger(postgres_url):
    """Return the ledger of the studio in a PostgreSQL database of this test's own."""
    from resources.postgres.ledger import PostgresLedger
    from resources.postgres.ledger_engine import ledger_engine

    engine = ledger_engine(postgres_url, STUDIO)
    yield PostgresLedger(engine, STUDIO)
    engine.dispose()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
def ledger(request):
    """Return an empty ledger whose kill switch nobody has written yet."""
    if request.param == "memory":
        return MemoryLedger(STUDIO, default_registry())
    return request.getfixturevalue("postgres_ledger")


@pytest.fixture
def blank(ledger):
    """Return the steps on a ledger that holds nothing at all."""
    return Steps(ledger)


@pytest.fixture
def steps(blank):
    """Return the steps on a ledger whose kill switch is off."""
    blank.open()
    return blank
