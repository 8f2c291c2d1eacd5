"""The statements of the standing checks run as the runtime's role on the database as it is migrated."""

import pytest

from policies.audit import GENESIS
from policies.standing_checks import SENTENCES, StandingCheck
from resources.postgres.governance import GovernanceReads
from resources.postgres.governance_rules import RULES

pytestmark = pytest.mark.integration


@pytest.fixture
def reads(app_engine):
    return GovernanceReads(app_engine, "monsoonfire")


@pytest.mark.parametrize("check", sorted(RULES))
def test_an_empty_ledger_breaks_nothing(reads, check):
    assert reads.violations(check) == []


def test_an_empty_log_is_intact_and_empty(reads):
    assert reads.verify_chain().broken == []
    assert reads.audit_head().seq == 0
    assert reads.audit_head().hash == GENESIS
    assert reads.proposal_counts() == {}
    assert reads.newest_change() == 0


def test_an_entry_that_was_verified_and_is_gone_is_a_violation_that_stays(reads):
    """A log cut off at its end cannot be told by recomputing it; what was verified before can."""
    report = reads.verify_chain(7, "ab" * 32)
    assert [each.subject_id for each in report.broken] == ["7"]
    assert (report.seq, report.hash) == (7, "ab" * 32)
    assert reads.verify_chain(7, "ab" * 32, from_start=True).broken


def test_every_check_says_what_holds():
    assert set(SENTENCES) == set(StandingCheck)


def test_without_a_first_state_the_switch_counts_as_on(reads):
    assert reads.is_halted()


def test_the_switch_is_told_as_people_left_it(governed):
    from tests.integration.governance.governed import ANA, BEN

    assert not governed.reads.is_halted()
    governed.gateway.halt(ANA, "Something looks wrong here.")
    assert governed.reads.is_halted()
    governed.gateway.request_resume(ANA, "It was a false alarm.")
    assert governed.reads.is_halted()
    governed.gateway.resume(BEN, "Agreed, nothing is wrong.")
    assert not governed.reads.is_halted()
