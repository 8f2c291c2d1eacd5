"""One transaction of the ledger on the wire: prepared statements, few messages, durable at its end.

The audit log's head is a place where all writers of a studio queue. A transaction therefore commits without
waiting for the disk, which frees the head at once, and the same message then flushes the log of the server:
writers that wait for the disk wait together. PostgreSQL writes its log in one order, so whatever a flush
makes durable, everything it was built on is durable, too. Nothing is acknowledged before the flush.

What a transaction writes travels with its commit where the caller does not need the number at once
(``ledger_late``): the head is then held while the server works, and never while it waits for a client.

Measured with 8 writers on a disk that takes 5 ms to sync: 2.1 times the cycles of commits that wait while
they hold the head. On a disk that takes 0.1 ms the two are equal. A change of the kill switch commits the
plain way, because a call may begin on what it reads of the switch.
"""

from collections.abc import Sequence
from typing import Any, Final

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INERROR
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from policies.ports import LedgerRefusedError
from resources.postgres.errors import LedgerOutcomeUnknownError, ServerUnreachableError, SessionResetError
from resources.postgres.ledger_connections import Connections
from resources.postgres.ledger_engine import FLUSH, FLUSH_WITH_NUMBER, IS_OURS, NEWEST, flush_statement
from resources.postgres.ledger_errors import is_rolled_back, is_session_reset, refusal, unreachable_ledger
from resources.postgres.ledger_statements import Statement

_PREPARED: Final = "prepared"

Call = tuple[Statement, Sequence[Any]]
"""A statement and its arguments."""


class Wire:
    """A connection from the pool for the length of one transaction, or of one read outside of any.

    Making it takes the connection and sends nothing. A connection that is found dead by the first message is
    replaced, once: nothing can have been kept yet.

    Args:
        connections: Of ``ledger_engine``'s engine.

    Raises:
        ServerUnreachableError: No connection can be had.
    """

    __slots__ = ("_begun", "_connections", "_cursor", "_is_gone", "_lease", "_problem", "wrote")

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._begun = self._is_gone = self.wrote = False
        self._problem: Exception | None = None
        self._take()

    def ask(self, *calls: Call, is_lone: bool = False) -> tuple[Any, ...] | None:
        """Run prepared statements in one message; return the last one's first row, null when it has none.

        Args:
            calls: Statements and their arguments.
            is_lone: Outside of a transaction: for reads.

        Raises:
            LedgerRefusedError: The database refused; the transaction can only be left.
            ServerUnreachableError: No answer; nothing will be kept.
        """
        is_first = not self._begun
        try:
            self._ask(calls, is_lone=is_lone)
        except ServerUnreachableError:
            if not (is_first and self._is_dead()):
                raise
            self._replace()
            self._ask(calls, is_lone=is_lone)
        found: tuple[Any, ...] | None = self._cursor.fetchone()
        return found

    def run(self, sql: str) -> None:
        """Run plain SQL inside the transaction that :meth:`ask` began. Raises as :meth:`ask`."""
        self._send(sql, None, is_lone=False)

    def forget(self) -> None:
        """Go on after a refusal that a savepoint has undone."""
        self._problem = None

    def refuse(self, error: LedgerRefusedError) -> LedgerRefusedError:
        """Return the error, and let nothing of the transaction be kept any more."""
        self._problem = self._problem or error
        return error

    def commit(self, calls: Sequence[Call] = (), *, is_visible_late: bool) -> int:
        """End the transaction durably and give the connection back; return the number of its newest event.

        Args:
            calls: What the transaction says last, in the same message: others who wait for its locks wait
                for the server alone, never for this process.
            is_visible_late: Wait for the disk first, and let others see the change only then.

        Raises:
            LedgerRefusedError: The database refused at the last moment; nothing was kept.
            OutcomeUnknownError: The answer never came.
        """
        if self._problem is not None:
            self.rollback()
            raise self._problem
        appended = 0
        if self._begun or calls:
            is_first = not self._begun
            try:
                appended = self._end(calls, is_visible_late=is_visible_late)
            except SessionResetError:
                if not is_first:
                    raise
                # Its first statement was refused: nothing was done, and another connection can do it.
                self._replace()
                appended = self._end(calls, is_visible_late=is_visible_late)
        self.release()
        return appended

    def rollback(self) -> None:
        """Undo everything and give the connection back; a connection that is dead is thrown away."""
        if self._begun and not self._is_gone:
            try:
                self._cursor.execute("ROLLBACK")
            except psycopg2.Error:
                self._throw_away()
        self.release()

    def release(self) -> None:
        """Give the connection back, unless something is still going on in it: then it is closed."""
        if self._is_gone:
            return
        driver = self._lease.driver
        if driver.closed or driver.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            self._throw_away()
            return
        self._is_gone = True
        self._connections.give_back(self._lease)

    def _take(self) -> None:
        try:
            self._lease = self._connections.take()
        except psycopg2.Error as error:
            raise unreachable_ledger(str(self._connections.engine.url), error) from error
        except PoolTimeoutError as error:
            raise ServerUnreachableError(
                "Every connection of the ledger has been in use for too long. Nothing was changed. Try again."
            ) from error
        # A new one: it holds on to what was last asked and answered, which is nobody else's business.
        self._cursor: Any = self._lease.driver.cursor()
        self._is_gone = False

    def _replace(self) -> None:
        """Take a new connection for one that died while it lay in the pool, as others there will have."""
        self._throw_away()
        self._connections.dispose()
        self._begun, self._problem = False, None
        self._take()

    def _is_dead(self) -> bool:
        return bool(self._lease.driver.closed)

    def _throw_away(self) -> None:
        """Close the connection: the server then undoes what is not committed."""
        if not self._is_gone:
            self._is_gone = True
            self._connections.throw_away(self._lease)

    def _ending(self, *, is_visible_late: bool) -> str:
        if not self.wrote:
            return "COMMIT"
        flush = None if is_visible_late else flush_statement(self._lease.info)
        if flush is None:
            return "SET LOCAL synchronous_commit TO DEFAULT;COMMIT"
        return f"COMMIT;{flush}"

    def _end(self, calls: Sequence[Call], *, is_visible_late: bool) -> int:
        try:
            if not self._begun and self._lease.is_ended():
                self._replace()
            self._prepare(calls, is_lone=False)
        except BaseException:
            self.rollback()
            raise
        said = [statement.call for statement, _ in calls]
        if not self._begun:
            self._begun = True
            said.insert(0, "BEGIN")
        ending = self._ending(is_visible_late=is_visible_late)
        if calls:
            # One statement less where the flush can say it, too.
            is_told = ending.endswith(FLUSH)
            ending = ending.replace(FLUSH, FLUSH_WITH_NUMBER) if is_told else f"{ending};SELECT {NEWEST}"
        said.append(ending)
        try:
            self._cursor.execute(";".join(said), _arguments(calls))
            return int(self._cursor.fetchone()[-1] or 0) if calls else 0
        except psycopg2.Error as error:
            raise self._ended_after(error) from error

    def _ended_after(self, error: psycopg2.Error) -> Exception:
        """Leave the transaction after its commit has failed; return what that means."""
        driver = self._lease.driver
        # Still inside the transaction: what failed came before the commit.
        is_inside = not driver.closed and driver.info.transaction_status == TRANSACTION_STATUS_INERROR
        if self.wrote and not is_inside and not is_rolled_back(error):
            self._throw_away()
            return LedgerOutcomeUnknownError(
                "The connection to PostgreSQL was lost while a change was being committed: it is there "
                "whole, or not at all. Nothing else was begun. Read again before doing anything."
            )
        self._leave_if_reset(error)
        self.rollback()
        return self._translated(error)

    def _leave_if_reset(self, error: psycopg2.Error) -> None:
        """Keep a session that was reset from those who come next: it has lost its role and studio, too."""
        if is_session_reset(error):
            self._throw_away()

    def _ask(self, calls: Sequence[Call], *, is_lone: bool) -> None:
        self._prepare(calls, is_lone=is_lone)
        self._send(";".join([statement.call for statement, _ in calls]), _arguments(calls), is_lone=is_lone)

    def _prepare(self, calls: Sequence[Call], *, is_lone: bool) -> None:
        prepared: set[str] = self._lease.info.setdefault(_PREPARED, set())
        for statement, _ in calls:
            if statement.name not in prepared:
                # A session that was reset would take it, with the rights and the studio of nobody we know.
                mark = "" if self._begun else f"{IS_OURS};"
                # Noted first, for an interrupt: what is noted and is not there makes the session be replaced;
                # what is there and is not noted would be refused for as long as the session is used.
                prepared.add(statement.name)
                try:
                    self._send(f"{mark}{statement.preparation}", None, is_lone=is_lone)
                except Exception:
                    prepared.discard(statement.name)
                    raise

    def _send(self, text: str, arguments: Sequence[Any] | None, *, is_lone: bool) -> None:
        if self._problem is not None:
            raise self._problem
        if not (self._begun or is_lone):
            text = f"BEGIN;{text}"
            self._begun = True
        try:
            self._cursor.execute(text, arguments)
        except psycopg2.Error as error:
            self._leave_if_reset(error)
            self._problem = self._translated(error)
            raise self._problem from error

    def _translated(self, error: psycopg2.Error) -> Exception:
        return refusal(error) or unreachable_ledger(str(self._connections.engine.url), error)


def _arguments(calls: Sequence[Call]) -> list[Any]:
    return [argument for _, given in calls for argument in given]
