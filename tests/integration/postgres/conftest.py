"""Fixtures of the tests of history and of the gateway's tables."""

import itertools

import pytest
from sqlalchemy import text

from resources.postgres.engine import app_engine as engine_for
from resources.postgres.engine import owner_engine, runtime_url
from resources.postgres.migrate import migrate
from tests.integration.postgres.governance_desk import STATES, STUDIO, Desk
from tests.integration.postgres.samples import DAY, NOON, sha

_HOUSES = itertools.count(1)


@pytest.fixture
def take(history):
    """Return a function that keeps a snapshot of a day whose content is a word."""

    def append(day=DAY, content="a", *, counters=None, observed_at=NOON):
        return history.append_snapshot(
            day,
            sha(content),
            {"schemaVersion": "v3.1", "content": content},
            counters or {"counts.batchesActive": (len(content), "documents")},
            observed_at=observed_at,
            run_id="run-1",
            code_version="1",
        )

    return append


@pytest.fixture(scope="module")
def house(postgres_server, _template):
    """Return the URL of one database for a module of attacks: what is attacked in it stays as it was."""
    name = f"attacked_{next(_HOUSES)}"
    engine = owner_engine(postgres_server.url("postgres")).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {_template} STRATEGY file_copy"))
    migrate(owner_engine(postgres_server.url(name)), STUDIO, "claycorner")
    yield postgres_server.url(name)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def desk(house):
    """Return the desk of the studio, over a login that has no other right than the runtime's."""
    engine = engine_for(runtime_url(house, STUDIO), STUDIO)
    desk = Desk(engine, owner_engine(house))
    desk.open()
    yield desk
    engine.dispose()


@pytest.fixture
def neighbour(house):
    """Return the engine of another studio, over its own login."""
    engine = engine_for(runtime_url(house, "claycorner"), "claycorner")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def standing(desk):
    """Return one proposal in every state."""
    return {state: desk.in_state(state) for state in STATES}


@pytest.fixture
def pending(desk):
    """Return a fresh proposal that awaits approval."""
    return desk.propose()


@pytest.fixture
def approved(desk):
    """Return a fresh approved proposal."""
    return desk.in_state("approved")
