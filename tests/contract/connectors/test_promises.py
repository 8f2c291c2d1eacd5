"""One suite for every connector. A connector that breaks a promise is found; so the suite is tried, too."""

import json

import pytest

from cockpit.cli.connector_subjects import SUBJECTS, HubitatSubject, verify_on_twins
from resources.connector import ConnectorError, Fault, Health, Reading
from resources.connectors.contract.promises import PROMISES
from resources.connectors.contract.subject import Trouble
from resources.connectors.contract.verify import verify
from resources.hubitat.live import HubitatConnector


@pytest.fixture(scope="module")
def verdicts():
    """Hold every connector to every promise, once: most of it is waiting for the other side's silence."""
    return verify_on_twins()["connectors"]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: one.name)
@pytest.mark.parametrize("number", range(len(SUBJECTS)), ids=lambda one: SUBJECTS[one].connector_id)
def test_the_connector_keeps(verdicts, number, promise):
    assert promise.name in verdicts[number]["passed"], verdicts[number]["reasons"]


def test_the_verdict_lists_every_connector_and_every_promise(verdicts):
    assert [one["id"] for one in verdicts] == [kind.connector_id for kind in SUBJECTS]
    for one in verdicts:
        assert one["failed"] == [], one["reasons"]
        assert one["passed"] == [promise.name for promise in PROMISES]
    json.dumps(verdicts)


def test_on_real_devices_nothing_is_broken_and_nothing_is_sent():
    """Promises that need trouble or a command are skipped where the other side is real."""
    with HubitatSubject() as hub:
        hub.is_pretend = False
        hub.strike = hub.heal = hub.act_unguarded = None
        verdict = verify(hub)
        assert verdict.failed == (), verdict.reasons
        assert set(verdict.skipped) == {promise.name for promise in PROMISES if promise.needs_twin}
        assert hub.commands() == []


class _Liar(HubitatConnector):
    """Breaks one promise after the other."""

    lie = ""

    def health(self, deadline_seconds):
        if self.lie == "health":
            return Health(is_healthy=True, fault=None, sentence="fine", checked_at=self._clock.now())
        return super().health(deadline_seconds)

    def read(self, deadline_seconds):
        try:
            return super().read(deadline_seconds)
        except ConnectorError as error:
            if self.lie == "empty" and error.fault is Fault.BAD_RESPONSE:
                return Reading([], [], self._clock.now())
            if self.lie == "patient" and error.fault is Fault.TIMEOUT:
                super().read(deadline_seconds * 3)
            if self.lie == "wrong name":
                raise ConnectorError(Fault.UNKNOWN, "no") from None
            if self.lie == "talkative":
                raise ConnectorError(error.fault, f"no: {self._address.token}") from None
            if self.lie == "context":
                raise ConnectorError(error.fault, "no") from OSError("http://hub")
            raise

    def execute(self, command, *, is_dry_run, deadline_seconds):
        if self.lie == "acts":
            self.health(deadline_seconds)
        return super().execute(command, is_dry_run=is_dry_run, deadline_seconds=deadline_seconds)


@pytest.mark.parametrize(
    ("lie", "broken"),
    [
        ("health", "health_in_trouble"),
        ("empty", "malformed_payload"),
        ("patient", "timeout"),
        ("wrong name", "auth_failure"),
        ("talkative", "redaction"),
        ("context", "error_shape"),
        ("acts", "read_only"),
    ],
)
def test_a_connector_that_lies_is_found(monkeypatch, lie, broken):
    """The promise it breaks is named, and no other of those it keeps."""
    tried = [promise for promise in PROMISES if promise.name in {broken, "read", "no_commands"}]
    monkeypatch.setattr("resources.connectors.contract.verify.PROMISES", tried)

    class Subject(HubitatSubject):
        deadline_seconds = 0.5

        def connector(self):
            liar = super().connector()
            liar.__class__ = _Liar
            liar.lie = lie
            return liar

    with Subject() as hub:
        verdict = verify(hub)
    assert verdict.failed == (broken,)
    assert verdict.passed == ("read", "no_commands")
    assert "canary" not in str(verdict.reasons)


def test_every_trouble_is_one_a_subject_knows():
    for kind in SUBJECTS:
        assert set(kind._faults) == set(Trouble)
