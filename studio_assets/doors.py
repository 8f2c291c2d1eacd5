"""The live doors to what Studio OS keeps, and the gateway over them: opened for a block, closed at its end.

All need the database: entering a block raises ``SettingsError`` where none is configured.

No Dagster here, so that a command can use them without waiting for it; ``resources`` offers the same doors to
runs and ticks.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from policies.gateway import GatewayContract
from policies.ports import Ledger
from policies.proposals import Approval, ApprovalKind, Proposal
from resources.clock import SystemClock
from resources.postgres.audit_log import AuditLog
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.drafts import Drafts
from resources.postgres.engine import app_engine
from resources.postgres.findings import Findings
from resources.postgres.governance import GovernanceReads
from resources.postgres.history import History
from resources.postgres.swarms import Swarms
from resources.postgres.triage import TriageSuggestions
from resources.settings import Settings, SettingsError

if TYPE_CHECKING:
    from resources.connectors.access import DeviceAccess
    from resources.firestore.live import LiveDocumentSource

_Door = TypeVar("_Door")

LOOK_UP_SECONDS = 10.0
"""Somebody waits while an agent or a single document is looked up."""


def live_history(settings: Settings) -> AbstractContextManager[History]:
    """Give the studio's history."""
    return _over_the_database(settings, History)


def live_governance(settings: Settings) -> AbstractContextManager[GovernanceReads]:
    """Give what checks and observations read of the ledger."""
    return _over_the_database(settings, GovernanceReads)


def live_audit_log(settings: Settings) -> AbstractContextManager[AuditLog]:
    """Give the reading side of the audit log."""
    return _over_the_database(settings, AuditLog)


def live_device_readings(settings: Settings) -> AbstractContextManager[DeviceReadings]:
    """Give what connectors read."""
    return _over_the_database(settings, DeviceReadings)


def live_findings(settings: Settings) -> AbstractContextManager[Findings]:
    """Give what detectors found."""
    return _over_the_database(settings, Findings)


def live_drafts(settings: Settings) -> AbstractContextManager[Drafts]:
    """Give what was drafted and how it was reviewed."""
    return _over_the_database(settings, Drafts)


def live_triage_suggestions(settings: Settings) -> AbstractContextManager[TriageSuggestions]:
    """Give what is suggested for reports and decided on."""
    return _over_the_database(settings, TriageSuggestions)


def live_swarms(settings: Settings) -> AbstractContextManager[Swarms]:
    """Give what is kept of swarms and of people's marks."""
    return _over_the_database(settings, Swarms)


@contextmanager
def _over_the_database(settings: Settings, door: Callable[..., _Door]) -> Iterator[_Door]:
    """Give a door over a connection pool that is closed at the end of the block.

    Raises:
        SettingsError: when no database is configured.
    """
    engine = app_engine(_database_url(settings), settings.studio_id)
    try:
        yield door(engine, settings.studio_id)
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


@contextmanager
def live_devices(settings: Settings) -> Iterator["DeviceAccess"]:
    """Give the one door to devices; nobody is asked before it is used.

    Raises:
        SettingsError: when no database is configured.
    """
    from resources.connectors.access import DeviceAccess  # noqa: PLC0415 - retries and circuits load where used
    from resources.postgres.breakers import PostgresBreakerStore  # noqa: PLC0415 - as above
    from resources.postgres.connector_calls import PostgresCallLog  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        gateway = stack.enter_context(live_gateway(settings))
        engine = app_engine(_database_url(settings), settings.studio_id)
        stack.callback(engine.dispose)
        devices = DeviceAccess(
            settings,
            gateway=gateway,
            breakers=PostgresBreakerStore(engine, settings.studio_id),
            calls=PostgresCallLog(engine, settings.studio_id),
            clock=SystemClock(),
        )
        stack.callback(devices.close)
        yield devices


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
        raise SettingsError(["STUDIO_DATABASE_URL is not set; nothing can be kept or looked up."])
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
