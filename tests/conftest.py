"""Fixtures every ring may use: PostgreSQL, Google's emulator, and no network for unit tests.

One embedded server runs per test process and dies with it. Its migrated template database is cloned for
every test that asks for one (tens of milliseconds), so no test sees another's rows.
"""

import gc
import ipaddress
import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from cockpit.loading import THRESHOLDS

STUDIO = "monsoonfire"
# How long an example takes says something of the machine. For more examples: --hypothesis-profile thorough.
settings.register_profile("house", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("house")
_NUMBERS = itertools.count(1)
# Starting a house costs more than most tests in it: the files of this folder share one, and a process.
SHARING = "acceptance/shared_house"
IN_MEMORY = "/dev/shm"  # noqa: S108 - the folder made in it has a name nobody can foresee
ROOM_BYTES = 4 * 1024**3


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for garbage more rarely while tests are collected: that makes objects and hardly any of it."""
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        return (yield)
    finally:
        gc.set_threshold(*before)


def pytest_collection_finish():
    """Look for garbage among what tests make, not over and over among all that was imported for them."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep the tests of a file in one process, and those of all files that share a house."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class SharedHouse(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            folder = file.rpartition("/")[0]
            return folder if folder.endswith(SHARING) else file

    return SharedHouse(config, log)


@pytest.fixture(autouse=True)
def _no_network_in_unit_tests(request, monkeypatch):
    """Let unit tests connect to this machine only."""
    if "unit" not in request.path.relative_to(Path(__file__).parent).parts[:1]:
        return
    connect = socket.socket.connect

    def connect_nearby(this, address):
        if this.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(str(address[0])):
            pytest.fail(f"a unit test wants to reach the network: {address[0]}")
        return connect(this, address)

    monkeypatch.setattr(socket.socket, "connect", connect_nearby)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(scope="session")
def official_emulator():
    """Return the address of Google's Firestore emulator, one per test process; skip where there is none."""
    from tests.contract.firestore import official

    try:
        found = official.find()
    except official.NotFoundError as reason:
        pytest.skip(f"official Firestore emulator not run: {reason}")
    with official.running(found) as host:
        yield host


@pytest.fixture(scope="session")
def postgres_server():
    """Return a running embedded server of this test process; not durable, so that it is fast."""
    from resources.postgres.embedded import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="studio-test-", dir=_quickest_place()) as folder:
        server = EmbeddedPostgres(Path(folder) / "data", Path(folder) / "run", is_durable=False)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _quickest_place() -> str | None:
    """Return a folder in memory where there is room for a server, or null for the usual place.

    A cloned database is hundreds of small files: copying them costs a disk ten times the time, and its
    system calls most of what the tests' servers use.
    """
    try:
        has_room = shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES and os.access(IN_MEMORY, os.W_OK)
    except OSError:
        return None
    return IN_MEMORY if has_room else None


@pytest.fixture(scope="session")
def _template(postgres_server) -> str:
    from resources.postgres.engine import ensure_databases, owner_engine
    from resources.postgres.migrate import migrate

    ensure_databases(postgres_server.url("postgres"), ["studio_template"])
    migrate(owner_engine(postgres_server.url("studio_template")), STUDIO)
    return "studio_template"


@pytest.fixture(scope="session")
def _administrator(postgres_server):
    """Return the engine that makes and drops databases; its connection stays, and is checked before use."""
    from sqlalchemy import create_engine

    from resources.postgres.urls import normalise_url

    engine = create_engine(
        normalise_url(postgres_server.url("postgres")),
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        pool_pre_ping=True,
        connect_args={"options": "-c file_copy_method=clone"},  # the kernel copies, where it cannot share
    )
    yield engine
    engine.dispose()


def _cloned(server, administrator, template: str) -> Iterator[str]:
    from sqlalchemy import text

    name = f"test_{next(_NUMBERS)}"
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    yield server.url(name)
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def empty_database_url(postgres_server, _administrator):
    """Return the URL of a database of this test's own that holds nothing."""
    yield from _cloned(postgres_server, _administrator, "template0")


@pytest.fixture
def postgres_url(postgres_server, _administrator, _template):
    """Return the URL of a migrated database of this test's own, with administrator's rights."""
    yield from _cloned(postgres_server, _administrator, _template)


@pytest.fixture
def owner_url(postgres_url):
    """Return the same URL as ``postgres_url``, for tests that act as the owner of the tables."""
    return postgres_url


@pytest.fixture
def app_engine(postgres_url):
    """Return the runtime's engine on this test's database, for the studio ``monsoonfire``."""
    from resources.postgres.engine import app_engine

    engine = app_engine(postgres_url, STUDIO)
    yield engine
    engine.dispose()


@pytest.fixture
def history(app_engine):
    """Return an empty history of the studio ``monsoonfire``."""
    from resources.postgres.history import History

    return History(app_engine, STUDIO)
