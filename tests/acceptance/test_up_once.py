"""``up --once`` on a fresh home, twice, and the commands that read what it left."""

import pytest

from tests.acceptance.house import House

pytestmark = pytest.mark.acceptance
DAYS = "3"


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Run ``up --once`` on a fresh home and give the house with the outcome."""
    house = House(tmp_path_factory.mktemp("once") / "a home")
    code, state = house.run_json("up", "--once", "--days", DAYS, "--port", str(house.port))
    return house, code, state


def test_a_fresh_home_shows_the_whole_state(once):
    """Exit code 0; date, revision, hash, every counter, documents per source, checks, seconds per phase."""
    _, code, state = once
    assert code == 0
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
    house, _, _ = once
    assert house.processes() == []
    code, told = house.run_json("status")
    assert (code, told["running"]) == (1, False)


def known(state):
    """Return what is known of devices, without when."""
    passing = {"readAt", "ageSeconds", "fault"}
    return {
        name: {key: value for key, value in entry.items() if key not in passing}
        for name, entry in state["devices"].items()
    }


def test_an_unchanged_cloud_gives_the_same_hash_and_no_new_revision(once):
    """The pretend studio is told apart by nothing but time, so its state may change between the two runs.

    Then documents changed, or devices did.
    """
    house, _, first = once
    code, second = house.run_json("up", "--once", "--port", str(house.port))
    assert code == 0
    if second["contentHash"] == first["contentHash"]:
        assert (second["revision"], second["isNew"]) == (first["revision"], False)
    else:
        assert second["isNew"]
        assert second["diff"]["sourcesChanged"] or known(second) != known(first)


def test_the_state_that_was_made_is_shown_without_reading_the_cloud(once):
    house, _, _ = once
    code, state = house.run_json("state", "show")
    assert code == 0
    assert {"snapshotDate", "revision", "contentHash", "counts", "ops", "finance", "sources"} <= state.keys()
    assert state["checks"]["passed"] > 0
    assert state["phases"]["read"] > 0
    code, history = house.run_json("state", "history")
    assert [day["snapshotDate"] for day in history["days"]] == [state["snapshotDate"]]
    assert house.processes() == []


def test_a_day_that_is_not_there_is_told_plainly(once):
    house, _, _ = once
    done = house.run("state", "show", "2001-01-01")
    assert done.returncode == 1
    assert "There is no snapshot of 2001-01-01." in done.stderr
    assert "Traceback" not in done.stderr


def test_another_studio_needs_another_home(once):
    """A home keeps one studio's history; asking for another is refused and changes nothing."""
    house, _, _ = once
    done = house.run("up", "--once", "--seed", "99", "--port", str(house.port))
    assert done.returncode == 3
    assert "another studio" in done.stderr
    assert "--home" in done.stderr
