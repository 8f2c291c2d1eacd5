"""Nothing is lost to what passes: a no to the whole swarm, a missing read, a cursor of another database."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from policies.errors import BadRequestError, DeniedError
from policies.rules import ALLOW, deny
from resources.findings import Severity
from resources.raw_store import RawStore
from resources.rows import Completeness
from sensors.swarms.emit import tick
from sensors.swarms.holds import Held, hold_now
from sensors.swarms.owners import OwnersInReads
from sensors.swarms.spec import Throttle
from tests.integration.governance.governed import ANA, STUDIO
from tests.integration.governance.test_swarms import OPERATIONS, Swarm, stalled
from tests.integration.postgres.samples import make_read

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(governed):
    made = Swarm(governed)
    yield made
    made.close()


class Saying:
    """A gateway that answers a swarm otherwise than the real one."""

    def __init__(self, inner, *, explained=ALLOW, error=None):
        self._inner, self._explained, self._error = inner, explained, error

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def explain(self, *_):
        return self._explained

    def propose(self, *arguments, **more):
        if self._error is not None:
            raise self._error
        return self._inner.propose(*arguments, **more)


def saying(swarm, **answers):
    doors = swarm.doors
    return replace(doors, gateway=Saying(doors.gateway, **answers))


@pytest.mark.parametrize(
    "answers",
    [
        {"explained": deny("requester-kind")},
        {"error": DeniedError(deny("switch-off"))},
        {"error": DeniedError(deny("quota-left", 60, used=1, limit=1, scope="actor"))},
    ],
)
def test_a_no_to_the_swarm_waits_where_it_is(swarm, answers):
    """It is no word about the finding: the cursor stays, and the finding is proposed once it has passed."""
    swarm.find(stalled(1), stalled(2))
    for _ in range(2):
        done = swarm.tick(saying(swarm, **answers))
        assert (done.emitted, done.number, done.suppressed) == ([], 0, {})
        assert "Refused" in done.held
    assert swarm.governed.events("%:denied") == []
    assert len(swarm.tick().emitted) == 2


@pytest.mark.parametrize(
    "error", [BadRequestError(("It does not fit.",)), DeniedError(deny("rationale-long-enough", least=10))]
)
def test_a_no_to_one_finding_does_not_stop_the_others(swarm, error):
    swarm.find(stalled(1), stalled(2))
    done = swarm.tick(saying(swarm, error=error))
    assert (done.held, done.number, done.suppressed) == (None, 2, {"refused": 2})


def test_a_real_no_to_the_swarm_leaves_no_trace_in_the_audit(swarm):
    """A capability that the registry does not know (any more): asked before, not proposed and denied."""
    unknown = {"firestore.forgotten": OPERATIONS.makers["firestore.ops_note.append"]}
    swarm.spec = replace(OPERATIONS, makers=unknown)
    swarm.find(stalled(1, capability_id="firestore.forgotten"))
    done = swarm.tick()
    assert (done.number, "CAPABILITY_UNKNOWN" in done.held) == (0, True)
    assert swarm.governed.events("%:denied") == []


class Interrupting:
    """A gateway whose first proposal somebody takes as a reason to hold the swarm."""

    def __init__(self, inner, act):
        self._inner, self._act = inner, act

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def propose(self, *arguments, **more):
        made = self._inner.propose(*arguments, **more)
        self._act()
        return made


@pytest.mark.parametrize("verb", ["pause", "halt"])
def test_a_hold_in_the_middle_of_a_tick_holds_the_rest_of_it(swarm, verb):
    gateway = swarm.governed.gateway
    acts = {
        "pause": lambda: gateway.pause_swarm(ANA, "operations", "Stop this right now."),
        "halt": lambda: gateway.halt(ANA, "Stop this right now."),
    }
    swarm.find(*[stalled(number) for number in range(1, 4)])
    done = swarm.tick(replace(swarm.doors, gateway=Interrupting(gateway, acts[verb])))
    assert (len(done.emitted), done.number) == (1, 1)
    assert done.held is not None


class Nobody:
    """Cannot tell whose anything is."""

    def of(self, document_ids):
        return None if document_ids else {}


def test_whose_it_is_cannot_be_told_without_a_read(swarm, tmp_path):
    """A read that is not there is not a batch of nobody: the swarm waits for the next one."""
    raw, history = RawStore(str(tmp_path / "raw")), swarm.governed.history
    owners = OwnersInReads(history, raw)
    assert (owners.of(["batch-1"]), owners.of([])) == (None, {})
    read = make_read()
    url = raw.url_for(STUDIO, "firestore", "batches", read.snapshot_date, read.read_at)
    history.record_read(replace(read, raw_url=url, completeness=Completeness.FULL), "run-1", "1")
    assert owners.of(["batch-1"]) is None  # its file is not kept any more
    swarm.find(stalled())
    done = swarm.tick(replace(swarm.doors, owners=Nobody()))
    assert (done.number, done.suppressed, "no whole read" in done.held) == (0, {}, True)
    assert len(swarm.tick().emitted) == 1


def test_a_cursor_of_another_database_passes_over_nothing(swarm):
    """Neither a number that is not there yet, nor one that another revision has."""
    swarm.find(stalled(1), stalled(2))
    told = {"timezone": "America/Phoenix"}
    done = tick(swarm.spec, swarm.doors, after=900, **told)
    assert (len(done.emitted), done.number, done.is_anew) == (2, 2, True)
    swarm.find(stalled(1), stalled(2), stalled(3))
    elsewhere = datetime(2026, 1, 1, tzinfo=UTC)
    again = tick(swarm.spec, swarm.doors, after=3, kept_at=elsewhere, **told)
    assert (len(again.emitted), again.suppressed) == (1, {"already_proposed": 2})
    after = tick(swarm.spec, swarm.doors, after=again.number, kept_at=again.kept_at, **told)
    assert (after.seen, after.is_anew, after.kept_at) == (0, False, again.kept_at)


def test_two_ticks_at_once_propose_nothing_twice(swarm):
    swarm.find(*[stalled(number) for number in range(1, 9)])
    together = threading.Barrier(2)

    def go():
        together.wait()
        tick(swarm.spec, swarm.doors, after=0, timezone="America/Phoenix")

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [it.dedupe_key for it in swarm.proposals()]
    assert (len(keys), len(set(keys))) == (8, 8)


def test_since_when_a_finding_is_open_without_a_break(swarm):
    swarm.find(stalled())
    first = swarm._at
    swarm.find(stalled(severity=Severity.HIGH))
    swarm.find()
    swarm.find(stalled())
    second = swarm._at
    swarm.find(stalled(severity=Severity.HIGH), stalled(2))
    ids = [stalled(number).finding_id for number in (1, 2, 3)]
    assert swarm.swarms.opened_at(ids) == {ids[0]: second, ids[1]: swarm._at}
    swarm.find(stalled(2))
    assert ids[0] not in swarm.swarms.opened_at(ids)
    assert first < second


def test_what_holds_a_swarm_is_said_with_its_end(swarm):
    """The throttle ends when the oldest that counts is a window old; a person ends the rest."""
    gateway, ledger = swarm.governed.gateway, swarm.governed.ledger

    def held(most=2, minutes=0):
        spec = replace(OPERATIONS, throttle=Throttle(most, timedelta(hours=1)))
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        return hold_now(spec, swarm.swarms, ledger, gateway, now=now, timezone="America/Phoenix")

    assert held() is None
    swarm.find(*[stalled(number) for number in range(1, 4)])
    swarm.tick()
    oldest, second, _ = sorted(it.created_at for it in swarm.proposals())
    told = held()
    assert (told.why, told.until) == (Held.THROTTLED, second + timedelta(hours=1))
    assert "2 proposals within 1 hours" in told.sentence
    assert held(most=3).until == oldest + timedelta(hours=1)
    assert (held(most=4), held(minutes=61)) == (None, None)
    assert held(most=0).until is None
    gateway.halt(ANA, "Something smells of smoke.")
    assert (held().why, held().until) == (Held.KILL_SWITCH, None)
    gateway.pause_swarm(ANA, "operations", "The rules are being mended.")
    assert held().why is Held.PAUSED
