"""The doors as Dagster resources: made when a run or a tick first needs them, closed when it ends.

Loading definitions opens nothing, so a code server starts while the database or the cloud is away. Tests hand
in their own objects, which are then theirs to close.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from policies.gateway import GatewayContract
from policies.ports import Ledger
from resources.clock import Clock, SystemClock
from resources.connectors.access import DeviceAccess
from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentSource
from resources.postgres.audit_log import AuditLog
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.drafts import Drafts
from resources.postgres.findings import Findings
from resources.postgres.governance import GovernanceReads
from resources.postgres.history import History
from resources.postgres.swarms import Swarms
from resources.postgres.triage import TriageSuggestions
from resources.raw_store import RawStore
from resources.settings import Settings
from resources.stripe.gateway import ListStats, PaymentSource
from studio_assets.doors import (
    live_audit_log,
    live_device_readings,
    live_devices,
    live_drafts,
    live_findings,
    live_gateway,
    live_governance,
    live_history,
    live_ledger,
    live_swarms,
    live_triage_suggestions,
)
from studio_assets.run_book import RunBook

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
DEVICES = "devices"
DEVICE_READINGS = "device_readings"
FINDINGS = "findings"
DRAFTS = "drafts"
SWARMS = "swarms"
TRIAGE_SUGGESTIONS = "triage_suggestions"


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
    devices: DeviceAccess | None = None
    device_readings: DeviceReadings | None = None
    findings: Findings | None = None
    drafts: Drafts | None = None
    swarms: Swarms | None = None
    triage_suggestions: TriageSuggestions | None = None


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
        DEVICES: _door(overrides.devices, lambda: live_devices(settings)),
        DEVICE_READINGS: _door(overrides.device_readings, lambda: live_device_readings(settings)),
        FINDINGS: _door(overrides.findings, lambda: live_findings(settings)),
        DRAFTS: _door(overrides.drafts, lambda: live_drafts(settings)),
        SWARMS: _door(overrides.swarms, lambda: live_swarms(settings)),
        TRIAGE_SUGGESTIONS: _door(overrides.triage_suggestions, lambda: live_triage_suggestions(settings)),
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
