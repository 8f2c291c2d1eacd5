"""Asking the connectors: all at once, and whatever one of them does is told, never raised."""

import threading

import pytest

from policies.errors import DeniedError
from policies.rules import deny
from resources.connector import ConnectorError, Fault
from resources.postgres.errors import ServerUnreachableError
from resources.settings import Settings
from studio_assets.devices.reading import CONNECTORS, ask_all, read_now, unread
from studio_assets.devices.section import Limits
from tests.unit.studio_assets.devices.strategies import device, reading


class Devices:
    """Connectors that do what they are told."""

    def __init__(self, **does):
        self.does, self.runs = does, []

    def configured(self):
        return tuple(self.does)

    def read(self, connector_id, *, run_id=None):
        self.runs.append(run_id)
        return self.does[connector_id]()

    def states(self):
        return ()


def raising(error):
    def act():
        raise error

    return act


def test_connectors_are_asked_at_the_same_time():
    """Each waits for the other to have begun: one after the other, this would not end well."""
    meet = threading.Barrier(2, timeout=10)

    def act():
        meet.wait()
        return reading(device())

    devices = Devices(hubitat=act, roborock=act)
    assert all(answer.reading for answer in ask_all(devices, "run-7").values())
    assert devices.runs == ["run-7", "run-7"]


@pytest.mark.parametrize(
    ("error", "fault", "said"),
    [
        (ConnectorError(Fault.AUTH, "The token is refused."), Fault.AUTH, "The token is refused."),
        (DeniedError(deny("reader-kind")), Fault.UNKNOWN, "The rules did not let it be asked"),
        (RuntimeError("secret-token"), Fault.UNKNOWN, "failed in a way it should not"),
    ],
)
def test_whatever_a_connector_does_is_told_and_the_others_are_read(error, fault, said):
    """A foreign error's words may hold an address or a token: they are not repeated."""
    answers = ask_all(Devices(hubitat=raising(error), roborock=lambda: reading(device())), "run")
    assert (answers["hubitat"].reading, answers["hubitat"].fault) == (None, fault)
    assert said in answers["hubitat"].sentence
    assert "secret-token" not in answers["hubitat"].sentence
    assert answers["roborock"].reading is not None


def test_a_database_that_is_away_is_no_fault_of_a_connector():
    with pytest.raises(ServerUnreachableError):
        ask_all(Devices(hubitat=raising(ServerUnreachableError("It does not answer."))), "run")


def test_nothing_is_asked_where_nothing_is_configured(tmp_path):
    assert ask_all(Devices(), "run") == {}
    assert [read.is_configured for read in unread(Settings(home=tmp_path))] == [False] * len(CONNECTORS)
    assert not read_now("hubitat", None, None, None, Limits()).is_configured
