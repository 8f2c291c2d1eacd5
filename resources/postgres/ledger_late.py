"""What a transaction of the ledger says last: kept back until its next message, which mostly is the commit.

An event locks the head of the log until its transaction ends, and a counted quota its row. Sent together with
the commit they are locked only while the server works, never while it waits for a client. Events sent
together have numbers in a row, because nobody else can append between them.
"""

from collections.abc import Mapping, Sequence

from resources.postgres.ledger_wire import Call


class Late:
    """Calls that wait to be sent, and the numbers of their events: below zero until they are known."""

    __slots__ = ("_calls", "_events", "_given", "_locks", "_numbers", "_others")

    def __init__(self) -> None:
        self._locks: list[Call] = []
        self._others: list[Call] = []
        self._calls: list[Call] = []
        self._events: list[int] = []  # provisional numbers of the events that wait
        self._given = 0
        self._numbers: dict[int, int] = {}

    @property
    def numbers(self) -> Mapping[int, int]:
        """Provisional numbers -> real ones, of events that were sent."""
        return self._numbers

    @property
    def has_events(self) -> bool:
        """Whether an event waits; it is then the last of ``calls``."""
        return bool(self._events)

    def next_number(self) -> int:
        """Return the provisional number of the next event."""
        return -(self._given + 1)

    def add(self, call: Call) -> None:
        """Keep a call that is no event; it goes before all events."""
        self._others.append(call)

    def add_event(self, locks: Sequence[Call], call: Call) -> None:
        """Keep an event with what must be locked before it; all locks go before everything else."""
        self._given += 1
        self._events.append(-self._given)
        self._locks += locks
        self._calls.append(call)

    def calls(self) -> list[Call]:
        """Return everything that waits, in the order to send it."""
        return [*self._locks, *self._others, *self._calls]

    def sent(self, newest: int) -> Mapping[int, int]:
        """Take note that everything was sent and what number the last event got; return all numbers."""
        first = newest - len(self._events) + 1
        self._numbers.update({number: first + place for place, number in enumerate(self._events)})
        self._locks, self._others, self._calls, self._events = [], [], [], []
        return self._numbers
