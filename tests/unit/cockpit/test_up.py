"""How ``up`` ends: asked to stop, it did what was asked, whatever was in trouble; by itself, it has failed.

With small real processes as parts, and signals sent to this very process.
"""

import json
import os
import signal

import pytest
from structlog.testing import capture_logs

from cockpit.cli import up
from cockpit.errors import CANNOT_RUN, CockpitError
from cockpit.home import open_home
from cockpit.house import open_house
from cockpit.lifecycle import Phase
from cockpit.world import Wish
from resources.settings import load_settings
from tests.unit.cockpit.test_supervisor import SLEEPER, Program

pytestmark = pytest.mark.timeout(60)
FAILING = "import sys; sys.exit('the glaze is not dry')"


class Refusing(Program):
    """A part that no later attempt could start."""

    def prepare(self):
        raise CockpitError("The cluster is somebody else's.", "Choose another --home.")


class Crew:
    """A house of which a test chooses the parts, and the moment at which somebody asks it to stop.

    It stands in for the board, which is shown every change.

    Attributes:
        asks_when: Asked about the parts at every look; when it holds for the first time, the signal is sent.
        number: The signal.
    """

    def __init__(self, home):
        self.home, self.asks_when, self.number = home, lambda _: False, signal.SIGTERM
        self.has_asked = False
        settings = load_settings(
            {"STUDIO_HOME": str(home.path), "STUDIO_DATABASE_URL": "postgresql://u@h/studio"}
        )
        self.house = open_house(home, settings, Wish(days=1))
        self.parts = []

    def run(self, *parts, is_json=False, is_once=False):
        """Run the house to its end; return the exit code, or raise what keeps it from going on."""
        self.parts[:] = parts
        return up._run(self.house, is_once=is_once, is_json=is_json)

    def __call__(self, parts):
        if not self.has_asked and self.asks_when(parts):
            self.has_asked = True
            os.kill(os.getpid(), self.number)

    def say(self, text):
        """Nobody reads it."""

    def close(self, parts):
        """There is nothing to close."""


@pytest.fixture
def crew(tmp_path, monkeypatch):
    """Give a house without the pauses between attempts; signals are put back."""
    monkeypatch.setattr("cockpit.lifecycle.FIRST_PAUSE_SECONDS", 0.01)
    # The log is that of the whole process, which is the tests' here.
    monkeypatch.setattr(up, "configure_logs", lambda *_, **__: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    made = Crew(open_home(tmp_path / "home"))
    monkeypatch.setattr(up, "open_board", lambda _: made)
    monkeypatch.setattr(up, "all_parts", lambda *_, **__: made.parts)
    with capture_logs():
        yield made
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_that_was_asked_for_is_what_was_asked_for(crew, capsys, number):
    crew.number, crew.asks_when = number, lambda parts: parts[0].has_come_up
    assert crew.run(Program("web", SLEEPER, crew.home)) == 0
    assert capsys.readouterr().err == ""


def test_it_is_that_before_anything_has_come_up_too(crew, capsys):
    crew.asks_when = lambda parts: parts[0].life.phase is Phase.STARTING
    assert crew.run(Program("web", "import time; time.sleep(60)", crew.home)) == 0
    assert capsys.readouterr().err == ""


def test_what_was_in_trouble_then_is_told_and_is_no_failure_of_stopping(crew, capsys):
    """A step that gave up, and a service that fails over and over: both by name, with where the logs are."""
    step = Program("history", FAILING, crew.home, is_service=False)
    service = Program("web", FAILING, crew.home)
    crew.asks_when = lambda parts: (
        parts[0].life.phase is Phase.FAILED and parts[1].life.failures >= up.GIVE_UP_AFTER
    )
    assert crew.run(step, service) == 0
    told = capsys.readouterr().err
    assert "studio: Stopped." in told
    assert "history ended (exit code 1): the glaze is not dry." in told
    assert "web " in told
    assert str(crew.home.logs) in told
    assert "Not everything came up" not in told


def test_what_works_again_is_told_so(crew, capsys, tmp_path):
    """After a number of failures in a row it runs, and has nothing to complain of but those."""
    tries = tmp_path / "tries"
    code = (
        f"import sys; t = open({str(tries)!r}, 'a+'); t.write('.'); t.seek(0)\n"
        f"if len(t.read()) <= {up.GIVE_UP_AFTER}: sys.exit('too early')\n{SLEEPER}"
    )
    crew.asks_when = lambda parts: parts[0].has_come_up
    assert crew.run(Program("web", code, crew.home)) == 0
    assert f"web works again, after {up.GIVE_UP_AFTER} failures in a row." in capsys.readouterr().err


def test_in_json_it_is_one_object(crew, capsys):
    crew.asks_when = lambda parts: parts[0].life.phase is Phase.FAILED
    assert crew.run(Program("history", FAILING, crew.home, is_service=False), is_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["problems"] == ["history ended (exit code 1): the glaze is not dry."]


def test_a_house_that_cannot_go_on_ends_by_itself_with_a_failure(crew):
    """Without the tables nothing else can ever start."""
    with pytest.raises(CockpitError, match="Not everything came up: prepare ended") as raised:
        crew.run(Program("prepare", FAILING, crew.home, is_service=False))
    assert raised.value.exit_code == CANNOT_RUN


def test_a_part_that_refuses_for_good_ends_the_house_with_a_failure(crew):
    with pytest.raises(CockpitError, match=r"The cluster is somebody else's\. Choose another") as raised:
        crew.run(Refusing("postgres", SLEEPER, crew.home))
    assert raised.value.exit_code == CANNOT_RUN


@pytest.mark.parametrize("web", [Phase.READY, Phase.STOPPED])
def test_whoever_asks_a_house_to_stop_that_has_just_failed_is_told_that_it_has(crew, web):
    """The signal comes in the very round in which the tables were given up, or while all is stopped."""
    crew.asks_when = lambda parts: (parts[0].life.phase, parts[1].life.phase) == (Phase.FAILED, web)
    with pytest.raises(CockpitError, match="Not everything came up"):
        crew.run(
            Program("prepare", FAILING, crew.home, needs=("web",), is_service=False),
            Program("web", SLEEPER, crew.home),
        )
    assert crew.has_asked


def test_a_house_that_is_to_end_by_itself_was_interrupted_when_it_is_asked_to_stop(crew, capsys):
    """What ``--once`` was asked for is not there."""
    crew.asks_when = lambda parts: parts[0].has_come_up
    tick = Program("tick", "import time; time.sleep(60)", crew.home, is_service=False)
    assert crew.run(Program("web", SLEEPER, crew.home), tick, is_once=True, is_json=True) == up.INTERRUPTED
    assert json.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.parametrize("web", [Phase.READY, Phase.STOPPED])
def test_a_signal_after_all_was_there_takes_nothing_from_what_once_shows(crew, capsys, web):
    """In the very round in which the last part was done, or while all is stopped."""
    path = crew.home.run / "snapshot.json"
    told = json.dumps({"ok": True, "checks": {"passed": 1, "failed": 0}})
    tick = Program("tick", f"open({str(path)!r}, 'w').write({told!r})", crew.home, is_service=False)
    crew.asks_when = lambda parts: (parts[0].life.phase, parts[1].life.phase) == (web, Phase.DONE)
    assert crew.run(Program("web", SLEEPER, crew.home), tick, is_once=True, is_json=True) == 0
    assert crew.has_asked
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_once_that_had_failed_before_it_was_asked_to_stop_tells_its_failure(crew, capsys):
    """While all is stopped: what was asked for was not interrupted, it does not hold."""
    crew.asks_when = lambda parts: (parts[0].life.phase, parts[1].life.phase) == (Phase.STOPPED, Phase.FAILED)
    step = Program("tick", FAILING, crew.home, is_service=False)
    assert crew.run(Program("web", SLEEPER, crew.home), step, is_once=True, is_json=True) == 1
    assert crew.has_asked
    assert "the glaze is not dry" in json.loads(capsys.readouterr().out)["problems"][0]
