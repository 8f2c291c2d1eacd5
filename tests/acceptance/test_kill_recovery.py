"""One long life of a house: killed part by part, then attached to, then stopped without a trace.

kill -9 of any child, of PostgreSQL and of the supervisor, twenty times at random moments: afterwards the
house always becomes ready again by itself (or, when the supervisor itself was killed, by the next ``up``),
history is consistent and has lost nothing, and no process of a killed instance is left.
"""

import contextlib
import http.client
import itertools
import os
import random
import signal
import subprocess
import time

import psutil
import psycopg2
import pytest

from tests.acceptance.house import House

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
SEED = int(os.environ.get("KILL_SEED", "20261121"))
# How often each is hit; the steps are hit only while they run.
VICTIMS = {"supervisor": 5, "postgres": 4, "twins": 3, "code": 2, "daemon": 2, "web": 2, "history": 2}
LATEST_MOMENT_SECONDS = 4.0
DAYS = 2


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Give a house that runs, for the whole module; it is always taken down."""
    made = House(tmp_path_factory.mktemp("life") / "a home")
    made.start("--days", str(DAYS))
    try:
        made.wait_ready()
        yield made
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            made.stop()
        left = made.processes()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
    assert not left, f"left behind: {left}"


def has_history(told):
    return told["parts"].get("history", {}).get("phase") == "done"


def fetch(house, path):
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def history_of(house):
    """Return (day, revision, hash) of every snapshot, read past all of our own code."""
    from resources.postgres.embedded import EmbeddedPostgres
    from resources.postgres.urls import psql_url

    server = EmbeddedPostgres(house.home / "postgres", house.home / "run" / "postgres")
    connection = psycopg2.connect(psql_url(server.url("studio")))
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT snapshot_date::text, revision, content_hash"
                " FROM studio.studio_state_snapshots ORDER BY 1, 2"
            )
            return cursor.fetchall()
    finally:
        connection.close()


def assert_consistent(rows, before):
    """Revisions of a day are 1, 2, 3 ..., neighbours differ, and nothing that was there is gone."""
    by_day = {}
    for day, revision, digest in rows:
        by_day.setdefault(day, []).append((revision, digest))
    for day, revisions in by_day.items():
        assert [revision for revision, _ in revisions] == list(range(1, len(revisions) + 1)), day
        hashes = [digest for _, digest in revisions]
        assert all(one != other for one, other in itertools.pairwise(hashes)), day
    assert set(before) <= set(rows)


def kill(house, victim):
    """Kill one of the processes of the house; return its id, or null when it is not there at this moment."""
    if victim == "supervisor":
        pid = house.supervisor.pid
    else:
        pid = house.status()["parts"].get(victim, {}).get("pid")
    if pid is None:
        return None
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None  # it has just ended by itself
    return pid


def test_twenty_kills_at_random_moments_lose_nothing(house):
    """Whatever is killed, whenever: ready again, consistent, nothing lost, nothing left over."""
    chance = random.Random(SEED)
    victims = [name for name, count in VICTIMS.items() for _ in range(count)]
    chance.shuffle(victims)
    assert len(victims) == 20
    rows, struck = [], 0
    for number, victim in enumerate(victims):
        moment = chance.uniform(0, LATEST_MOMENT_SECONDS)
        time.sleep(moment)  # the random moment is what is tested; nothing waits for this
        hit = victim
        pid = kill(house, victim)
        if pid is None:
            hit = chance.choice(["web", "daemon", "code", "twins", "postgres"])
            pid = kill(house, hit) or kill(house, hit := "supervisor")
        struck += 1
        told = f"seed {SEED}, kill {number}: {hit} after {moment:.2f} s"
        if hit == "supervisor":
            house.supervisor.wait(10)
            house.start()
        # Half of the time the next kill comes while the house is still getting up.
        if chance.random() < 0.5 and number + 1 < len(victims):
            continue
        house.wait_until(lambda status, pid=pid: is_repaired(status, pid))
        found = history_of(house)
        assert_consistent(found, rows)
        assert found, told
        rows = found
    assert struck == 20
    house.wait_until(has_history)
    house.wait_ready()
    rows = history_of(house)
    assert len({day for day, _, _ in rows}) >= DAYS + 1
    assert_one_of_each(house)


def test_up_serves_the_state_and_is_attached_to(house):
    """Page, Dagster, a second start refused, the past rebuilt, a snapshot and every question answered."""
    answer, page = fetch(house, "/")
    assert answer.status == 200
    assert "Derived from cloud, as of" in page
    house.wait_until(lambda _: fetch(house, "/dagster/")[0].status == 200, seconds=60)
    assert "dagster" in fetch(house, "/dagster/")[1]

    second = house.run("up", "--port", str(house.port + 1))
    assert second.returncode == 3
    assert f"process {house.supervisor.pid}" in second.stderr
    assert "./studio down" in second.stderr

    house.wait_until(has_history)
    web = house.status()["parts"]["web"]
    os.kill(web["pid"], signal.SIGKILL)
    told = house.wait_until(lambda status: is_repaired(status, web["pid"]))
    assert told["parts"]["web"]["restarts"] == web["restarts"] + 1
    assert not psutil.pid_exists(web["pid"])
    code, state = house.run_json("snapshot")
    assert code == 0, state
    code, history = house.run_json("state", "history")
    assert len(history["days"]) == DAYS + 1
    code, doctor = house.run_json("doctor")
    assert code == 0, [check for check in doctor["checks"] if not check["ok"]]
    code, status = house.run_json("status")
    assert (code, status["pid"]) == (0, house.supervisor.pid)


def test_down_stops_it_and_leaves_nothing(house):
    code, down = house.run_json("down")
    assert (code, down["stopped"]) == (0, True)
    assert house.supervisor.wait(60) == 0
    assert house.processes() == []


def is_repaired(status, killed):
    """Say whether the house is ready, and not only because nobody noticed the kill yet."""
    return status["ready"] and killed not in {part["pid"] for part in status["parts"].values()}


def assert_one_of_each(house):
    """Every part runs once, and everything that works on this home belongs to the instance that runs."""
    family = {
        house.supervisor.pid,
        *(child.pid for child in psutil.Process(house.supervisor.pid).children(recursive=True)),
    }
    assert {process.pid for process in house.processes()} <= family
