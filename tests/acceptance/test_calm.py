"""A studio in which nothing needs attention, in a house of its own: one snapshot, one round of ticks."""

import signal

import pytest

from tests.acceptance.pretending import pretending, wait_for_ticks

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def test_a_calm_studio_has_nothing_to_say(tmp_path):
    """No incident, no finding, no proposal, in the same rooms with the same swarms running."""
    with pretending(tmp_path / "a home", "--days", "30", "--calm") as calm:
        wait_for_ticks(calm)
        findings = calm.do("ada", "findings", "list")["findings"]
        assert [(one["department"], one["kind"], one["subject"], one["since"]) for one in findings] == []
        assert calm.do("ada", "proposals", "list")["proposals"] == []
        code = calm.house.stop(number=signal.SIGINT)
        assert code == 0, f"Ctrl-C is no failure: {calm.house.log_text()}"
