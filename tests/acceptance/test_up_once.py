"""``up --once`` on a fresh home, twice, and the commands that read what it left.

Midnight may fall anywhere in here: what is promised of a day is asked of the day that a command says it is.
"""

from datetime import date, timedelta

import pytest

from tests.acceptance.house import House

pytestmark = pytest.mark.acceptance
DAYS = "3"


class Once:
    """One home, and what every run of ``up --once`` on it has said, in order."""

    def __init__(self, home):
        self.house, self.states, self.codes = House(home), [], []

    def up(self, *arguments):
        """Run it once more; return the state it tells."""
        code, state = self.house.run_json("up", "--once", *arguments, "--port", str(self.house.port))
        self.codes.append(code)
        self.states.append(state)
        return state

    @property
    def days(self):
        """Return every day that was told, newest first."""
        return sorted({state["snapshotDate"] for state in self.states}, reverse=True)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Run ``up --once`` on a fresh home and give the house with the outcome."""
    made = Once(tmp_path_factory.mktemp("once") / "a home")
    made.up("--days", DAYS)
    return made


def test_a_fresh_home_shows_the_whole_state(once):
    """Exit code 0; date, revision, hash, every counter, documents per source, checks, seconds per phase."""
    state = once.states[0]
    assert once.codes[0] == 0
    assert state["revision"] == 1
    assert len(state["contentHash"]) == 64
    assert len(state["counts"]) == 12
    assert len(state["ops"]) == 4
    assert len(state["finance"]) == 9
    assert state["checks"]["failed"] == 0 < state["checks"]["passed"]
    assert len(state["sources"]) == 21
    for source in state["sources"].values():
        assert {"readAt", "documents", "billedReads", "hash", "completeness"} <= source.keys()
        assert source["completeness"] == "full"
    assert state["sources"]["batches"]["documents"] > 0
    assert state["phases"]["twins_ready"] > 0
    assert state["phases"]["tick_ready"] > state["phases"]["daemon_ready"]
    assert state["phases"]["read"] > 0


def test_nothing_is_left_running(once):
    assert once.house.processes() == []
    code, told = once.house.run_json("status")
    assert (code, told["running"]) == (1, False)


def said(state):
    """Return all that the hash of a day's state is over: of devices not when they were looked at."""
    passing = {"readAt", "ageSeconds", "fault"}
    return {
        **{section: state[section] for section in ("counts", "ops", "finance")},
        "sources": {name: read["hash"] for name, read in state["sources"].items()},
        "devices": {
            name: {key: value for key, value in entry.items() if key not in passing}
            for name, entry in state["devices"].items()
        },
    }


def test_an_unchanged_cloud_gives_the_same_hash_and_no_new_revision(once):
    """The pretend studio lives on between the two runs, so its state may change: then something is said anew.

    A new day has a state of its own, whatever the cloud says, and takes nothing from the day before.
    """
    first, second = once.states[-1], once.up()
    if second["snapshotDate"] != first["snapshotDate"]:
        assert date.fromisoformat(second["snapshotDate"]) == next_day(first)
        assert (second["revision"], second["isNew"]) == (1, True)
        assert second["contentHash"] != first["contentHash"]
        older = f"{first['snapshotDate']}/{first['revision']}"
        code, kept = once.house.run_json("state", "show", older)
        assert (code, kept["contentHash"]) == (0, first["contentHash"])
        first, second = second, once.up()
    assert set(once.codes) == {0}
    assert second["snapshotDate"] == first["snapshotDate"]
    assert (second["contentHash"] == first["contentHash"]) is (said(second) == said(first))
    if second["contentHash"] == first["contentHash"]:
        assert (second["revision"], second["isNew"]) == (first["revision"], False)
    else:
        assert (second["revision"], second["isNew"]) == (first["revision"] + 1, True)
        assert second["diff"]["fromRevision"] == first["revision"]
        assert set(second["diff"]["sourcesChanged"]) == {
            name for name, read in second["sources"].items() if read["hash"] != first["sources"][name]["hash"]
        }


def next_day(state):
    return date.fromisoformat(state["snapshotDate"]) + timedelta(days=1)


def test_the_state_that_was_made_is_shown_without_reading_the_cloud(once):
    house = once.house
    code, state = house.run_json("state", "show")
    assert code == 0
    assert {"snapshotDate", "revision", "contentHash", "counts", "ops", "finance", "sources"} <= state.keys()
    assert state["snapshotDate"] == once.states[-1]["snapshotDate"]
    assert state["checks"]["passed"] > 0
    assert state["phases"]["read"] > 0
    code, history = house.run_json("state", "history")
    assert [day["snapshotDate"] for day in history["days"]] == once.days
    assert house.processes() == []


def test_a_day_that_is_not_there_is_told_plainly(once):
    done = once.house.run("state", "show", "2001-01-01")
    assert done.returncode == 1
    assert "There is no snapshot of 2001-01-01." in done.stderr
    assert "Traceback" not in done.stderr


def test_another_studio_needs_another_home(once):
    """A home keeps one studio's history; asking for another is refused and changes nothing."""
    house = once.house
    done = house.run("up", "--once", "--seed", "99", "--port", str(house.port))
    assert done.returncode == 3
    assert "another studio" in done.stderr
    assert "--home" in done.stderr
