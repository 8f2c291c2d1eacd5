"""One long life of a house: killed part by part, then attached to, then stopped without a trace.

After the last kill of the supervisor it is started without the permission to write.

kill -9 of any child, of PostgreSQL and of the supervisor, twenty times at random moments: afterwards the
house always becomes ready again by itself (or, when the supervisor itself was killed, by the next ``up``),
history is consistent and has lost nothing, and no process of a killed instance is left.
"""

import http.client
import itertools
import json
import os
import random
import signal
import time
from datetime import date, timedelta

import psutil
import psycopg2
import pytest

from tests.acceptance.house import House
from tests.acceptance.pretending import living

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
SEED = int(os.environ.get("KILL_SEED", "20261121"))
# How often each is hit; the steps are hit only while they run.
VICTIMS = {"supervisor": 5, "postgres": 4, "twins": 3, "code": 2, "daemon": 2, "web": 2, "history": 2}
LATEST_MOMENT_SECONDS = 4.0
DAYS = 2


class Life:
    """The house of this module, what was asked for in it, and whether it may still write.

    Attributes:
        studio: The house with its people.
        wish: What was asked for while it might; null before.
    """

    def __init__(self, studio):
        self.studio, self.house = studio, studio.house
        self.wish = None

    @property
    def only_observes(self):
        return "STUDIO_WRITES_ENABLED" in self.house.environment

    def ask(self):
        """Ask for something, once."""
        self.wish = self.wish or self.studio.create("ada")

    def observe_from_the_next_start_on(self):
        self.house.environment["STUDIO_WRITES_ENABLED"] = "false"


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """Give a house for the whole module; it is always taken down."""
    with living(House(tmp_path_factory.mktemp("life") / "a home"), "--days", str(DAYS)) as studio:
        yield Life(studio)


@pytest.fixture
def house(life):
    """Give the house, which runs and is ready, whatever the last test has left."""
    if life.house.supervisor is None or life.house.supervisor.poll() is not None:
        life.house.start()
    life.house.wait_ready()
    return life.house


def has_history(told):
    return told["parts"].get("history", {}).get("phase") == "done"


def fetch(house, path):
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def days_until(house, last):
    """Return every day of the house's past and present, newest first: midnight may have come meanwhile."""
    newest = date.fromisoformat(last)
    first = date.fromisoformat(json.loads((house.home / "world.json").read_text())["first_day"])
    assert newest - first in {timedelta(days=DAYS), timedelta(days=DAYS + 1)}
    return [newest - timedelta(days=back) for back in range((newest - first).days + 1)]


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
        # What the file says may be of the supervisor before, and the number a stranger's by now.
        if victim != "supervisor" and psutil.Process(pid).ppid() != house.supervisor.pid:
            return None
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return None  # it has just ended by itself
    return pid


def kill_another(house, chance):
    """Kill any part that is there, as soon as one is; return which, and its id."""
    while True:
        names = sorted(name for name, part in house.status()["parts"].items() if part["pid"])
        if names and (pid := kill(house, name := chance.choice(names))):
            return name, pid
        assert house.supervisor.poll() is None, house.log_text()
        time.sleep(0.05)  # between looks at a file; it has only just been started


def test_twenty_kills_at_random_moments_lose_nothing(life, house):
    """Whatever is killed, whenever: ready again, consistent, nothing lost, nothing left over."""
    chance = random.Random(SEED)
    victims = [name for name, count in VICTIMS.items() for _ in range(count)]
    chance.shuffle(victims)
    assert len(victims) == 20
    last_start = max(number for number, victim in enumerate(victims) if victim == "supervisor")
    life.ask()
    rows, struck = [], 0
    for number, victim in enumerate(victims):
        moment = chance.uniform(0, LATEST_MOMENT_SECONDS)
        time.sleep(moment)  # the random moment is what is tested; nothing waits for this
        hit, pid = victim, kill(house, victim)
        if pid is None:
            hit, pid = kill_another(house, chance)
        struck += 1
        told = f"seed {SEED}, kill {number}: {hit} after {moment:.2f} s"
        if hit == "supervisor":
            house.supervisor.wait(10)
            if number == last_start:
                life.observe_from_the_next_start_on()
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


def test_up_serves_the_state_and_is_attached_to(life, house):
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
    code, state = life.studio.ask(None, "snapshot")
    assert code == 0, state
    kept = [day["snapshotDate"] for day in life.studio.do(None, "state", "history")["days"]]
    assert kept == [str(day) for day in days_until(house, state["snapshotDate"])]
    code, doctor = life.studio.ask(None, "doctor")
    assert code == 0, [check for check in doctor["checks"] if not check["ok"]]
    assert life.studio.do(None, "status")["pid"] == house.supervisor.pid


def test_a_house_that_only_observes_writes_nothing_and_keeps_what_was_decided(life, house):
    """Started again without the permission to write: everything is there, and nothing is carried out."""
    studio = life.studio
    if not life.only_observes:  # or it was killed and started again since something was asked for
        life.ask()
        assert house.stop() == 0, house.log_text()
        life.observe_from_the_next_start_on()
        house.start()
        house.wait_ready()
    code, told = studio.ask("ada", "proposals", "list")
    assert code == 3, "the pretend issuer has new keys"
    assert "TOKEN_" in told["error"]
    studio.tokens.clear()
    assert studio.approve("ben", life.wish["id"])["state"] == "approved"
    assert studio.why_not(life.wish["id"]) == "WRITES_DISABLED"
    code, told = studio.ask("ada", "proposals", "execute", life.wish["id"])
    assert (code, told["state"], told["isInstanceRunning"]) == (1, "approved", True)
    studio.is_audit_good()


def test_down_stops_it_and_leaves_nothing(house):
    """Both commands did what was asked, whatever had been in trouble after so many kills."""
    code, down = house.run_json("down")
    assert (code, down["stopped"]) == (0, True)
    assert house.supervisor.wait(60) == 0, house.log_text()
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
