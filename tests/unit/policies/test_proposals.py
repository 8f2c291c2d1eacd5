"""The one table of what may follow what: nothing takes a step that it does not have."""

import itertools
from dataclasses import replace

import pytest

from policies import gateway_base
from policies.decisions import Decision
from policies.proposals import ProposalState, UnknownTransitionError, require_transition, stepped
from tests.unit.policies.stage import ADMIN, START, Stage

LEGAL = {
    *(("draft", after) for after in ("pending_approval", "expired")),
    *(("pending_approval", after) for after in ("pending_approval", "approved", "rejected", "expired")),
    *(("approved", after) for after in ("pending_approval", "executing", "rejected", "expired")),
    *(("executing", after) for after in ("executed", "failed", "approved")),
    ("executed", "rolled_back"),
    *((before, "pending_approval") for before in ("rejected", "failed", "expired")),
}


@pytest.fixture(scope="module")
def proposal():
    """Return a draft."""
    return Stage().propose(is_draft=True)


@pytest.mark.parametrize(("before", "after"), list(itertools.product(ProposalState, ProposalState)))
def test_every_pair(proposal, before, after):
    """Exactly the legal steps pass; every other raises, and a proposal that stays takes no step."""
    standing = replace(proposal, state=before)
    if (before, after) in LEGAL:
        require_transition(before, after)
    else:
        with pytest.raises(UnknownTransitionError):
            require_transition(before, after)
    if (before, after) in LEGAL or before is after:
        assert stepped(standing, after, START, state_reason="So.").state is after
    else:
        with pytest.raises(UnknownTransitionError):
            stepped(standing, after, START)


def test_a_gateway_whose_rules_are_wrong_takes_no_unknown_step(monkeypatch):
    """Not even a ledger that takes everything would be asked; nothing is written."""
    stage = Stage()
    draft = stage.propose(is_draft=True)
    written = stage.names()
    always = Decision(is_allowed=True, code="ALLOWED", rule="none", sentence="Yes.")
    monkeypatch.setattr(gateway_base, "decide", lambda *_: always)
    with pytest.raises(UnknownTransitionError, match="draft cannot become rejected"):
        stage.gateway.reject(ADMIN, draft.proposal_id, "Not needed any more.")
    assert stage.names() == written
    assert stage.ledger.proposals() == [draft]
