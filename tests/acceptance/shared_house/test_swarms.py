"""The promise of the swarms, from outside: what is noticed becomes drafts, once, and nobody is bypassed."""

from collections import Counter

import pytest

from tests.acceptance.pretending import DEPARTMENTS, wait_for_ticks

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def drafts(studio):
    """Return every proposal of a swarm, by department."""
    found = {department: [] for department in DEPARTMENTS}
    for proposal in studio.do("ada", "proposals", "list", "--limit", "1000")["proposals"]:
        kind, _, department = proposal["requester"]["id"].partition("_")
        if kind == "system:swarm":
            found[department].append(proposal)
    return found


def assert_proposed_once(before, after):
    """Nothing that was proposed is gone, and nothing was proposed twice."""
    for department in DEPARTMENTS:
        keys = [proposal["dedupeKey"] for proposal in after[department]]
        assert len(keys) == len(set(keys))
        assert {proposal["id"] for proposal in before[department]} <= {
            proposal["id"] for proposal in after[department]
        }


def test_each_department_finds_and_drafts(studio):
    """Findings of every department are open, and each swarm has drafted, and done nothing else."""
    found = Counter(
        finding["department"]
        for finding in studio.do("ada", "findings", "list", "--limit", "10000")["findings"]
    )
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
    before = drafts(studio)
    read_before = studio.do(None, "state", "show")["sources"]["batches"]["readAt"]
    _, again = studio.ask(None, "snapshot", "--full")
    assert again["sources"]["batches"]["readAt"] > read_before
    wait_for_ticks(studio)
    once_more = drafts(studio)
    assert_proposed_once(before, once_more)
    wait_for_ticks(studio)
    assert_proposed_once(once_more, drafts(studio))


def test_a_paused_swarm_says_so_and_the_others_go_on(studio):
    studio.do("ada", "swarms", "pause", "finance", "--reason", "The books are being closed.")
    try:
        said = wait_for_ticks(studio, ("finance", "operations"))
        assert "paused" in said["finance"].lower()
        assert "paused" not in said["operations"].lower()
        told = {swarm["department"]: swarm for swarm in studio.do("ada", "swarms", "list")["swarms"]}
        assert told["finance"]["state"] == "paused"
        assert told["operations"]["state"] == "running"
    finally:
        studio.do("ada", "swarms", "resume", "finance", "--reason", "The books are closed.")
    assert "paused" not in wait_for_ticks(studio, ("finance",))["finance"].lower()


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
