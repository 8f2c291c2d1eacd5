"""Killed at every point of every other verb: it is done whole or not at all; doing it again is harmless."""

import itertools
import os
import signal
import warnings
from datetime import timedelta

import pytest

from policies.errors import BadRequestError, DeniedError
from policies.gateway_probes import PROBES
from policies.marks import DraftStatus, TriageVerdict, Verdict
from policies.ports import LedgerRefusedError
from tests.integration.gateway.model import NOTE
from tests.integration.gateway.shop import INPUT, WHY, Shop, require_whole_log
from tests.integration.gateway.test_crashes import SCENES
from tests.integration.postgres import swarm_rows

pytestmark = pytest.mark.integration
_NUMBERS = itertools.count(1)
RISKY = "A WEAPON mould is wanted, says the customer."
WEEK = 7 * 86_400


def exempt(shop):
    """Let notes need nobody's yes: then every verb that may approve by rule does."""
    return shop.do("grant_exemption", "ada", NOTE, owner_id=None, seconds=WEEK, justification=WHY)


def propose(shop, why=WHY, **more):
    return shop.do("propose", "sam", NOTE, INPUT, why, owner_id="uid_owner", **more)


def rejected(shop):
    proposal = propose(shop)
    shop.do("reject", "amy", proposal.proposal_id, WHY)
    exempt(shop)
    return proposal


def exempted(make):
    """Return a proposal made before there is an exemption."""

    def begin(shop):
        proposal = make(shop)
        exempt(shop)
        return proposal

    return begin


def executed(shop):
    proposal = shop.approve(propose(shop))
    shop.execute(proposal)
    return proposal


def overdue(shop):
    proposal = propose(shop)
    shop.clock.instant += timedelta(days=8)
    return proposal


# Verb -> (what there is before, what is done, the event, how often it may be there when it was done again)
OTHERS = {
    "open_studio": (None, lambda shop, it: shop.gateway.open_studio(), "opened", 1),
    "propose": (exempt, lambda shop, it: propose(shop, dedupe_key="one"), "created", 1),
    "submit": (
        exempted(lambda shop: propose(shop, is_draft=True)),
        lambda shop, it: shop.do("submit", "sam", it.proposal_id),
        "submitted",
        1,
    ),
    "edit": (
        exempted(propose),
        lambda shop, it: shop.do("edit", "sam", it.proposal_id, version=1, rationale="Seen it once more."),
        "edited",
        1,
    ),
    "dry_run": (propose, lambda shop, it: shop.do("dry_run", "sam", it.proposal_id), "dry_run", 2),
    "reject": (propose, lambda shop, it: shop.do("reject", "amy", it.proposal_id, WHY), "rejected", 1),
    "reopen": (rejected, lambda shop, it: shop.do("reopen", "ada", it.proposal_id, WHY), "reopened", 1),
    "override_intake": (
        exempted(lambda shop: propose(shop, RISKY)),
        lambda shop, it: shop.do("override_intake", "amy", it.proposal_id, "false_positive", WHY),
        "intake_overridden",
        1,
    ),
    "request_rollback": (
        executed,
        lambda shop, it: shop.do("request_rollback", "amy", it.proposal_id, WHY),
        "rollback_requested",
        1,
    ),
    "expire": (overdue, lambda shop, it: shop.do("expire", "swarm"), "expired", 1),
    "grant_exemption": (lambda shop: None, lambda shop, it: exempt(shop), "granted", 2),
    "revoke_exemption": (
        exempt,
        lambda shop, it: shop.do("revoke_exemption", "ada", it.exemption_id, WHY),
        "revoked",
        1,
    ),
    "reset_quota": (
        executed,
        lambda shop, it: shop.do("reset_quota", "ada", NOTE, "capability", "*", WHY),
        "reset",
        2,
    ),
    "pause_swarm": (
        lambda shop: None,
        lambda shop, it: shop.do("pause_swarm", "sam", "operations", WHY),
        "paused",
        1,
    ),
    "resume_swarm": (
        lambda shop: shop.do("pause_swarm", "sam", "operations", WHY),
        lambda shop, it: shop.do("resume_swarm", "sam", "operations", WHY),
        "resumed",
        1,
    ),
    "mark_finding": (
        lambda shop: swarm_rows.add_finding(shop.url, shop.studio),
        lambda shop, it: shop.do("mark_finding", "sam", it, 1, Verdict.USEFUL, WHY),
        "marked",
        2,
    ),
    "review_draft": (
        lambda shop: swarm_rows.add_draft(shop.url, shop.studio),
        lambda shop, it: shop.do(
            "review_draft",
            "sam",
            "drf_1",
            revision=1,
            from_status=DraftStatus.DRAFT,
            to_status=DraftStatus.NEEDS_REVIEW,
            before_hash=swarm_rows.DRAFT["content_hash"],
            reason=WHY,
        ),
        "reviewed",
        1,
    ),
    "decide_triage": (
        lambda shop: swarm_rows.add_suggestion(shop.url, shop.studio),
        lambda shop, it: shop.do(
            "decide_triage",
            "sam",
            "report-1",
            category="safety",
            severity="high",
            verdict=TriageVerdict.CONFIRMED,
            reason=WHY,
        ),
        "decided",
        2,
    ),
    "deny": (propose, lambda shop, it: shop.approve(it, "sam"), "denied", 2),
}


def test_every_verb_is_killed_somewhere():
    assert {name.split(":")[0] for name in PROBES} == set(OTHERS) | {
        point.split(":")[0] for _, _, points, _ in SCENES.values() for point in points
    }


@pytest.mark.parametrize("verb", OTHERS)
def test_killed_it_is_done_whole_or_not_at_all(gateway_url, tmp_path, verb):
    begin, act, event, most = OTHERS[verb]
    for point in [name for name in PROBES if name.split(":")[0] == verb]:
        studio = f"else_{next(_NUMBERS)}"
        it = None
        with Shop(gateway_url, studio, tmp_path) as before:
            if begin is not None:
                before.gateway.open_studio()
                it = begin(before)
            at = before.clock.instant
        assert _killed(gateway_url, studio, tmp_path, (at, act, it, point)) == signal.SIGKILL, point
        done = require_whole_log(gateway_url, studio).count(event)
        assert done == (1 if point.endswith("commit:after") else 0), point
        with Shop(gateway_url, studio, tmp_path, at=at) as fresh:
            told = None
            try:
                act(fresh, it)
            except (BadRequestError, DeniedError, LedgerRefusedError) as error:
                told = error
            assert told is None or done or verb == "deny", told
        assert require_whole_log(gateway_url, studio).count(event) == (1 if most == 1 else done + 1), point


def _killed(url, studio, folder, what):
    at, act, it, point = what
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            shop = Shop(url, studio, folder, at=at)
            shop.probe = lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == point else None
            act(shop, it)
        finally:
            os._exit(7)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
