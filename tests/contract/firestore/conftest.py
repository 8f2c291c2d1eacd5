"""The servers every contract test runs against: our twin, and Google's emulator where the machine has it."""

import uuid
from collections.abc import Iterator

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from tests.contract.firestore import official
from twins.firestore.server import FirestoreTwin

TWIN, OFFICIAL = "twin", "official emulator"
PROJECT = "contract"
_RAN = pytest.StashKey[set[str]]()


def client_of(host: str, project: str = PROJECT) -> firestore.Client:
    """Return a real client library's client that talks to ``host``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", host)
        return firestore.Client(project=project, credentials=AnonymousCredentials())


@pytest.fixture(scope="session")
def official_host(pytestconfig, official_emulator) -> str:
    """Return the official emulator's address, started once per session; skip where there is none."""
    pytestconfig.stash.setdefault(_RAN, set()).add(f"{OFFICIAL} {official.find().version}")
    return official_emulator


@pytest.fixture(scope="session")
def twin(pytestconfig) -> Iterator[FirestoreTwin]:
    """Return the twin most contract tests share; nobody injects faults into this one."""
    with FirestoreTwin() as twin:
        pytestconfig.stash.setdefault(_RAN, set()).add(TWIN)
        yield twin


@pytest.fixture(scope="session", params=[TWIN, OFFICIAL])
def server(request) -> str:
    """Return which server the test runs against."""
    request.getfixturevalue("twin" if request.param == TWIN else "official_host")
    return request.param


@pytest.fixture(scope="session")
def db(server, request) -> Iterator[firestore.Client]:
    """Return a real client of the server under test."""
    host = (
        request.getfixturevalue("twin").host if server == TWIN else request.getfixturevalue("official_host")
    )
    client = client_of(host)
    yield client
    client.close()


@pytest.fixture
def collection(db):
    """Return a collection no other test uses."""
    return db.collection(unique_id())


def unique_id() -> str:
    """Return a collection id that nobody has used, in this session or an earlier one."""
    return f"c{uuid.uuid4().hex}"


def pytest_terminal_summary(terminalreporter, config):
    """Say which servers the contract was run against."""
    ran = config.stash.get(_RAN, set())
    if not ran:
        return
    others = sorted(ran - {TWIN})
    if others:
        line = f"Firestore contract: twin + {others[0]}"
    else:
        try:
            reason = f"the {OFFICIAL} {official.find().version} is here but was not asked for"
        except official.NotFoundError as missing:
            reason = str(missing)
        line = f"Firestore contract: twin only: {reason}"
    terminalreporter.write_sep("-", line)
