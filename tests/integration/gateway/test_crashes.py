"""Whatever breaks at whatever point: none or one effect, a whole log, and recovery without a person.

At every named point of a verb the process is killed (``kill -9`` of a real one), or its connections are cut,
or a commit or the answer to it is lost. Then a fresh gateway, minutes later, does what our processes do
anyway.
"""

import contextlib
import itertools
import os
import signal
import warnings

import pytest

from policies.errors import DeniedError
from policies.gateway_probes import PROBES
from policies.ports import LedgerRefusedError, OutcomeUnknownError
from policies.proposals import ExecutionState, ProposalState
from resources.postgres.errors import PostgresError
from tests.integration.gateway.shop import WHY, Shop, cut, require_whole_log

pytestmark = pytest.mark.integration
_S = ProposalState
_NUMBERS = itertools.count(1)


def points(*verbs, without=()):
    """Return all points of the verbs but those whose ``what`` this way of running them never meets."""
    return tuple(name for name in PROBES if name.split(":")[0] in verbs and name.split(":")[1] not in without)


# Name -> (what it begins with, the mode of the target, its points, effects there at the end)
SCENES = {
    "approve": ("pending", "ok", points("approve"), ["done"]),
    "execute": (
        "approved",
        "ok",
        points("execute", "execute_call", without=("failed", "released")),
        ["done"],
    ),
    "execute refused": ("approved", "certain", points("execute_call", without=("executed", "released")), []),
    "execute halted": (
        "approved",
        "ok",
        points("execute_call", without=("executed", "failed", "call")),
        ["done"],
    ),
    "rollback": (
        "rollback",
        "ok",
        points("rollback", "rollback_call", without=("rollback_failed", "released")),
        ["done", "undone"],
    ),
    "rollback refused": (
        "rollback",
        "certain",
        points("rollback_call", without=("rolled_back", "released")),
        ["done"],
    ),
    "rollback halted": (
        "rollback",
        "ok",
        points("rollback_call", without=("rolled_back", "rollback_failed", "call")),
        ["done", "undone"],
    ),
    "recover effect": (
        "abandoned with effect",
        "ok",
        points("take_over", "recover", without=("released", "rolled_back", "rollback_failed")),
        ["done"],
    ),
    "recover nothing": (
        "abandoned",
        "ok",
        points("recover", without=("executed", "rolled_back", "rollback_failed")),
        ["done"],
    ),
    "halt": ("approved", "ok", points("halt"), ["done"]),
    "request_resume": ("halted", "ok", points("request_resume"), ["done"]),
    "resume": ("asked", "ok", points("resume"), ["done"]),
}


class Dead(BaseException):
    """The process ends here, as far as the gateway can tell."""


def begin(shop, stage):
    """Bring one proposal to where a scene begins; return it."""
    shop.gateway.open_studio()
    proposal = shop.pending()
    if stage == "pending":
        return proposal
    proposal = shop.approve(proposal)
    if stage == "rollback":
        shop.execute(proposal)
        return shop.do("request_rollback", "amy", proposal.proposal_id, WHY)
    if stage.startswith("abandoned"):
        die_at(shop, "execute_call:call:after" if "effect" in stage else "execute_call:call:before")
        with contextlib.suppress(Dead):
            shop.execute(proposal)
        shop.clock.move(600)
    if stage in {"halted", "asked"}:
        shop.do("halt", "sam", WHY)
    if stage == "asked":
        shop.do("request_resume", "sam", WHY)
    return proposal


def die_at(shop, point):
    def probe(name):
        if name == point:
            raise Dead

    shop.probe = probe


def act(shop, scene, proposal):
    """Do what the scene is about."""
    verb = scene.split(" ")[0]
    if verb == "approve":
        shop.approve(proposal)
    elif verb == "execute":
        shop.execute(proposal)
    elif verb == "rollback":
        shop.rollback(proposal)
    elif verb == "recover":
        shop.do("recover", "executor", executor_id="run-2")
    else:
        shop.do(verb, "amy" if verb == "resume" else "sam", WHY)


def probe_for(scene, point, breaks, halt):
    """Return a probe that breaks at the point; where the scene wants it, it halts before the call."""

    def probe(name):
        if "halted" in scene and name in {"execute:commit:after", "rollback:commit:after"}:
            halt()
        if name == point:
            breaks()

    return probe


def halting(url, studio, folder, at):
    """Return what throws the switch from another process's connections."""

    def halt():
        with Shop(url, studio, folder, at=at) as other:
            other.do("halt", "sue", WHY)

    return halt


def end(url, staged, scene):
    """Recover without a person, then let people finish what they were at; hold everything to its promise."""
    studio, folder, proposal, at = staged
    effects = SCENES[scene][3]
    with Shop(url, studio, folder, at=at) as fresh:
        key = proposal.proposal_id
        assert fresh.target.effects(key) in (effects[:0], effects[:1], effects), "never twice"
        fresh.recover_all()
        now = fresh.there(proposal)
        if now.state is _S.PENDING_APPROVAL:
            assert scene == "approve", "a person's yes is there or not; nothing else needs one"
            fresh.approve(proposal)
        fate = [change for change in require_whole_log(url, studio) if change in SWITCHES][-1]
        if fate in {"halted", "resume_requested"}:
            assert scene.split(" ")[0] in {"halt", "request_resume", "resume"} or "halted" in scene
            if fate == "halted":
                fresh.do("request_resume", "sam", WHY)
            fresh.do("resume", "amy", WHY)
        fresh.recover_all()
        if scene == "rollback refused" and fresh.there(proposal).state is _S.ROLLED_BACK:
            effects = ["done", "undone"]  # it was broken off before it was refused, and done by the next one
        if scene == "execute refused" and fresh.there(proposal).state is _S.EXECUTED:
            effects = ["done"]
        assert fresh.target.effects(key) == effects
        assert fresh.there(proposal).state is {
            0: _S.FAILED, 1: _S.EXECUTED, 2: _S.ROLLED_BACK,
        }[len(effects)]  # fmt: skip
        assert fresh.ledger.in_flight() == 0
        succeeded = [it for it in fresh.ledger.executions(key) if it.state is ExecutionState.SUCCEEDED]
        assert len(succeeded) == len(effects)
    require_whole_log(url, studio)


SWITCHES = {"opened", "halted", "resume_requested", "resumed"}


@pytest.fixture
def stage(gateway_url, tmp_path):
    """Return what makes a studio of its own, brought to where a scene begins."""

    def make(scene):
        studio = f"crash_{next(_NUMBERS)}"
        folder = tmp_path / studio
        folder.mkdir()
        with Shop(gateway_url, studio, folder) as before:
            proposal = begin(before, SCENES[scene][0])
            return studio, folder, proposal, before.clock.instant

    return make


def run_and_be_killed(url, staged, scene, point):
    """Play the scene in a process of its own that is killed at the point; return the signal it died of."""
    studio, folder, proposal, at = staged
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child makes its own connections and threads
        child = os.fork()
    if child == 0:
        try:
            shop = Shop(url, studio, folder, at=at, mode=SCENES[scene][1])
            breaks = lambda: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731 - said in place
            shop.probe = probe_for(scene, point, breaks, halting(url, studio, folder, at))
            act(shop, scene, proposal)
        finally:
            os._exit(7)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else None


@pytest.mark.parametrize("scene", SCENES)
def test_a_process_is_killed(gateway_url, stage, scene):
    """``kill -9`` at every point."""
    for point in SCENES[scene][2]:
        staged = stage(scene)
        died_of = run_and_be_killed(gateway_url, staged, scene, point)
        assert died_of == signal.SIGKILL, f"{point} was never reached"
        end(gateway_url, staged, scene)


@pytest.mark.parametrize("scene", SCENES)
def test_the_connection_is_cut(gateway_url, stage, scene):
    """The server ends the connections at every point; the gateway goes on as it can."""
    for point in SCENES[scene][2]:
        studio, folder, proposal, at = staged = stage(scene)
        met = []

        def breaks(met=met, point=point):
            if not met:
                met.append(point)
                cut(gateway_url)

        with Shop(gateway_url, studio, folder, at=at, mode=SCENES[scene][1]) as shop:
            shop.probe = probe_for(scene, point, breaks, halting(gateway_url, studio, folder, at))
            with contextlib.suppress(PostgresError, OutcomeUnknownError, LedgerRefusedError, DeniedError):
                act(shop, scene, proposal)
        assert met, f"{point} was never reached"
        end(gateway_url, staged, scene)


@pytest.mark.parametrize("lose", ["ack", "commit"])
@pytest.mark.parametrize("scene", SCENES)
def test_a_commit_or_its_answer_is_lost(gateway_url, stage, scene, lose):
    """Of every transaction of a verb: it is kept and nobody is told, or it is gone and nobody is told."""
    for point in [name for name in SCENES[scene][2] if name.endswith("commit:before")]:
        studio, folder, proposal, at = staged = stage(scene)
        with Shop(gateway_url, studio, folder, at=at, mode=SCENES[scene][1]) as shop:

            def breaks(shop=shop):
                shop.ledger.lose = lose

            shop.probe = probe_for(scene, point, breaks, halting(gateway_url, studio, folder, at))
            with contextlib.suppress(OutcomeUnknownError, LedgerRefusedError, DeniedError):
                act(shop, scene, proposal)
            shop.ledger.lose = None
        end(gateway_url, staged, scene)


def test_every_point_of_these_verbs_is_a_scene():
    """A point that is added to the gateway is added here."""
    tested = {point for _, _, names, _ in SCENES.values() for point in names}
    verbs = {name.split(":")[0] for name in tested}
    of_them = {name for name in PROBES if name.split(":")[0] in verbs}
    undone = {
        name
        for name in of_them
        if name.split(":")[:2] in (["recover", "rolled_back"], ["recover", "rollback_failed"])
    }
    assert of_them - tested == undone
