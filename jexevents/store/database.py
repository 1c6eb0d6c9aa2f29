"""Connections to PostgreSQL: a pool that waits, one shape of transaction, errors translated."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import psycopg2
import psycopg2.extensions
from psycopg2 import errorcodes, sql

from jexevents.errors import ConfigError, Invalid, JexError, StoreTooSlow, StoreUnavailable
from jexevents.faults import in_words
from jexevents.model import Reason
from jexevents.observers import PoolUse
from jexevents.store.door import Door
from jexevents.store.session import Session

T = TypeVar("T")
Connection = Session

# Classes of SQLSTATE (PostgreSQL manual, appendix A) by what is to be done about them.
_CONFLICTS = {
    errorcodes.SERIALIZATION_FAILURE,
    errorcodes.DEADLOCK_DETECTED,
    # What was looked for and not found, another transaction has stored since.
    errorcodes.UNIQUE_VIOLATION,
}
_DATA_CLASSES = {
    errorcodes.CLASS_DATA_EXCEPTION,
    errorcodes.CLASS_INTEGRITY_CONSTRAINT_VIOLATION,
    errorcodes.CLASS_PROGRAM_LIMIT_EXCEEDED,  # too long for an index, too big for a jsonb
}
_OUT_OF_TIME = {errorcodes.QUERY_CANCELED, errorcodes.LOCK_NOT_AVAILABLE}
_CONFLICT_TRIES = 5
_SETTINGS = (
    ("timezone", "UTC"),
    # A statement must see what was committed while the one before it waited for a lock.
    ("default_transaction_isolation", "read committed"),
    # What is prepared finds rows by their keys. It is planned once, perhaps while the tables are
    # still empty, and must do when they are not: by an index, however small they look.
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
)
_UNCONFIRMED_SECONDS = 20
# The server ends a statement at its time-out. One more half of that, and it does not do so.
_PATIENCE = 1.5


@dataclass(slots=True)
class _Lent:
    """A connection at work: its socket, known by its inode too, and when that is cut off."""

    descriptor: int
    inode: int
    overdue_at: float
    is_cut: bool = False


class _Again(StoreUnavailable):
    """Two transactions met; the same one may be tried again at once."""


class Database:
    """A bounded pool of connections to one database.

    ``dsn`` is a libpq URI or key=value string. At most ``size`` connections are open; who
    asks for one more waits up to ``wait_seconds``. A connection on which anything went wrong
    with the server is closed and never given out again. ``remedy`` says what to do where no server
    is there; without it, that somebody has to start it.
    """

    def __init__(
        self,
        dsn: str,
        *,
        schema: str = "jex",
        size: int = 8,
        wait_seconds: float = 5.0,
        connect_timeout_seconds: float = 5.0,
        statement_timeout_seconds: float = 10.0,
        name: str = "jexevents",
        remedy: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remedy = remedy or "Start it, or correct DBURI."
        self.schema = schema
        self._clock = clock
        self._door = Door(clock)
        self._lent: dict[int, _Lent] = {}
        self._lent_lock = threading.Lock()
        self._dsn = dsn
        self._wait_seconds = wait_seconds
        self._statement_timeout_seconds = statement_timeout_seconds
        self._arguments = {
            "connect_timeout": max(2, round(connect_timeout_seconds)),
            "application_name": name,
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            # Keepalives stand back while something sent is not confirmed; without this the
            # kernel sends it again for a quarter of an hour.
            "tcp_user_timeout": round(_UNCONFIRMED_SECONDS * 1000),
            "client_encoding": "UTF8",
        }
        self._size = size
        self._idle: queue.LifoQueue[Connection | None] = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(None)
        self._waits_lock = threading.Lock()
        self._waits = self._waiting = self._cut_off = 0
        self._closed = threading.Event()

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do ``work(connection)`` in one transaction and commit it; give what it returns.

        Deadlocks and serialisation failures are tried again at once, a few times. Raises
        StoreUnavailable where a later try may succeed, Invalid where PostgreSQL refuses
        the data itself.
        """
        for _ in range(_CONFLICT_TRIES):
            try:
                with self.transaction() as connection:
                    return work(connection)
            except _Again as again:
                last = again
        raise StoreUnavailable(f"Transactions kept conflicting: {last}") from last

    def sibling(self, *, size: int, statement_timeout_seconds: float) -> Database:
        """Give another pool of connections to the same database, for work of another kind."""
        return Database(
            self._dsn,
            schema=self.schema,
            size=size,
            wait_seconds=min(self._wait_seconds, statement_timeout_seconds),
            connect_timeout_seconds=self._arguments["connect_timeout"],
            statement_timeout_seconds=statement_timeout_seconds,
            name=self._arguments["application_name"],
            remedy=self._remedy,
            clock=self._clock,
        )

    def cut_overdue(self) -> int:
        """Cut off transactions that take longer than the server would let them.

        A server that hangs, or a network that swallows what is sent, answers nothing and
        refuses nothing: who waits for it would wait for ever. Gives how many there were; their
        callers get StoreTooSlow, for less at once may be done in time. Bounded is the time of a
        whole transaction, so this is for pools whose transactions are short.
        """
        now = self._clock()
        with self._lent_lock:
            overdue = [lent for lent in self._lent.values() if now > lent.overdue_at]
            cut = 0
            for lent in overdue:
                if not lent.is_cut and _cut(lent):
                    cut += 1
            self._cut_off += cut
            return cut

    def use(self) -> PoolUse:
        """Say how the pool is used now; asks nobody."""
        with self._idle.mutex:
            free = list(self._idle.queue)
        idle = sum(connection is not None for connection in free)
        lent = self._size - len(free)
        return PoolUse(self._size, lent, idle, self._waiting, self._waits, self._cut_off)

    def transaction(self) -> AbstractContextManager[Connection]:
        """Lend a connection inside a transaction: committed at the end, rolled back on error."""
        return self._lending(is_transaction=True)

    def look(self) -> AbstractContextManager[Connection]:
        """Lend a connection for statements that only read and need not agree with each other.

        Each message is a transaction of its own: asking once costs one exchange with the server
        and not three.
        """
        return self._lending(is_transaction=False)

    @contextmanager
    def _lending(self, *, is_transaction: bool) -> Iterator[Connection]:
        connection = self._take()
        usable, lent = False, None
        try:
            lent = self._note_lent(connection, _PATIENCE * self._statement_timeout_seconds)
            if is_transaction:
                connection.begin()
            yield connection
            connection.commit() if is_transaction else connection.flush()
            usable = True
        except psycopg2.Error as error:
            # Read-only after a failover: a new connection may reach the server that is not.
            usable = (
                _rolled_back(connection) and error.pgcode != errorcodes.READ_ONLY_SQL_TRANSACTION
            )
            raise _translated(error, lent) from error
        except ValueError as error:
            usable = _rolled_back(connection)
            # psycopg2 refuses NUL in text before it asks the server.
            if "NUL" not in str(error) and not isinstance(error, UnicodeError):
                raise
            raise _refused(f"PostgreSQL cannot hold this: {error}") from error
        except BaseException:
            usable = _rolled_back(connection)
            raise
        finally:
            self._forget_lent(connection)
            self._give_back(connection, usable)

    @contextmanager
    def watched(self, connection: Connection, seconds: float) -> Iterator[None]:
        """Have a connection of ``open`` cut off, too, if what is done takes longer."""
        self._note_lent(connection, seconds)
        try:
            yield
        finally:
            self._forget_lent(connection)

    def _note_lent(self, connection: Connection, seconds: float) -> _Lent:
        lent = _Lent(connection.descriptor, connection.inode, self._clock() + seconds)
        with self._lent_lock:
            self._lent[id(connection)] = lent
        return lent

    def _forget_lent(self, connection: Connection) -> None:
        with self._lent_lock:
            self._lent.pop(id(connection), None)

    def open(self) -> Connection:
        """Open a connection of its own, outside the pool; the caller closes it.

        Raises StoreUnavailable, or ConfigError where libpq cannot read the DSN.
        """
        try:
            connection = psycopg2.connect(self._dsn, connection_factory=Session, **self._arguments)
            with self.watched(connection, self._arguments["connect_timeout"]):
                self._prepare(connection)
        except psycopg2.ProgrammingError as error:
            if error.pgcode:
                raise _translated(error) from error
            # Not the server's word but libpq's, on what it was given to connect with.
            raise ConfigError(f"DBURI cannot be used: {' '.join(str(error).split())}.") from error
        except psycopg2.Error as error:
            fault = _translated(error)
            fault.remedy = _remedy(str(error), self._remedy)
            raise fault from error
        return connection

    def close(self) -> None:
        """Close all idle connections; those lent are closed when they come back."""
        self._closed.set()
        for connection in self._taken_out():
            if connection is not None:
                connection.close()

    def _prepare(self, connection: Connection) -> None:
        """Set what holds for all that is done on a connection, in one message."""
        milliseconds = round(self._statement_timeout_seconds * 1000)
        with connection.cursor() as cursor:
            for name, value in (
                ("statement_timeout", milliseconds),
                ("lock_timeout", milliseconds),
                ("idle_in_transaction_session_timeout", milliseconds * 3),
                *_SETTINGS,
            ):
                setting = sql.SQL("set {} to {}").format(sql.Identifier(name), sql.Literal(value))
                connection.later(cursor.mogrify(setting))
            path = sql.SQL("set search_path to {}").format(sql.Identifier(self.schema))
            cursor.execute(path)

    def _take(self) -> Connection:
        if self._closed.is_set():
            raise StoreUnavailable("The pool of connections is closed.")
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._wait_for_one()
        if connection is not None and not connection.closed:
            return connection
        try:
            with self._door.passed():
                return self.open()
        except BaseException:
            self._idle.put(None)
            raise

    def _wait_for_one(self) -> Connection | None:
        self._note_waiting(1)
        try:
            return self._idle.get(timeout=self._wait_seconds)
        except queue.Empty as error:
            raise StoreUnavailable(
                f"No connection became free in {self._wait_seconds:g} s.",
                remedy="Raise DBPoolSize or look for slow queries.",
            ) from error
        finally:
            self._note_waiting(-1)

    def _note_waiting(self, change: int) -> None:
        with self._waits_lock:
            self._waiting += change
            self._waits += max(change, 0)

    def _give_back(self, connection: Connection, usable: bool) -> None:
        if usable and not self._closed.is_set():
            self._idle.put(connection)
            return
        connection.close()
        self._idle.put(None)
        if not usable:
            self._drop_idle()

    def _drop_idle(self) -> None:
        """Close what lies idle: one connection broke, so the others' server is gone as well.

        Else each of them would fail somebody's work before new ones are opened.
        """
        for connection in self._taken_out():
            if connection is not None:
                connection.close()
            self._idle.put(None)

    def _taken_out(self) -> list[Connection | None]:
        """Take out all that lies idle."""
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        return idle


def _cut(lent: _Lent) -> bool:
    """Shut a socket down under whoever waits at it; whether it was still that socket."""
    try:
        if os.fstat(lent.descriptor).st_ino == lent.inode:
            with socket.socket(fileno=os.dup(lent.descriptor)) as ours:
                # Said first: who waits may wake and look for it before shutdown returns.
                lent.is_cut = True
                ours.shutdown(socket.SHUT_RDWR)
    except OSError:
        lent.is_cut = False
    return lent.is_cut


def _rolled_back(connection: Connection) -> bool:
    """Roll back; whether the connection can be used again."""
    try:
        connection.rollback()
    except psycopg2.Error:
        return False
    return not connection.closed


def _remedy(message: str, otherwise: str) -> str:
    """Say what to do where no connection was made; libpq gives no code, so its words decide."""
    if "database" in message and "does not exist" in message:
        return "Make the database, or correct its name in DBURI."
    if any(word in message for word in ("authentication failed", "no password", 'role "')):
        return "Look at the user and the password in DBURI."
    if "FATAL" in message:
        return ""
    return otherwise


def _translated(error: psycopg2.Error, lent: _Lent | None = None) -> JexError:
    """Give the error of ours that says what is to be done (psycopg2's never leave here)."""
    if lent is not None and lent.is_cut:
        return StoreTooSlow("PostgreSQL did not answer in time.")
    code = error.pgcode or ""
    message = in_words(error)
    if code in _CONFLICTS:
        return _Again(message)
    if code[:2] in _DATA_CLASSES or (not code and isinstance(error, psycopg2.DataError)):
        return _refused(f"PostgreSQL refused the data: {message}")
    if code in _OUT_OF_TIME:
        return StoreTooSlow(f"PostgreSQL: {_ended(message)}")
    return StoreUnavailable(f"PostgreSQL: {_ended(message)}")


def _ended(message: str) -> str:
    """Give a sentence with its full stop: a remedy may stand behind it."""
    return message if message.endswith((".", "?", "!")) else f"{message}."


def _refused(message: str) -> Invalid:
    return Invalid(message, reason=Reason.REFUSED_BY_DATABASE)
