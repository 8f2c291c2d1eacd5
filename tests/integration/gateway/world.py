"""The real side of the model test: the product's gateway and ledger on PostgreSQL.

The target, the cloud, the clock and the network are in the test's hands. Long, because a third of it is one
statement of SQL.
"""

import contextlib
import hashlib
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import text

from policies.actors import Actor, ActorKind, system_actor
from policies.delegation import ANY_CAPABILITY_SCOPE, AgentClient, Delegation, DelegationFacts
from policies.gateway import Gateway
from policies.ports import (
    AdapterError,
    AuditDraft,
    CheckResult,
    Found,
    Lookup,
    OutcomeUnknownError,
    Screening,
)
from policies.registry import QuotaRule, default_registry
from resources.postgres.capability_mirror import mirror_registry
from resources.postgres.engine import app_engine, owner_engine
from resources.postgres.history import History
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import ledger_engine
from tests.integration.gateway.model import RULES
from tests.integration.postgres import swarm_rows

START = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
AGENT_OWNER = "uid_amy"


class Crash(BaseException):
    """The process dies here: nothing below it runs on."""


class BrokenPromiseError(AssertionError):
    """The product did something that the specification forbids."""


@cache
def small_registry():
    """Return the registry with quotas that are soon used up, and a device read that is carried out."""
    registry = dict(default_registry())
    for capability_id, rules in RULES.items():
        quotas = tuple(
            QuotaRule(scope, limit, window, pause)
            for scope, (limit, window, pause) in rules["quotas"].items()
        )
        adapter = "target" if rules["adapter"] else None
        registry[capability_id] = replace(registry[capability_id], quotas=quotas, adapter=adapter)
    return registry


def prepare(url, registry=None):
    """Let the database know the test's registry."""
    engine = owner_engine(url)
    with engine.begin() as connection:
        mirror_registry(connection, small_registry() if registry is None else registry)
    engine.dispose()


@dataclass
class Clock:
    """Stands still until it is moved."""

    instant: datetime = START

    def now(self):
        return self.instant

    def move(self, seconds):
        self.instant += timedelta(seconds=seconds)


class Ids:
    """Ids in order, and the last one of every kind."""

    def __init__(self):
        self._numbers = itertools.count(1)
        self.last = {}

    def __call__(self, prefix, at):
        self.last[prefix] = f"{prefix}_{next(self._numbers):026d}"
        return self.last[prefix]


class Screener:
    """Blocks what says WEAPON."""

    def screen(self, capability_id, rationale, input_):
        is_blocked = "WEAPON" in rationale
        return Screening("weaponisation" if is_blocked else "clear", is_blocked, "model/1")


@dataclass
class Cloud:
    """What the cloud says of agents; every one of them is the same person's."""

    is_readable: bool = True
    client: str = "active"
    delegations: list = field(default_factory=list)

    def look_up(self, agent_client_id):
        if not self.is_readable:
            raise LookupError("The cloud does not answer.")
        scopes = frozenset({ANY_CAPABILITY_SCOPE})
        client = AgentClient(agent_client_id, AGENT_OWNER, self.client, scopes)
        found = tuple(
            Delegation(
                f"d{number}", AGENT_OWNER, agent_client_id, "active" if it["revoked"] is None else "revoked",
                scopes, frozenset(), it["expires"], it["revoked"],
            )
            for number, it in enumerate(self.delegations)
        )  # fmt: skip
        return DelegationFacts(client, found[::-1], START)


class Target:
    """Adapter and target in one. It does not forgive: a second effect under a key is a broken promise.

    Real targets answer a repeated key with what there is; here a repeated call with an effect there is
    refused loudly, because nobody should have to rely on the target.
    """

    deadline_seconds = 20.0

    def __init__(self, watch=None):
        self.effects, self.mode = {}, "ok"
        self.calls, self.broken = Counter(), []
        self._watch = watch

    def dry_run(self, proposal):
        self._answer()
        return {"summary": "Does it.", "token": "t"}

    def execute(self, proposal, idempotency_key, at):
        return self._do("execute", proposal, idempotency_key, None, "done")

    def rollback(self, proposal, idempotency_key, reason, at):
        return self._do("rollback", proposal, idempotency_key, "done", "undone")

    def look_up(self, proposal, idempotency_key):
        self._answer()
        found = {None: Found.NOTHING, "done": Found.EFFECT, "undone": Found.ROLLED_BACK}
        return Lookup(found[self.effects.get(idempotency_key)], {"docId": idempotency_key})

    def _require(self, verb, key, before):
        if self.effects.get(key) != before:
            raise BrokenPromiseError(f"{verb} is called although the target is {self.effects.get(key)}")

    def _answer(self):
        if self.mode == "deaf":
            raise AdapterError("It does not answer.", code="UNAVAILABLE", is_certain=False)

    def _do(self, verb, proposal, key, before, then):
        try:
            if self._watch is not None:
                self._watch(verb, proposal, key)
            self._require(verb, key, before)
        except Exception as error:
            # The gateway takes whatever an adapter raises for an unknown outcome; this must not get lost.
            self.broken.append(f"{type(error).__name__}: {error}")
            raise
        self.calls[verb, key] += 1
        if self.mode == "certain":
            raise AdapterError("It refuses.", code="PRECONDITION_FAILED", is_certain=True)
        if self.mode in {"uncertain", "deaf"}:
            raise AdapterError("It does not answer.", code="UNAVAILABLE", is_certain=False)
        self.effects[key] = then
        if self.mode == "lost":
            raise AdapterError("The answer was lost.", code="DEADLINE", is_certain=False)
        if self.mode == "odd":
            raise ValueError("an answer nobody foresaw")
        return {"collection": "notes", "docId": key}


class FlakyLedger:
    """The ledger, but one commit can be lost (``commit``), or only the answer to it (``ack``)."""

    def __init__(self, ledger):
        self._ledger = ledger
        self.lose = None

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    @contextlib.contextmanager
    def transaction(self):
        inner = self._ledger.transaction()
        session = inner.__enter__()
        try:
            yield session
        except BaseException as error:
            inner.__exit__(type(error), error, error.__traceback__)
            raise
        lose = self.lose if session._wire.wrote else None
        if lose is None:
            inner.__exit__(None, None, None)
            return
        self.lose = None
        if lose == "ack":
            inner.__exit__(None, None, None)
        else:
            lost = Crash("the commit never arrived")
            inner.__exit__(Crash, lost, None)
        raise OutcomeUnknownError("The answer never came.")


def actors(studio):
    """Return everybody who acts, by name."""

    def staff(name, *roles, at=studio):
        return Actor(ActorKind.STAFF, f"uid_{name}", at, frozenset({"staff", *roles}))

    return {
        "sam": staff("sam"),
        "sue": staff("sue"),
        "amy": staff("amy", "approver"),
        "bob": staff("bob", "approver"),
        "cat": staff("cat", "approver"),
        "ada": staff("ada", "admin"),
        "bare": Actor(ActorKind.HUMAN, "uid_bare", studio, frozenset({"admin", "approver"})),
        "agent": Actor(ActorKind.AGENT, "agent_1", studio, frozenset({"agent"}), AGENT_OWNER),
        "executor": system_actor("executor", studio),
        "swarm": system_actor("operations-swarm", studio),
        "stranger": staff("stranger", "approver", "admin", at="elsewhere"),
        "impostor": Actor(ActorKind.SYSTEM, "system:executor", "elsewhere"),
    }


class World:
    """One studio of its own in a prepared database, and everything the gateway needs.

    Args:
        url: Of the database, with administrator's rights.
        studio: A studio id nobody has used.
        gateway: The class to be driven; a test may plant a bug in it.
    """

    def __init__(self, url, studio, *, gateway=Gateway):
        self.studio = studio
        self.clock, self.ids, self.cloud = Clock(), Ids(), Cloud()
        self.target = Target(self._begun_outside)
        self.engine = ledger_engine(url, studio)
        self._other_engine = ledger_engine(url, "elsewhere")
        self._watcher = owner_engine(url)
        self._history_engine = app_engine(url, studio)
        self.history = History(self._history_engine, studio)
        self.look = self._watcher.execution_options(isolation_level="AUTOCOMMIT").connect()
        self.other = self._other_engine.raw_connection()
        self.ledger = FlakyLedger(PostgresLedger(self.engine, studio))
        self.crash_at, self.crashed, self.hooks = None, None, {}
        made = {
            "clock": self.clock, "screener": Screener(), "delegations": self.cloud,
            "adapters": {"target": self.target}, "ids": self.ids, "probe": self.probe,
        }  # fmt: skip
        self.gateway = gateway(self.ledger, small_registry(), is_write_enabled=True, **made)
        self.anchored = gateway(self.ledger, small_registry(), is_write_enabled=False, **made)
        self.actors = actors(studio)
        self._head, self._last_hash = 0, b"\0" * 32
        self.gateway.open_studio()
        self.finding = swarm_rows.add_finding(url, studio)
        swarm_rows.add_draft(url, studio)
        swarm_rows.add_suggestion(url, studio)

    def close(self):
        self.look.close()
        self.other.close()
        for engine in (self.engine, self._other_engine, self._watcher, self._history_engine):
            engine.dispose()

    def probe(self, name):
        """Die here if that is wanted, or let others act in between."""
        if name == self.crash_at:
            self.crash_at, self.crashed = None, name
            raise Crash(name)
        hook = self.hooks.pop(name, None)
        if hook is not None:
            hook()

    def take_snapshot(self):
        """Let StudioState be as fresh as can be."""
        now = self.clock.now()
        number = self.ids("snp", now)
        self.history.append_snapshot(
            START.date() + timedelta(days=int(number[4:])),
            hashlib.sha256(number.encode()).hexdigest(),
            {"schemaVersion": "v3.1", "asOf": now.isoformat()},
            {},
            observed_at=now,
            run_id="run",
            code_version="1",
        )

    def turn_check(self, *, is_red):
        """Let a governance check turn red or green."""
        now = self.clock.now()
        name = f"check:model:{'red' if is_red else 'green'}"
        event = AuditDraft(name, now, system_actor("checks", self.studio), "check", "model", None, {})
        with self.ledger.transaction() as transaction:
            transaction.record(event, CheckResult("model", not is_red, now))

    def dump(self):
        """Return the database's tables and the events that are new, read past every rule."""
        return self.look.execute(text(_DUMP), {"studio": self.studio, "head": self._head}).scalar_one()

    def new_events(self, dump):
        """Return the new events as (name, state), and hold the chain to what it promises."""
        found = Counter()
        for event in dump["events"] or ():
            entry = f"{event['seq']}\n{self._last_hash.hex()}\n{event['payload']}".encode()
            hash_ = hashlib.sha256(b"\0" + entry).hexdigest()
            if event["seq"] != self._head + 1 or event["hash"] != hash_:
                raise BrokenPromiseError(f"the log is broken at {event['seq']}")
            self._head, self._last_hash = event["seq"], bytes.fromhex(hash_)
            said = json.loads(event["payload"])
            if said["studio"] != self.studio:
                raise BrokenPromiseError("an event of another studio")
            kind, about, action = said["name"].split(":")
            name = {"kill_switch": f"kill_switch:{action}", "policy": "denied"}.get(
                kind, f"{kind}:{about}:{action}"
            )
            found[name, said["state"]] += 1
        return found

    def others_see(self):
        """Return how many rows another studio's connection sees."""
        cursor = self.other.cursor()
        cursor.execute(_ELSEWHERE)
        return cursor.fetchone()[0]

    def _begun_outside(self, verb, proposal, key):
        """At the target's first line: what must be committed by then is asked past every rule."""
        found = self.look.execute(
            text(_AT_CALL), {"studio": self.studio, "id": proposal.proposal_id, "kind": verb}
        ).one()
        if found.switch not in {"opened", "resumed"}:
            raise BrokenPromiseError(f"{verb} began while the switch was {found.switch}")
        if found.intents != 1 or found.events < 1:
            raise BrokenPromiseError(f"{verb} began without a committed intent and its event")
        if key != proposal.proposal_id:
            raise BrokenPromiseError("the key is not the proposal's")


_ELSEWHERE = """
SELECT (SELECT count(*) FROM studio.proposals) + (SELECT count(*) FROM studio.approvals)
    + (SELECT count(*) FROM studio.executions) + (SELECT count(*) FROM studio.audit_events)
    + (SELECT count(*) FROM studio.kill_switch_changes) + (SELECT count(*) FROM studio.exemptions)
    + (SELECT count(*) FROM studio.quota_buckets) + (SELECT count(*) FROM studio.proposal_versions)
    + (SELECT count(*) FROM studio.swarm_controls) + (SELECT count(*) FROM studio.finding_dispositions)
    + (SELECT count(*) FROM studio.marketing_drafts) + (SELECT count(*) FROM studio.draft_reviews)
    + (SELECT count(*) FROM studio.triage_decisions)
"""
_AT_CALL = """
SELECT (SELECT kind FROM studio.kill_switch_changes WHERE studio_id = :studio ORDER BY revision DESC LIMIT 1)
        AS switch,
    (SELECT count(*) FROM studio.executions WHERE studio_id = :studio AND proposal_id = :id AND kind = :kind
        AND state = 'intent') AS intents,
    (SELECT count(*) FROM studio.audit_events WHERE studio_id = :studio AND subject_id = :id
        AND name LIKE CASE :kind WHEN 'execute' THEN '%executing' ELSE '%rolling_back' END) AS events
"""
# The last ones count what no model is needed for to know that it must not be.
_DUMP = """
SELECT json_build_object(
'proposals', (SELECT json_object_agg(proposal_id, json_build_array(capability_id, state, version, input_hash,
    requester_id, owner_id, is_intake_blocked, dry_run IS NOT NULL, expires_at)) FROM studio.proposals
    WHERE studio_id = :studio),
'approvals', (SELECT json_agg(json_build_array(proposal_id, version, kind, approver_id, at, expires_at)
    ORDER BY audit_seq) FROM studio.approvals WHERE studio_id = :studio),
'attempts', (SELECT json_object_agg(execution_id, json_build_array(proposal_id, version, kind, state, fence,
    lease_until, exemption_id)) FROM studio.executions WHERE studio_id = :studio),
'exemptions', (SELECT json_object_agg(exemption_id, json_build_array(x.capability_id, x.owner_id,
    x.expires_at, e.kind)) FROM studio.exemptions AS x
    LEFT JOIN studio.exemption_ends AS e USING (studio_id, exemption_id) WHERE studio_id = :studio),
'quotas', (SELECT json_agg(json_build_array(capability_id, scope, subject_id, used, window_started_at))
    FROM studio.quota_buckets WHERE studio_id = :studio AND used > 0),
'switch', (SELECT json_build_array(kind, actor_id) FROM studio.kill_switch_changes WHERE studio_id = :studio
    ORDER BY revision DESC LIMIT 1),
'swarms', (SELECT json_object_agg(department, kind) FROM (SELECT DISTINCT ON (department) department, kind
    FROM studio.swarm_controls WHERE studio_id = :studio ORDER BY department, audit_seq DESC) AS newest),
'marks', (SELECT json_agg(json_build_array(finding_id, revision, verdict, "by") ORDER BY audit_seq)
    FROM studio.finding_dispositions WHERE studio_id = :studio),
'draft', (SELECT json_build_array(revision, status, content_hash) FROM studio.marketing_drafts
    WHERE studio_id = :studio ORDER BY revision DESC LIMIT 1),
'decided', (SELECT json_agg(json_build_array(report_id, category, severity, verdict, "by")
    ORDER BY audit_seq) FROM studio.triage_decisions WHERE studio_id = :studio),
'events', (SELECT json_agg(json_build_object('seq', seq, 'payload', payload, 'hash', encode(hash, 'hex'))
    ORDER BY seq) FROM studio.audit_events WHERE studio_id = :studio AND seq > :head),
'broken', json_build_object(
    'own approval', (SELECT count(*) FROM studio.approvals AS a JOIN studio.proposals AS p
        USING (studio_id, proposal_id) WHERE studio_id = :studio AND a.kind = 'execute'
        AND a.approver_id IN (p.requester_id, p.requester_principal_id)),
    'quota above its limit', (SELECT count(*) FROM studio.quota_buckets
        WHERE studio_id = :studio AND used > limit_count),
    'two live attempts', (SELECT count(*) FROM (SELECT FROM studio.executions WHERE studio_id = :studio
        AND state IN ('intent', 'succeeded') GROUP BY proposal_id, kind HAVING count(*) > 1) AS x),
    'attempt without a live quorum or exemption', (SELECT count(*) FROM studio.executions AS x
        JOIN studio.proposals AS p USING (studio_id, proposal_id) JOIN studio.capabilities AS c
        USING (capability_id) WHERE studio_id = :studio
        AND (CASE x.kind WHEN 'execute' THEN c.approvals_required ELSE 1 END)
            > (SELECT count(DISTINCT a.approver_id) FROM studio.approvals AS a WHERE a.studio_id = :studio
                AND a.proposal_id = x.proposal_id AND a.kind = x.kind AND a.version = x.version
                AND a.input_hash = x.input_hash AND a.at <= x.started_at AND x.started_at < a.expires_at)
        AND NOT (x.kind = 'execute' AND EXISTS (SELECT FROM studio.exemptions AS m
            WHERE m.studio_id = :studio AND m.exemption_id = x.exemption_id
            AND m.capability_id = p.capability_id AND m.granted_at <= x.started_at
            AND x.started_at < m.expires_at AND (m.owner_id IS NULL OR m.owner_id = p.owner_id)
            AND m.granted_by NOT IN (p.requester_id, p.requester_principal_id)))),
    'row without its event', (SELECT count(*) FROM studio.proposals AS p WHERE p.studio_id = :studio
        AND NOT EXISTS (SELECT FROM studio.audit_events AS e WHERE e.studio_id = :studio
            AND e.seq = p.audit_seq AND e.subject_id = p.proposal_id AND e.state = p.state)),
    'begun while the switch was on', (SELECT count(*) FROM studio.audit_events AS e
        WHERE e.studio_id = :studio AND e.seq > :head AND split_part(e.name, ':', 3) IN ('executing',
        'rolling_back') AND (SELECT s.state FROM studio.audit_events AS s WHERE s.studio_id = :studio
            AND s.subject_kind = 'kill_switch' AND s.seq < e.seq ORDER BY s.seq DESC LIMIT 1) <> 'off')
))"""

__all__ = ["BrokenPromiseError", "Crash", "FlakyLedger", "Target", "World", "prepare"]
