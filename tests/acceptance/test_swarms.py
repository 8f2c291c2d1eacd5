"""The promise of the swarms, from outside: what is noticed becomes drafts, once, and nobody is bypassed.

One pretend studio with sixty days of labelled trouble runs for the whole module, in a timezone where it is
about noon: swarms are quiet at night. A calm one makes one snapshot and one round of ticks.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import psutil
import pytest

from tests.acceptance.governed import Studio
from tests.acceptance.house import House

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

DEPARTMENTS = ("operations", "finance", "marketing", "trust_safety")


def zone_at(hour):
    """Return a timezone where it is that hour of the day now; their names count westwards."""
    ahead = (hour - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}"


HOLD = """
import fcntl, sys
days = open(sys.argv[1], "a")
fcntl.lockf(days, fcntl.LOCK_EX, int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def past_at_rest(house):
    """Hold all past days, so that none is rebuilt: findings are of today, and rebuilding is tested elsewhere.

    By another process: a lock ends when its process closes the file anywhere, as commands do here.
    """
    today = datetime.now(ZoneInfo(house.environment["STUDIO_TIMEZONE"])).date()
    argv = [sys.executable, "-c", HOLD, str(house.home / "run" / "days.lock"), str(today.toordinal())]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        yield  # it ends when its input does


@contextlib.contextmanager
def pretending(home, *arguments):
    """Give a running pretend studio that is always taken down, without a process left."""
    house = House(home, STUDIO_TIMEZONE=zone_at(12))
    made = Studio(house)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("STUDIO_") or name == "FIRESTORE_EMULATOR_HOST":
                patch.delenv(name)
        patch.setenv("STUDIO_TIMEZONE", house.environment["STUDIO_TIMEZONE"])
        try:
            house.start(*arguments)
            house.wait_until(lambda told: told["ready"] and told["parts"]["daemon"]["phase"] == "ready")
            with past_at_rest(house):
                yield made
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                house.stop()
    left = house.processes()
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    assert not left, f"left behind: {left}"


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with pretending(tmp_path_factory.mktemp("swarms") / "a home", "--days", "60") as made:
        wait_for_ticks(made)
        yield made


def drafts(studio):
    """Return every proposal of a swarm, by department."""
    found = {department: [] for department in DEPARTMENTS}
    for proposal in studio.do("ada", "proposals", "list")["proposals"]:
        kind, _, department = proposal["requester"]["id"].partition("_")
        if kind == "system:swarm":
            found[department].append(proposal)
    return found


def wait_for_ticks(studio, departments=DEPARTMENTS):
    """Wait until each swarm has ended a tick that began after now; return why each skipped."""
    now = time.time()
    return {
        department: studio.wait_for(lambda name=department: studio.skip_since(f"{name}_swarm_sensor", now))
        for department in departments
    }


def test_each_department_finds_and_drafts(studio):
    """Findings of every department are open, and each swarm has drafted, and done nothing else."""
    found = Counter(finding["department"] for finding in studio.do("ada", "findings", "list")["findings"])
    made = drafts(studio)
    for department in DEPARTMENTS:
        assert found[department] > 0, (department, found)
        assert made[department], (department, found)
        for proposal in made[department]:
            assert proposal["state"] == "draft"
            assert any(evidence["findingId"] for evidence in proposal["evidence"])
    assert studio.is_audit_good() > 0


def test_nothing_repeats(studio):
    """Reading everything again and ticking again proposes nothing about what was proposed."""
    wait_for_ticks(studio)
    before = drafts(studio)
    read_before = studio.do(None, "state", "show")["sources"]["batches"]["readAt"]
    again = json.loads(studio.run("snapshot", "--full", "--json").out)
    assert again["sources"]["batches"]["readAt"] > read_before
    wait_for_ticks(studio)
    wait_for_ticks(studio)
    after = drafts(studio)
    for department in DEPARTMENTS:
        keys = [proposal["dedupeKey"] for proposal in after[department]]
        assert len(keys) == len(set(keys))
        assert {proposal["id"] for proposal in before[department]} <= {
            proposal["id"] for proposal in after[department]
        }


def test_a_paused_swarm_says_so_and_the_others_go_on(studio):
    studio.do("ada", "swarms", "pause", "finance", "--reason", "The books are being closed.")
    try:
        said = wait_for_ticks(studio)
        assert "paused" in said["finance"].lower()
        assert "paused" not in said["operations"].lower()
        told = {swarm["department"]: swarm for swarm in studio.do("ada", "swarms", "list")["swarms"]}
        assert told["finance"]["state"] == "paused"
        assert told["operations"]["state"] == "running"
    finally:
        studio.do("ada", "swarms", "resume", "finance", "--reason", "The books are closed.")
    assert "paused" not in wait_for_ticks(studio)["finance"].lower()


def test_the_kill_switch_holds_every_swarm(studio):
    studio.do("dana", "kill-switch", "on", "--reason", "A rehearsal of halting everything.")
    try:
        before = drafts(studio)
        for department, why in wait_for_ticks(studio).items():
            assert "kill switch" in why.lower(), department
        assert drafts(studio) == before
    finally:
        studio.resume()


def test_a_member_cannot_mark_findings_nor_pause_swarms(studio):
    """Who is not staff is turned away, and nothing is changed."""
    finding = studio.do("ada", "findings", "list")["findings"][0]
    for words in (
        ("findings", "mark", finding["id"], "noise", "--reason", "I do not like it."),
        ("swarms", "pause", "finance", "--reason", "I do not like it."),
    ):
        code, told = studio.ask("member", *words)
        assert code != 0, told
        assert "error" in told
    told = {swarm["department"]: swarm for swarm in studio.do("ada", "swarms", "list")["swarms"]}
    assert told["finance"]["state"] == "running"


def test_a_mark_is_counted_in_the_acceptance_of_its_kind(studio):
    finding = studio.do("ada", "findings", "list")["findings"][0]
    studio.do("ada", "findings", "mark", finding["id"], "useful", "--reason", "It was on the wrong shelf.")
    rates = studio.do("ada", "swarms", "list")["acceptance"]
    (rate,) = [each for each in rates if each["kind"] == finding["kind"]]
    assert (rate["department"], rate["useful"], rate["marked"]) == (finding["department"], 1, 1)


def test_a_calm_studio_has_nothing_to_say(tmp_path):
    """No incident, no finding, no proposal, in the same rooms with the same swarms running."""
    with pretending(tmp_path / "a home", "--days", "30", "--calm") as calm:
        wait_for_ticks(calm)
        findings = calm.do("ada", "findings", "list")["findings"]
        assert [(one["department"], one["kind"], one["subject"], one["since"]) for one in findings] == []
        assert calm.do("ada", "proposals", "list")["proposals"] == []
