"""Many at once, in threads and in processes: one effect, exactly the quota, and nothing after a halt."""

import contextlib
import os
import threading
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import orjson
import pytest
from sqlalchemy import text

from policies.errors import DeniedError
from policies.ports import LedgerRefusedError
from policies.proposals import ExecutionState, ProposalState
from policies.registry import default_registry
from resources.postgres.engine import owner_engine
from tests.integration.gateway.model import NOTE
from tests.integration.gateway.shop import INPUT, WHY, FileTarget, Shop, require_whole_log
from tests.integration.gateway.world import prepare

pytestmark = pytest.mark.integration
MANY = 50
PROCESSES, EACH = 4, 13
ROUNDS = 8
STUDIO = "monsoonfire"
BEGIN_HALT = 10  # calls that have begun when the switch is thrown


def note_with(limit=None):
    """Return the product's registry; its ops note needs no snapshot, and has another limit if given."""
    note = default_registry()[NOTE]
    quotas = tuple(replace(it, limit=limit or it.limit) for it in note.quotas)
    return dict(default_registry()) | {NOTE: replace(note, snapshot_max_age_seconds=None, quotas=quotas)}


@pytest.fixture
def open_shop(postgres_url, tmp_path):
    """Return what opens the studio with a registry, and perhaps another target."""
    with contextlib.ExitStack() as shops:

        def make(limit=1000, target=None):
            prepare(postgres_url, note_with(limit))
            shop = Shop(postgres_url, STUDIO, tmp_path, known=note_with(limit), target=target)
            shop.gateway.open_studio()
            return shops.enter_context(shop)

        yield make


def at_once(count, act):
    """Run ``act(number)`` in so many threads that start together; return results, or what was raised."""
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait()
        try:
            return act(number)
        except (DeniedError, LedgerRefusedError) as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def told(outcomes):
    """Count what callers were told."""
    return Counter(getattr(it, "decision", it).code if isinstance(it, Exception) else "ok" for it in outcomes)


def execute_as(shop, proposal, process, thread):
    return shop.execute(proposal, f"run-{process}-{thread}")


def names(shop):
    return require_whole_log(shop.url, STUDIO)


def test_fifty_threads_execute_one_proposal(open_shop):
    """Exactly one effect and one attempt; every other caller is told."""
    shop = open_shop()
    proposal = shop.approve(shop.pending())
    outcomes = at_once(MANY, lambda number: shop.execute(proposal, f"run-{number}"))
    assert told(outcomes)["ok"] == 1, told(outcomes)
    assert shop.target.effects(proposal.proposal_id) == ["done"]
    assert [it.state for it in shop.ledger.executions(proposal.proposal_id)] == [ExecutionState.SUCCEEDED]
    assert names(shop).count("executing") == 1


def test_four_processes_execute_one_proposal(open_shop, tmp_path):
    """The same across processes, each with threads and connections of its own; they start together."""
    shop = open_shop()
    proposal = shop.approve(shop.pending())
    go, children = os.pipe(), []
    for number in range(PROCESSES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            code = 99
            with contextlib.suppress(BaseException):
                os.close(go[1])
                mine = Shop(shop.url, STUDIO, tmp_path, at=shop.clock.instant, known=note_with(1000))
                mine.ledger.in_flight()
                os.read(go[0], 1)  # ends when the parent closes its end
                code = told(at_once(EACH, partial(execute_as, mine, proposal, number)))["ok"]
            os._exit(code)
        children.append(child)
    os.close(go[0])
    os.close(go[1])
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sorted(codes) == [0, 0, 0, 1]
    assert shop.target.effects(proposal.proposal_id) == ["done"]
    assert names(shop).count("executing") == 1


def test_fifty_calls_meet_a_quota_of_eight(open_shop):
    """As the product's registry has it: eight ops notes an hour. The others are told when to come again."""
    shop = open_shop(limit=None)
    proposals = [shop.approve(shop.pending()) for _ in range(MANY)]
    outcomes = at_once(MANY, lambda number: shop.execute(proposals[number], f"run-{number}"))
    assert told(outcomes) == {"ok": 8, "QUOTA_EXCEEDED": MANY - 8}
    assert sum(len(shop.target.effects(it.proposal_id)) for it in proposals) == 8
    assert {it.used for it in shop.ledger.quota_uses()} == {8}
    assert all(it.decision.retry_after_seconds > 0 for it in outcomes if isinstance(it, DeniedError))
    assert [it.state for it in shop.ledger.proposals(states=[ProposalState.EXECUTING])] == []


class Noting(FileTarget):
    """At its first line it notes the database's clock and the switch, as everybody can read it."""

    def __init__(self, folder, url):
        super().__init__(folder)
        self.engine = owner_engine(url)
        self.began, self.enough = [], threading.Event()

    def now(self):
        with self.engine.connect() as connection:
            return connection.execute(
                text(
                    "SELECT clock_timestamp() AS at, (SELECT kind FROM studio.kill_switch_changes "
                    "ORDER BY revision DESC LIMIT 1) AS switch"
                )
            ).one()

    def execute(self, proposal, idempotency_key, at):
        self.began.append(self.now())
        if len(self.began) >= BEGIN_HALT:
            self.enough.set()
        return super().execute(proposal, idempotency_key, at)


def test_the_switch_is_thrown_while_fifty_are_in_flight(open_shop, postgres_url, tmp_path):
    """No call begins after the halt's commit; what was not called is released; nothing is in flight then."""
    target = Noting(tmp_path, postgres_url)
    shop = open_shop(target=target)
    proposals = [shop.approve(shop.pending()) for _ in range(MANY)]
    halted_at = []

    def act(number):
        if number == MANY:
            target.enough.wait(60)
            shop.do("halt", "sue", WHY)
            halted_at.append(target.now())
            return None
        return shop.execute(proposals[number], f"run-{number}")

    outcomes = at_once(MANY + 1, act)
    target.engine.dispose()
    assert halted_at[0].switch == "halted"
    assert {it.switch for it in target.began} == {"opened"}, "a call began after the halt was committed"
    assert all(it.at < halted_at[0].at for it in target.began)
    assert BEGIN_HALT <= len(target.began) < MANY, "the switch was thrown in the middle"
    done = sum(len(target.effects(it.proposal_id)) for it in proposals)
    assert done == len(target.began) == told(outcomes)["ok"] - 1
    # Also who was between decision and intent just then is told of the halt, not of the race.
    assert set(told(outcomes)) <= {"ok", "KILL_SWITCH_ON"}, told(outcomes)
    assert told(outcomes)["KILL_SWITCH_ON"] > 0
    assert shop.gateway.switch_status().in_flight == 0
    events = names(shop)
    until = events[: events.index("halted")]
    under_way = until.count("executing") - until.count("executed") - until.count("released")
    with owner_engine(postgres_url).connect() as connection:
        payload = connection.scalar(text("SELECT payload FROM studio.audit_events WHERE name LIKE '%halted'"))
    # Intents may be kept between the counting and the event; results may not.
    assert 0 <= orjson.loads(payload)["details"]["in_flight"] <= under_way
    assert events[events.index("halted") :].count("executed") == 0
    assert {it.state for it in shop.ledger.proposals()} == {ProposalState.EXECUTED, ProposalState.APPROVED}


def test_of_two_who_approve_the_second_is_told(open_shop):
    shop = open_shop()
    for _ in range(ROUNDS):
        proposal = shop.pending()
        outcomes = at_once(2, lambda number, it=proposal: shop.approve(it, ("amy", "bob")[number]))
        assert sorted(told(outcomes).values()) == [1, 1]
        assert told(outcomes)["ok"] == 1
        assert len(shop.ledger.approvals(proposal.proposal_id)) == 1


def test_of_a_yes_and_a_no_at_once_the_no_stands(open_shop):
    """A no is possible before and after the yes; a yes after the no is told."""
    shop = open_shop()
    for _ in range(ROUNDS):
        proposal = shop.pending()

        def act(number, it=proposal):
            return shop.approve(it) if number else shop.do("reject", "bob", it.proposal_id, WHY)

        outcomes = at_once(2, act)
        assert not isinstance(outcomes[0], Exception)
        assert shop.there(proposal).state is ProposalState.REJECTED
        given = len(shop.ledger.approvals(proposal.proposal_id))
        assert given == (0 if isinstance(outcomes[1], Exception) else 1)


def test_of_two_who_resume_the_second_is_told(open_shop):
    shop = open_shop()
    for _ in range(ROUNDS):
        shop.do("halt", "sam", WHY)
        shop.do("request_resume", "sam", WHY)
        outcomes = at_once(2, lambda number: shop.do("resume", ("amy", "bob")[number], WHY))
        assert told(outcomes)["ok"] == 1
        assert sorted(told(outcomes).values()) == [1, 1]
    assert names(shop).count("resumed") == ROUNDS


def test_twenty_identical_proposals_are_one(open_shop):
    shop = open_shop()
    outcomes = at_once(
        20,
        lambda _: shop.do("propose", "sam", NOTE, INPUT, WHY, owner_id="uid_owner", dedupe_key="finding-1"),
    )
    assert told(outcomes) == {"ok": 20}
    assert len({it.proposal_id for it in outcomes}) == 1
    assert len(shop.ledger.proposals()) == 1
    assert names(shop).count("created") == 1
