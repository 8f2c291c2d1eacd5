"""The doors as Dagster resources: made when a run or a tick first needs them, closed when it ends.

Loading definitions opens nothing, so a code server starts while the database or the cloud is away. Tests hand
in their own objects, which are then theirs to close.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from policies.gateway import GatewayContract
from policies.ports import Ledger
from policies.proposals import Approval, ApprovalKind, Proposal
from resources.clock import Clock, SystemClock
from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentSource
from resources.postgres.audit_log import AuditLog
from resources.postgres.engine import app_engine
from resources.postgres.governance import GovernanceReads
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.settings import Settings, SettingsError
from resources.stripe.gateway import ListStats, PaymentSource
from studio_assets.run_book import RunBook

if TYPE_CHECKING:
    from resources.firestore.live import LiveDocumentSource

DOCUMENTS = "documents"
PAYMENTS = "payments"
HISTORY = "history"
RAW = "raw"
CLOCK = "clock"
SETTINGS = "settings"
RUN_BOOK = "run_book"
LEDGER = "ledger"
GOVERNANCE_READS = "governance"
AUDIT = "audit"
GATEWAY = "gateway"
EXECUTOR = "executor"

LOOK_UP_SECONDS = 10.0
"""Somebody waits while an agent or a single document is looked up."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Ready-made doors; null means the live one of the settings."""

    documents: DocumentSource | None = None
    payments: PaymentSource | None = None
    history: History | None = None
    raw: RawStore | None = None
    clock: Clock | None = None
    run_book: RunBook | None = None
    ledger: Ledger | None = None
    governance: GovernanceReads | None = None
    gateway: GatewayContract | None = None
    executor: GatewayContract | None = None
    audit: AuditLog | None = None


def build_resources(settings: Settings, overrides: Overrides) -> dict[str, dg.ResourceDefinition]:
    """Return every resource by its role."""
    return {
        DOCUMENTS: _door(overrides.documents, lambda: _live_documents(settings)),
        PAYMENTS: _door(overrides.payments, lambda: _live_payments(settings)),
        HISTORY: _door(overrides.history, lambda: live_history(settings)),
        RAW: _door(overrides.raw, lambda: _plain(RawStore(settings.raw_root))),
        CLOCK: _door(overrides.clock, lambda: _plain(SystemClock())),
        SETTINGS: _door(settings, None),
        RUN_BOOK: _door(overrides.run_book, lambda: _plain(RunBook())),
        LEDGER: _door(overrides.ledger, lambda: live_ledger(settings)),
        GOVERNANCE_READS: _door(overrides.governance, lambda: live_governance(settings)),
        AUDIT: _door(overrides.audit, lambda: live_audit_log(settings)),
        GATEWAY: _door(overrides.gateway, lambda: live_gateway(settings)),
        EXECUTOR: _door(overrides.executor, lambda: live_gateway(settings, is_executor=True)),
    }


_Make = Callable[[], AbstractContextManager[Any]]


def _door(given: object | None, make: _Make | None) -> dg.ResourceDefinition:
    def provide(_: dg.InitResourceContext) -> Iterator[Any]:
        if given is not None or make is None:
            yield given
            return
        with make() as made:
            yield made

    return dg.ResourceDefinition(resource_fn=provide)


@contextmanager
def _plain(made: Any) -> Iterator[Any]:
    yield made


def _live_documents(settings: Settings) -> AbstractContextManager[DocumentSource]:
    from resources.firestore.live import LiveDocumentSource  # noqa: PLC0415 - gRPC loads where reads happen

    return LiveDocumentSource(
        settings.firestore_project,
        settings.firestore_database,
        emulator_host=settings.firestore_emulator_host,
        credentials_path=settings.google_credentials,
        deadline_seconds=settings.read_deadline_seconds,
    )


@contextmanager
def _live_payments(settings: Settings) -> Iterator[PaymentSource]:
    from resources.stripe.live import live_payment_source  # noqa: PLC0415 - the SDK loads where reads happen

    if settings.stripe_key is None:
        yield _NoKey()
        return
    yield live_payment_source(
        settings.stripe_key.get_secret_value(),
        api_base=settings.stripe_api_base,
        deadline_seconds=settings.read_deadline_seconds,
    )


class _NoKey:
    """Stands in for Stripe where no key is set: every read fails with a plain sentence and is recorded."""

    def list_objects(
        self,
        object_type: str,
        *,
        created_before: datetime,
        created_from: datetime | None = None,
        stats: ListStats,
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        del created_before, created_from, stats
        raise SourceUnreadableError(
            f"Stripe's {object_type} cannot be read: STUDIO_STRIPE_KEY is not set to a restricted key.",
            reason="permission-denied",
            is_transient=False,
        )


@contextmanager
def live_history(settings: Settings) -> Iterator[History]:
    """Give the studio's history over a connection pool that is closed at the end of the block.

    Raises:
        SettingsError: when no database is configured.
    """
    if settings.database_url is None:
        raise SettingsError(["STUDIO_DATABASE_URL is not set; there is no history to keep."])
    engine = app_engine(settings.database_url.get_secret_value(), settings.studio_id)
    try:
        yield History(engine, settings.studio_id)
    finally:
        engine.dispose()


@contextmanager
def live_governance(settings: Settings) -> Iterator[GovernanceReads]:
    """Give what checks and observations read of the ledger. Raises ``SettingsError`` without a database."""
    engine = app_engine(_database_url(settings), settings.studio_id)
    try:
        yield GovernanceReads(engine, settings.studio_id)
    finally:
        engine.dispose()


@contextmanager
def live_audit_log(settings: Settings) -> Iterator[AuditLog]:
    """Give the reading side of the audit log. Raises ``SettingsError`` without a database."""
    engine = app_engine(_database_url(settings), settings.studio_id)
    try:
        yield AuditLog(engine, settings.studio_id)
    finally:
        engine.dispose()


@contextmanager
def live_ledger(settings: Settings) -> Iterator[Ledger]:
    """Give the ledger over connections of its own. Raises ``SettingsError`` without a database."""
    from resources.postgres.ledger import PostgresLedger  # noqa: PLC0415 - loads where the ledger is used
    from resources.postgres.ledger_engine import ledger_engine  # noqa: PLC0415 - as above

    engine = ledger_engine(_database_url(settings), settings.studio_id)
    try:
        yield PostgresLedger(engine, settings.studio_id)
    finally:
        engine.dispose()


@contextmanager
def live_gateway(settings: Settings, *, is_executor: bool = False) -> Iterator[GatewayContract]:
    """Give the gateway of a studio, over the ledger and the cloud; nothing is connected before it is used.

    Args:
        settings: The studio's settings.
        is_executor: Whether its adapters may write. Only the execution run asks for that; all others can
            make dry runs and look up.

    Raises:
        SettingsError: when no database is configured.
    """
    from policies.gateway import Gateway  # noqa: PLC0415 - the rules load where they are asked
    from policies.intake import RulesScreener  # noqa: PLC0415 - as above
    from policies.registry import default_registry  # noqa: PLC0415 - as above
    from resources.firestore.agents import LiveDelegations  # noqa: PLC0415 - as above
    from studio_assets.execution.adapters import adapters, writing_adapters  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        ledger = stack.enter_context(live_ledger(settings))
        reader = _LaterDocuments(settings)
        stack.callback(reader.close)

        def approval_of(proposal: Proposal) -> Approval | None:
            return newest_approval(ledger, proposal)

        made = (
            stack.enter_context(writing_adapters(settings, reader, approval_of))
            if is_executor
            else adapters(reader, None, approval_of)
        )
        yield Gateway(
            ledger,
            default_registry(),
            clock=SystemClock(),
            screener=RulesScreener(),
            delegations=LiveDelegations(reader),
            adapters=made,
            is_write_enabled=settings.is_write_enabled,
        )


def newest_approval(ledger: Ledger, proposal: Proposal) -> Approval | None:
    """Return the newest approval of a proposal as it stands; null where none was needed."""
    found = [
        approval
        for approval in ledger.approvals(proposal.proposal_id)
        if approval.kind is ApprovalKind.EXECUTE
        and approval.version == proposal.version
        and approval.input_hash == proposal.input_hash
    ]
    return found[-1] if found else None


def _database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise SettingsError(["STUDIO_DATABASE_URL is not set; there is no ledger to work on."])
    return settings.database_url.get_secret_value()


class _LaterDocuments:
    """The reading door for single look-ups, opened when somebody looks: loading it takes a second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._source: LiveDocumentSource | None = None

    def __getattr__(self, name: str) -> Any:
        if self._source is None:
            from resources.firestore.live import LiveDocumentSource  # noqa: PLC0415 - see the class

            self._source = LiveDocumentSource(
                self._settings.firestore_project,
                self._settings.firestore_database,
                emulator_host=self._settings.firestore_emulator_host,
                credentials_path=self._settings.google_credentials,
                deadline_seconds=LOOK_UP_SECONDS,
            )
        return getattr(self._source, name)

    def close(self) -> None:
        """Close what was opened."""
        if self._source is not None:
            self._source.close()
