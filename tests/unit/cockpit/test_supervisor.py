"""The supervisor with small real processes as parts: started in order, restarted, and none left behind."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cockpit.home import open_home, read_json, write_json
from cockpit.lifecycle import STEP_ATTEMPTS, Phase
from cockpit.parts.part import BasePart
from cockpit.parts.python_part import progress_line
from cockpit.processes import MARK, Command, Registry, relatives, wait_for_end
from cockpit.supervisor import Supervisor
from policies.redaction import Redactor

CHECKOUT = Path(__file__).parents[3]
SUPERVISOR_WITH_A_GRANDCHILD = """
import sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cockpit.home import open_home
from cockpit.processes import MARK, Child, Command, Registry
from policies.redaction import Redactor

home, heard = open_home(Path(sys.argv[2])), threading.Event()
code = '''
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(1, flush=True)
time.sleep(60)
'''
command = Command([sys.executable, "-c", code], {MARK: home.home_id})
child = Child("code", command, log=home.logs / "x", redactor=Redactor(), hear=lambda line: heard.set())
Registry(home).add("code", child.pid)
heard.wait(20)
print(child.pid, flush=True)
threading.Event().wait()
"""
SLEEPER = "import sys, time; print('up', flush=True); time.sleep(60)"


class Program(BasePart):
    """A part that runs a line of Python and is ready once it said ``up``."""

    def __init__(self, name, code, home, *, needs=(), is_service=True, extra=None):
        self.name, self.label, self.needs, self.is_service = name, name, needs, is_service
        self._code, self._home, self._said, self.starts = code, home, False, 0
        self._extra = extra or {}

    def reset(self):
        self._said = False

    def command(self):
        self.starts += 1
        environment = {"PATH": os.environ["PATH"], MARK: self._home.home_id, **self._extra}
        return Command([sys.executable, "-I", "-S", "-c", self._code], environment)

    def hear(self, line):
        self._said = self._said or line == "up"

    def probe(self):
        return self._said


@pytest.fixture
def home(tmp_path):
    return open_home(tmp_path / "home")


@pytest.fixture
def supervise(home):
    """Make supervisors that are always stopped, with the signals put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    made = []

    def make(*parts, redactor=None):
        supervisor = Supervisor(home, parts, redactor=redactor or Redactor(), watch=lambda _: None)
        made.append(supervisor)
        return supervisor

    yield make
    for supervisor in made:
        supervisor.stop()
    for number, handler in before.items():
        signal.signal(number, handler)


def all_up(running):
    return all(part.has_come_up for part in running)


def within(seconds, condition):
    """Bound a run in time, so that a failure is a failed assertion and not a hang."""
    deadline = time.monotonic() + seconds
    return lambda running: condition(running) or time.monotonic() > deadline


def test_parts_start_in_the_order_of_their_needs_and_all_end(home, supervise):
    """A part starts only when what it needs is ready; stopping leaves no process."""
    first = Program("first", SLEEPER, home)
    second = Program("second", "print('done')", home, needs=("first",), is_service=False)
    third = Program("third", SLEEPER, home, needs=("second",))
    supervisor = supervise(third, second, first)
    supervisor.run(within(20, all_up))
    assert all_up(supervisor.running)
    order = sorted(supervisor.running, key=lambda running: running.ready_after)
    assert [running.name for running in order] == ["first", "second", "third"]
    assert relatives(home)
    supervisor.stop()
    assert not relatives(home)
    assert {running.life.phase for running in supervisor.running} == {Phase.STOPPED, Phase.DONE}


def test_a_killed_part_is_started_again_and_there_is_never_a_second_copy(home, supervise):
    part = Program("web", SLEEPER, home)
    supervisor = supervise(part)
    supervisor.run(within(20, all_up))
    killed = supervisor.running[0].child.pid
    os.kill(killed, signal.SIGKILL)
    counts = []

    def again(running):
        counts.append(len(relatives(home)))
        return running[0].has_come_up and running[0].child.pid != killed

    supervisor.run(within(20, again))
    assert supervisor.running[0].child.pid != killed
    assert (part.starts, max(counts)) == (2, 1)
    assert supervisor.running[0].life.restarts == 1


def test_a_part_waits_for_what_it_needs_to_come_back_and_nothing_counts_against_it(home, supervise, tmp_path):
    """The history needs a step that is done, and through it the database: killed, held back, then let in."""
    gate = tmp_path / "gate"
    gate.touch()
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\n"
    database = Program("database", wait + SLEEPER, home)
    migrations = Program("migrations", "", home, needs=("database",), is_service=False)
    history = Program("history", "import time; time.sleep(60)", home, needs=("migrations",), is_service=False)
    supervisor = supervise(history, migrations, database)
    told, _, server = supervisor.running
    supervisor.run(within(20, lambda _: told.child is not None))
    gate.unlink()
    for running in (server, told):
        os.kill(running.child.pid, signal.SIGKILL)
        assert wait_for_end(running.child.pid, seconds=20)
    supervisor.run(within(20, lambda _: server.life.phase is Phase.STARTING and server.child is not None))
    assert (told.life.phase, told.life.failures, told.child) == (Phase.WAITING, 0, None)
    assert told.describe()["detail"] == "until this is back: database"
    gate.touch()
    supervisor.run(within(20, lambda _: told.child is not None))
    assert (server.life.phase, history.starts, migrations.starts) == (Phase.READY, 2, 1)


def test_a_step_that_gave_up_starts_again_after_the_database_did(home, supervise, monkeypatch):
    """Not for ever failed because of what happened to something else."""
    monkeypatch.setattr("cockpit.lifecycle.FIRST_PAUSE_SECONDS", 0.01)
    database = Program("database", SLEEPER, home)
    history = Program("history", "import sys; sys.exit(1)", home, needs=("database",), is_service=False)
    supervisor = supervise(database, history)
    server, told = supervisor.running
    supervisor.run(within(20, lambda _: told.life.phase is Phase.FAILED))
    assert history.starts == STEP_ATTEMPTS
    os.kill(server.child.pid, signal.SIGKILL)
    supervisor.run(within(20, lambda _: history.starts == 2 * STEP_ATTEMPTS))
    assert history.starts == 2 * STEP_ATTEMPTS


def test_what_a_part_started_does_not_outlive_it(home, supervise):
    """A part that dies takes its own children along."""
    code = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); time.sleep(60)"
    )
    supervisor = supervise(Program("code", code, home))
    supervisor.run(within(20, lambda _: len(relatives(home)) == 2))
    (grandchild,) = psutil.Process(supervisor.running[0].child.pid).children()
    os.kill(supervisor.running[0].child.pid, signal.SIGKILL)
    supervisor.run(within(20, lambda _: not grandchild.is_running()))
    assert not grandchild.is_running()


def test_a_part_that_ignores_the_request_to_stop_is_ended(home, supervise, monkeypatch):
    monkeypatch.setattr("cockpit.supervisor.STOP_PATIENCE_SECONDS", 0.3)
    deafness = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    code = f"{deafness} {SLEEPER}"
    supervisor = supervise(Program("deaf", code, home))
    supervisor.run(within(20, all_up))
    supervisor.stop()
    assert not relatives(home)


def test_a_signal_ends_the_run(home, supervise):
    """SIGTERM to the supervisor ends its loop; it does not reach into a part."""
    supervisor = supervise(Program("web", SLEEPER, home))

    def send(running):
        if all_up(running):
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    supervisor.run(send)
    assert supervisor.stop_signal == signal.SIGTERM


@pytest.mark.timeout(30)
def test_a_signal_at_any_moment_ends_the_run(supervise, monkeypatch):
    """Asked before any line of a round, waiting included: what takes the signal waits for nothing itself.

    An event that the same thread waits for would be locked at some of these moments, and never be set.
    """
    monkeypatch.setattr("cockpit.supervisor.TICK_SECONDS", 0.001)
    monkeypatch.setattr(Registry, "clear_leftovers", lambda _: [])  # thousands of lines, before the rounds
    before, lines, default = sys.gettrace(), 0, signal.getsignal(signal.SIGTERM)

    def asks_before(wanted):
        def look(_frame, event, _argument):
            nonlocal lines
            is_line = event == "line" and signal.getsignal(signal.SIGTERM) is not default
            lines += is_line
            if is_line and lines == wanted:
                signal.raise_signal(signal.SIGTERM)
            return look

        return look

    for wanted in itertools.count(1):
        supervisor, lines, rounds = supervise(), 0, itertools.count()
        sys.settrace(asks_before(wanted))
        try:
            supervisor.run(lambda _, rounds=rounds: next(rounds) == 3)
        finally:
            sys.settrace(before)
            signal.signal(signal.SIGTERM, default)
        if supervisor.stop_signal is None:
            break  # three rounds have fewer lines than that
        assert supervisor.stop_signal == signal.SIGTERM
    assert wanted > 20


def test_the_problem_of_a_failed_step_is_told_without_secrets(home, supervise, monkeypatch):
    """The last words of the process are the detail; a secret in them is cut, in the log file too."""
    monkeypatch.setattr("cockpit.lifecycle.FIRST_PAUSE_SECONDS", 0.01)
    part = Program("step", "import sys; sys.exit('cannot: canary-0001')", home, is_service=False)
    supervisor = supervise(part, redactor=Redactor.knowing(["canary-0001"]))
    supervisor.run(within(20, lambda running: running[0].life.phase is Phase.FAILED))
    described = supervisor.running[0].describe()
    assert described["phase"] == "failed"
    assert "cannot: [redacted]" in described["detail"]
    supervisor.stop()
    for path in (*home.logs.iterdir(), home.run / "status.json"):
        assert "canary-0001" not in path.read_text()


def test_what_an_earlier_process_said_is_not_told_of_the_next(home, supervise, monkeypatch, tmp_path):
    """The first says how far it is, the second ends without a word: nothing is put into its mouth."""
    monkeypatch.setattr("cockpit.lifecycle.FIRST_PAUSE_SECONDS", 0.01)
    mark = tmp_path / "mark"
    words = progress_line("2026-11-19 could not be rebuilt", done=0, total=2)
    code = (
        f"import os, sys\nif os.path.exists({str(mark)!r}): sys.exit(2)\n"
        f"open({str(mark)!r}, 'w').close(); print({words!r}); sys.exit(1)"
    )
    supervisor = supervise(Program("history", code, home, is_service=False))
    (told,) = supervisor.running
    problems = set()
    supervisor.run(within(20, lambda _: problems.add(told.problem) or told.life.phase is Phase.FAILED))
    assert problems - {""} == {
        "ended (exit code 1): 2026-11-19 could not be rebuilt (0/2)",
        "ended (exit code 2)",
    }


def test_a_part_that_cannot_be_prepared_does_not_disturb_the_others(home, supervise):
    class Broken(Program):
        def prepare(self):
            raise RuntimeError("no room")

    supervisor = supervise(Broken("broken", SLEEPER, home), Program("web", SLEEPER, home))
    supervisor.run(within(20, lambda running: running[1].has_come_up and running[0].problem))
    assert supervisor.running[0].problem == "no room"
    assert supervisor.running[1].has_come_up


def test_parts_die_with_a_killed_supervisor_and_the_rest_is_cleared_by_the_next(home):
    """After kill -9 the kernel ends the parts; what they started is found by its mark and ended."""
    command = [sys.executable, "-c", SUPERVISOR_WITH_A_GRANDCHILD, str(CHECKOUT), str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as supervisor:
        child = psutil.Process(int(supervisor.stdout.readline()))
        supervisor.kill()
    _, alive = psutil.wait_procs([child], timeout=10)
    assert not alive
    assert len(relatives(home)) == 1
    assert len(Registry(home).clear_leftovers()) == 1
    psutil.wait_procs(relatives(home), timeout=10)
    assert not relatives(home)


def test_a_stranger_with_a_number_from_the_registry_is_left_alone(home):
    """A process that has the remembered number but another start time is not ours."""
    registry = Registry(home)
    registry.add("web", os.getpid())
    entries = read_json(home.run / "parts.json")
    entries["web"]["started"] -= 1000
    write_json(home.run / "parts.json", entries)
    assert Registry(home).clear_leftovers() == []
