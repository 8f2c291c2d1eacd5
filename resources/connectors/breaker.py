"""The circuit breaker around one call: purgatory decides, our store remembers.

What tells nothing about the other side (an interrupt, a refusal of our own) neither counts nor recovers.
A fault that waiting does not mend (a wrong token) proves that the other side answers: it does not open the
circuit, but the connector stays degraded until a call succeeds.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from purgatory import SyncAbstractUnitOfWork, SyncCircuitBreakerFactory
from purgatory.domain.model import Context, OpenedState
from purgatory.service._sync.repository import SyncAbstractRepository

from resources.connector import ConnectorError, Fault
from resources.connectors.circuits import BreakerStore, Circuit, CircuitState

# The other side answered, and would answer the same again.
ANSWERED: Final = frozenset({Fault.AUTH, Fault.UNSUPPORTED})


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a circuit opens, and for how long.

    Attributes:
        failures_to_open: Failures in a row.
        open_seconds: How long calls are refused before one may probe.
        probe_seconds: How long a probe may take before another may try.
    """

    failures_to_open: int = 5
    open_seconds: float = 60.0
    probe_seconds: float = 90.0


class CallRefusedError(ConnectorError):
    """We did not ask: the circuit is open, or another call still runs. Nothing was sent."""


class Passage:
    """What one passage through the breaker changed: ``entered`` and ``left`` degraded mode."""

    def __init__(self) -> None:
        self.entered = False
        self.left = False


@contextmanager
def guarded(name: str, store: BreakerStore, policy: BreakerPolicy) -> Iterator[Passage]:
    """Let a block call the other side, or raise ``CallRefusedError`` without running it."""
    passage = Passage()
    repository = _Repository(store, policy, passage)
    factory = SyncCircuitBreakerFactory(
        policy.failures_to_open,
        policy.open_seconds,
        exclude=[(ConnectorError, _is_answer)],
        uow=_UnitOfWork(repository),
    )
    breaker = factory.get_breaker(name)
    try:
        breaker.__enter__()
    except OpenedState:
        raise _refusal(repository.circuit) from None
    try:
        yield passage
    except Exception as error:
        if isinstance(error, ConnectorError) and _says_nothing(error):
            store.release(name)
            raise
        repository.fault = error.fault if isinstance(error, ConnectorError) else Fault.UNKNOWN
        breaker.__exit__(type(error), error, error.__traceback__)
        if isinstance(error, ConnectorError) and _is_answer(error):
            passage.entered |= store.note(name, error.fault)
        raise
    except BaseException:
        store.release(name)
        raise
    breaker.__exit__(None, None, None)
    if repository.circuit.is_degraded:
        passage.left |= store.recover(name)


def _is_answer(error: BaseException) -> bool:
    return isinstance(error, ConnectorError) and error.fault in ANSWERED


def _says_nothing(error: ConnectorError) -> bool:
    return isinstance(error, CallRefusedError) or error.fault is Fault.READ_ONLY_VIOLATION


def _refusal(circuit: Circuit) -> CallRefusedError:
    when = f" until {circuit.retry_at:%Y-%m-%d %H:%M:%S} UTC" if circuit.retry_at else ""
    why = f" after {circuit.fault}" if circuit.fault else ""
    return CallRefusedError(
        Fault.UNAVAILABLE, f"The connector rests{when}{why}; nothing was asked. It tries again by itself."
    )


class _Repository(SyncAbstractRepository):
    """Purgatory's view of our store, for one call."""

    def __init__(self, store: BreakerStore, policy: BreakerPolicy, passage: Passage) -> None:
        self.messages = []
        self.circuit = Circuit()
        self.fault = Fault.UNKNOWN
        self._store = store
        self._policy = policy
        self._passage = passage

    def get(self, name: str) -> Context:
        """Return the circuit as it is for this caller; only one caller gets it half-opened."""
        self.circuit = self._store.admit(name, self._policy.probe_seconds)
        return Context(
            name,
            self._policy.failures_to_open,
            self._policy.open_seconds,
            state=self.circuit.state.value,
            failure_count=self.circuit.failures,
            # The store has compared the clocks already: as of now, an opened circuit is to stay opened.
            opened_at=time.time() if self.circuit.state is CircuitState.OPENED else None,
        )

    def register(self, context: Context) -> None:
        """Do nothing: the store knows every name."""

    def update_state(self, name: str, state: str, opened_at: float | None) -> None:  # noqa: ARG002 - purgatory calls it so
        """Keep what purgatory decided."""
        if state == CircuitState.OPENED:
            self._passage.entered |= self._store.open(name, self.fault, self._policy.open_seconds)
        elif state == CircuitState.CLOSED:
            self._passage.left |= self._store.recover(name)

    def inc_failures(self, name: str, failure_count: int) -> None:  # noqa: ARG002 - the store's count is the truth
        """Count a failure; open here when others' failures made it too many."""
        if self._store.add_failure(name) >= self._policy.failures_to_open:
            self.update_state(name, CircuitState.OPENED, None)

    def reset_failure(self, name: str) -> None:
        """Forget the failures in a row."""
        self._passage.left |= self._store.recover(name)


class _UnitOfWork(SyncAbstractUnitOfWork):
    def __init__(self, repository: _Repository) -> None:
        self.contexts = repository

    def commit(self) -> None:
        """Do nothing: every step of the store is a transaction of its own."""

    def rollback(self) -> None:
        """Do nothing, as above."""
