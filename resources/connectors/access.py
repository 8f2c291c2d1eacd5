"""The one door to devices: the gateway's permit first, then the runner, which records every call.

Nothing else in the product makes a connector or a runner. What is known without asking a device (``states``)
needs no permit.
"""

import threading
from collections.abc import Sequence

from policies.actors import system_actor
from policies.reads import Reader, ReadPermit
from policies.redaction import Redactor
from resources.clock import Clock
from resources.connector import ConnectorError, Fault, Health, Reading
from resources.connectors.circuits import BreakerStore
from resources.connectors.records import ACTOR_NAME, CallLog
from resources.connectors.registry import ROWS, ConnectorRow, rows_by_id
from resources.connectors.runner import ConnectorRunner, ConnectorState, state_of
from resources.logs import known_secrets
from resources.settings import Settings


class NotConfiguredError(ConnectorError):
    """The settings name nobody to ask: not a fault of the other side. Nothing was asked or recorded."""


class DeviceAccess:
    """Reads devices of all configured connectors. Safe for threads; ``close`` it when done.

    Args:
        settings: Say which connectors there are, and how to reach them.
        gateway: Gives permits.
        breakers: Where circuits are kept, for all processes of the house.
        calls: Where calls are recorded.
        clock: Tells the time of calls.
        rows: The connectors; tests bring their own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        gateway: Reader,
        breakers: BreakerStore,
        calls: CallLog,
        clock: Clock,
        rows: Sequence[ConnectorRow] = ROWS,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._breakers = breakers
        self._calls = calls
        self._clock = clock
        self._rows = rows_by_id(rows)
        self._actor = system_actor(ACTOR_NAME, settings.studio_id)
        self._runners: dict[str, ConnectorRunner] = {}
        self._lock = threading.Lock()

    def configured(self) -> tuple[str, ...]:
        """Return the ids of connectors that the settings name somebody to ask for, in registry order."""
        return tuple(name for name, row in self._rows.items() if row.is_configured(self._settings))

    def read(self, connector_id: str, *, run_id: str | None = None) -> Reading:
        """Return all devices of a connector.

        Args:
            connector_id: Which; ``KeyError`` when there is no such connector.
            run_id: The Dagster run on whose behalf; null outside runs.

        Raises:
            DeniedError: The rules say no; nothing was asked.
            ConnectorError: Nothing can be said about any device; ``NotConfiguredError`` when there is nobody
                to ask.
            ServerUnreachableError: The database cannot be used: no permit, or no record, and so no reading.
        """
        return self._runner(self._rows[connector_id]).read(run_id=run_id)

    def health(self, connector_id: str) -> Health:
        """Return whether the other side answers.

        Raises ``DeniedError``, ``NotConfiguredError``; ``KeyError`` when there is no such connector.
        """
        return self._runner(self._rows[connector_id]).health()

    def states(self) -> tuple[ConnectorState, ...]:
        """Return how each configured connector is, from what is on record; asks nobody outside."""
        configured = [self._rows[name] for name in self.configured()]
        return tuple(
            state_of(row.connector_id, row.version, self._breakers, self._calls) for row in configured
        )

    def close(self) -> None:
        """Let go of every connector."""
        with self._lock:
            runners, self._runners = self._runners, {}
        for runner in runners.values():
            runner.close()

    def _runner(self, row: ConnectorRow) -> ConnectorRunner:
        """Return who asks for a connector, with the gateway's permit to do so now."""
        if not row.is_configured(self._settings):
            raise NotConfiguredError(
                Fault.UNSUPPORTED, f"The connector {row.connector_id} is not configured."
            )
        permit: ReadPermit = self._gateway.permit_read(self._actor, row.capability_id)
        return self._permitted(row, permit)

    def _permitted(self, row: ConnectorRow, permit: ReadPermit) -> ConnectorRunner:
        if (permit.capability_id, permit.studio_id) != (row.capability_id, self._settings.studio_id):
            raise ConnectorError(
                Fault.READ_ONLY_VIOLATION, "The permit is for something else; nothing was asked."
            )
        with self._lock:
            runner = self._runners.get(row.connector_id)
            if runner is None:
                runner = self._runners[row.connector_id] = ConnectorRunner(
                    row.make(self._settings, self._clock),
                    breakers=self._breakers,
                    calls=self._calls,
                    clock=self._clock,
                    policy=row.policy,
                    redactor=Redactor.knowing(known_secrets(self._settings)),
                )
        return runner
