"""The embedded server: starts anywhere, survives being killed, and never takes what is not its own."""

import os
import pwd
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import psycopg2
import psycopg2.extensions
import pytest

from resources.postgres import leftovers
from resources.postgres.account import Account
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.engine import app_engine, ensure_databases, owner_engine
from resources.postgres.errors import DataDirectoryError, ServerStartError
from resources.postgres.history import History
from resources.postgres.leftovers import postmaster_of
from resources.postgres.migrate import migrate
from resources.postgres.readiness import database_problems
from resources.postgres.urls import psql_url
from resources.rows import OperationalEvent
from tests.integration.postgres.samples import NOON, make_read

pytestmark = pytest.mark.integration

SYSTEM_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if os.name == "posix" else []
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may take another account")


@pytest.fixture
def home():
    """Return a folder with spaces in its name that only its owner may enter, short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="a home with spaces ") as folder:
        yield Path(folder)


@pytest.fixture
def make_server():
    """Return a maker of servers that are stopped when the test ends, however it ends."""
    made = []

    def make(home, **options):
        server = EmbeddedPostgres(home / "data", home / "run", **options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()
        for process in psutil.process_iter():
            if leftovers._is_ours(process, server.data_dir):
                process.kill()


def _is_gone(number):
    """Return whether a process has ended, reaped or not."""
    try:
        return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _query(server, sql, database="postgres"):
    connection = psycopg2.connect(psql_url(server.url(database)))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def test_it_starts_below_a_private_folder_with_spaces_and_changes_no_permission(home, make_server):
    """Also as root, also where nobody else may enter; only its own folders are new."""
    before = {path: path.stat()[:6] for path in (home, *home.parents)}
    server = make_server(home)
    server.start()
    assert _query(server, "SHOW data_directory") == [(str(home / "data"),)]
    assert _query(server, "SHOW server_encoding") == [("UTF8",)]
    assert _query(server, "SHOW timezone") == [("UTC",)]
    assert _query(server, "SHOW fsync") == [("on",)]
    assert _query(server, "SHOW listen_addresses") == [("",)]
    assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "run").stat().st_mode) == 0o700
    assert list((home / "data" / "log").glob("postgres-*.log"))
    server.stop()
    assert not server.is_ready()
    for path, status in before.items():
        mode, _, _, _, uid, gid = status
        now = path.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (mode, uid, gid), path


def test_what_was_committed_survives_kill_9(home, make_server):
    """A killed server leaves a stale process file and children; the next start deals with both."""
    server = make_server(home)
    server.start()
    _query(server, "CREATE TABLE kept (n int)")
    for number in range(3):
        _query(server, "INSERT INTO kept VALUES (1)")
        postmaster_of(server.data_dir).kill()
        server.stop()
        assert (home / "data" / "postmaster.pid").exists()
        server.start()
        assert _query(server, "SELECT count(*) FROM kept") == [(number + 1,)]


def test_a_session_that_outlives_its_server_is_ended(home, make_server, monkeypatch):
    """A session busy computing does not notice that its server is gone, and would block the next start."""
    monkeypatch.setattr(leftovers, "_NOTICE_SECONDS", 0.2)
    server = make_server(home)
    server.start()
    busy = psycopg2.connect(psql_url(server.url("postgres")), async_=True)
    _finish(busy)
    number = busy.info.backend_pid
    cursor = busy.cursor()
    cursor.execute("DO $$ BEGIN LOOP END LOOP; END $$")
    postmaster_of(server.data_dir).kill()
    server.stop()
    assert psutil.Process(number).name() == "postgres"
    server.start()
    assert server.is_ready()
    assert _is_gone(number)
    busy.close()


def _finish(connection):
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        waits = ([connection], []) if state == psycopg2.extensions.POLL_READ else ([], [connection])
        select.select(*waits, [], 10)


def test_a_process_file_that_names_another_program_does_not_stop_the_start(home, make_server):
    """After a reboot the number in the file may belong to anything; that program is left alone."""
    server = make_server(home)
    server.start()
    server.stop()
    with subprocess.Popen(["sleep", "100"]) as other:
        try:
            stale = f"{other.pid}\n{home / 'data'}\n1700000000\n5432\n{home / 'run'}\n\n"
            (home / "data" / "postmaster.pid").write_text(stale)
            (home / "run" / ".s.PGSQL.5432.lock").write_text(stale)
            server.start()
            assert server.is_ready()
            assert other.poll() is None
        finally:
            other.kill()


def test_a_second_starter_uses_the_running_server_and_leaves_it_running(home, make_server):
    first, second = make_server(home), make_server(home)
    first.start()
    pid = postmaster_of(home / "data").pid
    second.start()
    second.stop()
    assert first.is_ready()
    assert postmaster_of(home / "data").pid == pid


def test_two_starters_at_once_make_one_cluster_and_one_server(home, make_server):
    servers = [make_server(home), make_server(home)]
    hold = threading.Event()

    def run(server):
        server.start()
        hold.wait(60)  # the server ends with the thread that started it

    threads = [threading.Thread(target=run, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    while not all(server.is_ready() for server in servers):
        hold.wait(0.02)
    assert sum(server._process is not None for server in servers) == 1
    hold.set()
    for thread in threads:
        thread.join()
    assert [path.name for path in home.iterdir() if "initdb" in path.name] == []


def test_the_supervisor_takes_over_an_orphan(home, make_server):
    """After kill -9 of the supervisor its server may live on; the next supervisor owns its own child."""
    orphan = make_server(home)
    orphan.start()
    _query(orphan, "CREATE TABLE kept (n int)")
    pid = postmaster_of(home / "data").pid
    supervisor = make_server(home)
    supervisor.prepare()
    assert _is_gone(pid)
    child = subprocess.Popen(
        supervisor.command(), env=supervisor.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not supervisor.is_ready():
            assert child.poll() is None
        assert postmaster_of(home / "data").pid == child.pid
        assert _query(supervisor, "SELECT count(*) FROM kept") == [(0,)]
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(20)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's promise is Linux's")
def test_the_server_ends_when_its_starter_is_killed(home):
    """Kill -9 of the starter leaves no server behind."""
    script = (
        "import sys, signal; from pathlib import Path\n"
        "from resources.postgres.embedded import EmbeddedPostgres\n"
        "EmbeddedPostgres(Path(sys.argv[1]) / 'data', Path(sys.argv[1]) / 'run').start()\n"
        "print('ready', flush=True); signal.pause()\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", script, home], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert starter.stdout.readline() == b"ready\n"
    server = postmaster_of(home / "data")
    starter.kill()
    starter.wait()
    starter.stdout.close()
    psutil.wait_procs([server], timeout=30)
    assert postmaster_of(home / "data") is None


def test_a_kill_while_the_cluster_is_made_leaves_no_half_cluster(home, make_server):
    """The first start was killed inside initdb: its leftovers go, and a whole cluster is made."""
    (home / ".data.initdb-0badcafe" / "base").mkdir(parents=True)
    server = make_server(home)
    server.start()
    assert server.is_ready()
    assert not (home / ".data.initdb-0badcafe").exists()


def test_a_home_too_deep_for_a_socket_gets_a_short_private_directory(tmp_path, make_server):
    deep = tmp_path / ("d" * 100) / "home, with a comma"
    server = make_server(deep)
    server.start()
    assert server.is_ready()
    assert not server.socket_dir.is_relative_to(tmp_path)
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    server.stop()
    shutil.rmtree(server.socket_dir)


def test_a_foreign_directory_is_refused_and_untouched(home, make_server):
    (home / "data").mkdir()
    (home / "data" / "letters.txt").write_text("mine")
    with pytest.raises(DataDirectoryError, match="Studio OS did not make"):
        make_server(home).start()
    assert [path.name for path in (home / "data").iterdir()] == ["letters.txt"]


def test_a_damaged_cluster_is_a_plain_error_with_the_servers_own_words(home, make_server):
    """Garbage where the control file was: PostgreSQL says so, and nothing is overwritten."""
    server = make_server(home)
    server.start()
    server.stop()
    control = home / "data" / "global" / "pg_control"
    control.write_bytes(b"\0" * 8192)
    with pytest.raises(ServerStartError, match=r"FATAL|PANIC"):
        server.start()
    assert control.read_bytes() == b"\0" * 8192
    assert postmaster_of(home / "data") is None


@pytest.mark.skipif(not SYSTEM_BINARIES, reason="this machine has no PostgreSQL of its own")
def test_a_system_postgres_can_serve_instead(home, make_server):
    """PostgreSQL 15 and later: another version keeps history just as well, in its own directory."""
    server = make_server(home, binaries=SYSTEM_BINARIES[-1])
    server.start()
    version = SYSTEM_BINARIES[-1].parent.name
    assert _query(server, "SHOW server_version")[0][0].startswith(version)
    ensure_databases(server.url("studio"), ["studio"])
    migrate(owner_engine(server.url("studio")), "monsoonfire")
    engine = app_engine(server.url("studio"), "monsoonfire")
    assert database_problems(engine) == []
    history = History(engine, "monsoonfire")
    history.record_event(OperationalEvent("a:b:c", NOON))
    history.record_read(make_read(), "run-1", "1")
    assert history.latest_reads() == [make_read()]
    assert len(history.events()) == 1
    engine.dispose()
    server.stop()
    if version != "18":
        with pytest.raises(DataDirectoryError, match=f"made by PostgreSQL {version}"):
            make_server(home).start()


def test_binaries_that_do_not_exist_are_a_plain_error(home, make_server):
    with pytest.raises(ServerStartError, match="does not run"):
        make_server(home, binaries=home / "nowhere").start()
    assert not (home / "data").exists()


def _has_account(name):
    return any(entry.pw_name == name for entry in pwd.getpwall())


@needs_root
@pytest.mark.skipif(not (_has_account("postgres") or _has_account("nobody")), reason="no other account")
def test_without_namespaces_root_runs_it_as_another_account(monkeypatch, make_server):
    """A container may refuse user namespaces; then only folders we made get another owner."""
    monkeypatch.setattr(Account, "may_enter", _refusing_namespaces(Account.may_enter))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = make_server(Path(folder))
        server.start()
        owner = (Path(folder) / "data").stat().st_uid
        assert pwd.getpwuid(owner).pw_name in {"postgres", "nobody"}
        assert Path(folder).stat().st_uid == 0
        assert postmaster_of(Path(folder) / "data").uids().real == owner
        server.stop()
        server.start()  # an existing directory decides by its owner
        assert server.is_ready()
        server.stop()


@needs_root
def test_without_namespaces_a_private_home_is_refused_with_the_remedy(home, monkeypatch, make_server):
    monkeypatch.setattr(Account, "may_enter", _refusing_namespaces(Account.may_enter))
    with pytest.raises(ServerStartError, match=r"ordinary user.*--home.*STUDIO_DATABASE_URL"):
        make_server(home).start()
    assert not (home / "data").exists()


def _refusing_namespaces(original):
    return lambda account, *paths: account.appears_as is None and original(account, *paths)
