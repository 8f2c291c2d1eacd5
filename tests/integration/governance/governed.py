"""A studio with a real ledger, a cloud that tells writers apart, and people who may decide.

Everything is built as in the product: settings in, live doors out. Only Dagster's own storage is in memory.
"""

import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import psycopg2

from policies.actors import ADMIN_ROLE, APPROVER_ROLE, STAFF_ROLE, Actor, ActorKind
from resources.clock import SystemClock, local_date
from resources.firestore.gateway import CollectionQuery, ScanStats
from resources.firestore.live import LiveDocumentSource
from resources.settings import Settings
from sensors.execution import build_execution_sensor, build_recovery_sensor
from studio_assets.definitions import build_defs
from studio_assets.doors import live_gateway, live_governance, live_ledger
from studio_assets.execution.carry_out import Action
from studio_assets.execution.job import execution_config
from twins.firestore.server import FirestoreTwin
from twins.writers import CredentialsFile, WriterTokens

STUDIO = "monsoonfire"
PROJECT = "pretend-studio"
OPS_NOTE = "firestore.ops_note.append"
NOTES = "studioBrainPilotOpsNotes"
WHY = "The glaze on this batch crawled; staff should know."
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def staff(name, *roles):
    """Return a staff member with roles."""
    return Actor(ActorKind.STAFF, name, STUDIO, frozenset({STAFF_ROLE, *roles}))


ANA, BEN = staff("ana"), staff("ben", APPROVER_ROLE)
CAT, DOT = staff("cat", APPROVER_ROLE), staff("dot", ADMIN_ROLE)


class GovernedStudio:
    """Ledger, cloud, gateway and Dagster of one test."""

    def __init__(self, database_url, history, folder, instance):
        self.url, self.instance, self.history = database_url, instance, history
        self.tokens = WriterTokens()
        self.cloud = FirestoreTwin(writers=self.tokens.by_writer()).start()
        self._credentials = CredentialsFile(folder / "writer.json", self.tokens.execution)
        self.settings = Settings(
            home=folder,
            database_url=database_url,
            firestore_project=PROJECT,
            firestore_emulator_host=self.cloud.host,
            write_credentials=folder / "writer.json",
            is_write_enabled=True,
        )
        self._open = ExitStack()
        self.ledger = self._open.enter_context(live_ledger(self.settings))
        self.reads = self._open.enter_context(live_governance(self.settings))
        self.gateway = self._open.enter_context(live_gateway(self.settings))
        self.definitions = build_defs(self.settings)
        self.gateway.open_studio()
        self.put("batches", "batch-1", ownerUid="member-1", isClosed=False, state="LOADED")
        self.keep_snapshot()

    def close(self):
        self._open.close()
        self.cloud.stop()

    # The cloud and the state of the studio

    def put(self, collection, document_id, **fields):
        """Write a document, as the cloud would."""
        name = f"projects/{PROJECT}/databases/(default)/documents/{collection}/{document_id}"
        self.cloud.store.put(name, fields)

    def documents(self, collection):
        """Return the documents of a collection as a reader sees them, by id."""
        source = LiveDocumentSource(PROJECT, emulator_host=self.cloud.host, deadline_seconds=5)
        try:
            query = CollectionQuery(collection, ("note", "rolledBackAt", "proposalId"))
            batches = source.scan(query, read_time=source.read_time(), stats=ScanStats())
            return {
                document_id: dict(record)
                for batch in batches
                for document_id, record in zip(batch.ids, batch.records, strict=True)
            }
        finally:
            source.close()

    def keep_snapshot(self):
        """Keep a state of the studio that is as of now."""
        now = datetime.now(UTC)
        self.history.append_snapshot(
            local_date(now, self.settings.timezone),
            "ab" * 32,
            {"asOf": now.isoformat()},
            {},
            observed_at=now,
            run_id="a run",
            code_version="1",
        )

    # People

    def propose(self, note="Crawled glaze on two pieces.", *, is_draft=False, actor=ANA):
        """Keep a proposal for a note about the batch."""
        return self.gateway.propose(
            actor,
            OPS_NOTE,
            {"resourceCollection": "batches", "resourceId": "batch-1", "note": note},
            WHY,
            owner_id="member-1",
            is_draft=is_draft,
        )

    def approved(self, note="Crawled glaze on two pieces."):
        """Return a proposal that somebody else has approved."""
        proposal = self.propose(note)
        return self.gateway.approve(
            BEN, proposal.proposal_id, "Looked at it, right.", input_hash=proposal.input_hash
        )

    def proposal(self, proposal_id):
        """Return a proposal as it stands."""
        with self.ledger.transaction() as transaction:
            return transaction.facts(
                now=datetime.now(UTC), capability_id=None, proposal_id=proposal_id
            ).proposal

    # Dagster

    def run(self, action, proposal_id="", **tags):
        """Run the execution job in this process."""
        return self.definitions.resolve_job_def("execution_job").execute_in_process(
            instance=self.instance,
            run_config=execution_config(Action(action), proposal_id) | QUIET,
            raise_on_error=False,
            tags=tags,
        )

    def tick(self, build=build_execution_sensor, clock=None):
        """Evaluate a sensor once; return its run requests, or its reason to skip."""
        resources = {"ledger": self.ledger, "gateway": self.gateway, "clock": clock or SystemClock()}
        if build is build_recovery_sensor:
            del resources["gateway"]
        with dg.build_sensor_context(instance=self.instance, resources=resources) as context:
            answer = build(self.settings)(context)
        if isinstance(answer, dg.SkipReason):
            return answer.skip_message
        return list(answer.run_requests) if isinstance(answer, dg.SensorResult) else [answer]

    def execute_all(self):
        """Do what the daemon does after a tick; return the runs."""
        answer = self.tick()
        if isinstance(answer, str):
            return []
        return [
            self.definitions.resolve_job_def("execution_job").execute_in_process(
                instance=self.instance,
                run_config=dict(request.run_config) | QUIET,
                raise_on_error=False,
                tags=request.tags,
            )
            for request in answer
        ]

    def observe(self, *, is_full=False):
        """Observe governance and judge its checks; return the names of those that do not hold."""
        result = self.definitions.resolve_job_def("observe_governance_job").execute_in_process(
            instance=self.instance,
            run_config=QUIET,
            raise_on_error=False,
            tags={"studio/scope": "full"} if is_full else {},
        )
        assert result.success
        self.evaluations = result.get_asset_check_evaluations()
        return {each.check_name for each in self.evaluations if not each.passed}

    # What the owner of the database can do and nobody else

    def plant(self, table, statement, **values):
        """Change a table past every rule: with the owner's rights and the table's triggers switched off."""
        with psycopg2.connect(self.url.replace("postgresql+psycopg2", "postgresql")) as connection:
            cursor = connection.cursor()
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
                (f"studio.{table}",),
            )
            names = [row[0] for row in cursor.fetchall()]
            cursor.execute(f"ALTER TABLE studio.{table} DISABLE TRIGGER USER")
            cursor.execute(statement, values)
            assert cursor.rowcount > 0, "nothing was planted"
            for name in names:
                cursor.execute(f'ALTER TABLE studio.{table} ENABLE ALWAYS TRIGGER "{name}"')
        connection.close()

    def events(self, like="%"):
        """Return (name, state, details) of the audit's events, oldest first."""
        with psycopg2.connect(self.url.replace("postgresql+psycopg2", "postgresql")) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT name, state, payload FROM studio.audit_events WHERE name LIKE %s ORDER BY seq",
                (like,),
            )
            rows = [
                (name, state, json.loads(payload)["details"]) for name, state, payload in cursor.fetchall()
            ]
        connection.close()
        return rows


class ShiftedClock:
    """The machine's clock, moved by hand."""

    def __init__(self, **step):
        self.step = timedelta(**step)

    def now(self):
        return datetime.now(UTC) + self.step


def renamed(actor, name):
    """Return the same kind of person under another name."""
    return replace(actor, actor_id=name)
