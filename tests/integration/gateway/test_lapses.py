"""What time and clocks do to a yes: cases the model test found, told one by one."""

from datetime import timedelta

import pytest

from policies.proposals import ProposalState
from tests.integration.gateway.model import CLOSE, NOTE
from tests.integration.gateway.shop import INPUT, WHY, Shop

pytestmark = pytest.mark.integration
BATCH = {"batchId": "b1", "closeReason": "picked_up"}


@pytest.fixture
def shop(gateway_url, tmp_path):
    with Shop(gateway_url, "monsoonfire", tmp_path) as shop:
        shop.gateway.open_studio()
        yield shop


def test_a_yes_that_has_run_out_may_be_given_again(shop):
    """Where two people are wanted, the first must not be locked out by being early."""
    proposal = shop.do("propose", "sam", CLOSE, BATCH, WHY, owner_id="uid_owner")
    shop.approve(proposal, "amy")
    shop.clock.instant += timedelta(hours=5)
    assert shop.approve(proposal, "bob").state is ProposalState.PENDING_APPROVAL
    assert shop.approve(proposal, "amy").state is ProposalState.APPROVED


def test_where_the_clock_went_back_the_yes_of_then_counts(shop):
    """A person's newest yes is yet to come, and the older one is live: it is one yes, and not two."""
    proposal = shop.do("propose", "sam", CLOSE, BATCH, WHY, owner_id="uid_owner")
    shop.approve(proposal, "amy")
    first = shop.clock.instant
    shop.clock.instant = first + timedelta(hours=4, minutes=1)
    shop.approve(proposal, "amy")
    shop.clock.instant = first + timedelta(hours=3)
    assert shop.approve(proposal, "bob").state is ProposalState.APPROVED
    assert shop.execute(proposal).state == "succeeded"


def test_the_requesters_own_exemption_keeps_nothing_alive(shop):
    """It stands in for nobody's yes, so an approved proposal expires when the approvals have run out."""
    asked = shop.do("propose", "ada", NOTE, INPUT, WHY, owner_id="uid_owner")
    proposal = shop.approve(asked)
    shop.do("grant_exemption", "ada", NOTE, owner_id=None, seconds=6 * 86_400, justification=WHY)
    shop.clock.instant += timedelta(hours=25)
    assert shop.do("expire", "swarm") == 1
    assert shop.there(proposal).state is ProposalState.EXPIRED
