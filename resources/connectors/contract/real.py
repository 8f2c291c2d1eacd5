"""A user's own devices as a subject: asked by permit, on record, and never troubled or commanded.

What arrives there nobody can count from here; what leaves this process can be: nothing is sent without a
connection, and Python tells of every connection it makes.
"""

import sys
from collections.abc import Sequence
from typing import Final

from policies.actors import system_actor
from policies.reads import Reader
from policies.redaction import Redactor
from resources.clock import Clock
from resources.connector import Command, CommandPlan, Connector, Health, Reading
from resources.connectors.circuits import MemoryBreakerStore
from resources.connectors.contract.subject import Trouble
from resources.connectors.records import ACTOR_NAME, CallLog
from resources.connectors.registry import ConnectorRow
from resources.connectors.runner import GRACE_SECONDS, CallPolicy, ConnectorRunner
from resources.logs import known_secrets
from resources.settings import Settings


class _Connections:
    """Counts the connections that this process makes, once somebody has begun to."""

    def __init__(self) -> None:
        self.made = 0
        self._is_counting = False

    def begin(self) -> None:
        """Count from now on; a hook of the interpreter can not be taken back."""
        if not self._is_counting:
            self._is_counting = True
            sys.addaudithook(self._hear)

    def _hear(self, event: str, _: object) -> None:
        if event == "socket.connect":
            self.made += 1


_CONNECTIONS: Final = _Connections()


class RealSubject:
    """One configured connector and the user's own devices.

    Args:
        row: Which connector.
        settings: How to reach it.
        secrets: What must appear nowhere, besides the secrets of the settings.
        gateway: Gives a permit for each call.
        calls: Where each call is recorded.
        clock: Tells the time.
    """

    is_pretend = False

    def __init__(
        self,
        row: ConnectorRow,
        settings: Settings,
        *,
        secrets: Sequence[str],
        gateway: Reader,
        calls: CallLog,
        clock: Clock,
    ) -> None:
        self.connector_id = row.connector_id
        self.deadline_seconds = row.policy.attempt_seconds
        self.secrets: Sequence[str] = (*known_secrets(settings), *secrets)
        self._row = row
        self._settings = settings
        self._gateway = gateway
        self._calls = calls
        self._clock = clock
        _CONNECTIONS.begin()

    def connector(self) -> Connector:
        """Return a new connector whose calls ask for a permit and are on record."""
        return _OnRecord(self._row.make(self._settings, self._clock), self)

    def permitted(self, connector: Connector, deadline_seconds: float) -> ConnectorRunner:
        """Return a runner for one call, with the gateway's permit for it. Raises ``DeniedError``."""
        actor = system_actor(ACTOR_NAME, self._settings.studio_id)
        self._gateway.permit_read(actor, self._row.capability_id)
        # Trying again, and circuits, are promises of the runner; here the connector itself is on trial.
        return ConnectorRunner(
            connector,
            breakers=MemoryBreakerStore(self._clock),
            calls=self._calls,
            clock=self._clock,
            policy=CallPolicy(deadline_seconds + GRACE_SECONDS, deadline_seconds, attempts=1),
            redactor=Redactor.knowing(self.secrets),
        )

    def strike(self, trouble: Trouble) -> None:
        """Refuse: nobody's own devices are troubled."""
        raise AssertionError(f"{trouble} is for twins only")

    def heal(self) -> None:
        """Do nothing: there was no trouble of ours."""

    def requests(self) -> int:
        """Return how many connections this process has made; without one nothing is sent."""
        return _CONNECTIONS.made

    def commands(self) -> Sequence[str]:
        """Return nothing: nobody tells us what arrived there."""
        return ()

    def act_unguarded(self) -> None:
        """Refuse: nobody's own devices are commanded."""
        raise AssertionError("commands are for twins only")


class _OnRecord:
    """A connector that asks for a permit before each call, and records it."""

    def __init__(self, inner: Connector, subject: RealSubject) -> None:
        self._inner = inner
        self._subject = subject
        self.connector_id = inner.connector_id
        self.version = inner.version
        self.is_read_only = inner.is_read_only

    def health(self, deadline_seconds: float) -> Health:
        """Pass it on, by permit."""
        return self._subject.permitted(self._inner, deadline_seconds).health()

    def read(self, deadline_seconds: float) -> Reading:
        """Pass it on, by permit."""
        return self._subject.permitted(self._inner, deadline_seconds).read()

    def execute(self, command: Command, *, is_dry_run: bool, deadline_seconds: float) -> CommandPlan:
        """Pass it on: what is not a dry run is refused by the connector itself, which is on trial."""
        return self._inner.execute(command, is_dry_run=is_dry_run, deadline_seconds=deadline_seconds)

    def close(self) -> None:
        """Pass it on."""
        self._inner.close()
