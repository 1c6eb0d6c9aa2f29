"""The file in which a monitor keeps how far it came: SQLite, so that it is whole at any moment.

It is written after the broker's confirm, in one transaction for all that was confirmed. Whoever
has it open keeps others out until its process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiosql

from jexevents.errors import ConfigError, JexError
from jexevents.eventlogs.headers import RotationHeader
from jexevents.eventlogs.occurrences import WINDOW, Occurrences, Seen
from jexevents.monitor.logfile import KEPT_FILES, LogFile

_VERSION = 1
_SEEN = struct.Struct(">QI")
_MOST_OCCURRENCES = (1 << 32) - 1

_queries: Any = aiosql.from_path(
    Path(__file__).with_name("positions.sql"), "sqlite3", mandatory_parameters=False
)


class PositionsUnwritable(JexError):
    """The position file cannot be written now."""


@dataclass(slots=True)
class Advance:
    """What is to be noted of one log: files that were read on, and texts that were counted."""

    files: dict[int, LogFile] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)


class PositionFile:
    """An open position file; for one thread at a time.

    Raises ConfigError if it is in use by another process, is no position file, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._logs: dict[bytes, int] = {}
        try:
            _make(path)
            self._connection = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        try:
            # One who keeps the lock needs no shared memory, and nobody comes in between.
            self._connection.execute("pragma locking_mode = exclusive")
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = full")
            self._connection.execute("pragma foreign_keys = on")
            self._connection.execute("begin exclusive")
            self._create()
            self._connection.execute("commit")
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error

    def _create(self) -> None:
        version = self._connection.execute("pragma user_version").fetchone()[0]
        tables = self._connection.execute("select count(*) from sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            for statement in _queries.create_tables.sql.split(";"):
                self._connection.execute(statement)
            self._connection.execute(f"pragma user_version = {_VERSION}")
        elif version != _VERSION:
            raise ConfigError(
                f"The position file {self._path} has the version {version}, not {_VERSION}.",
                remedy="Set PositionFile to another path, or use the jexevents that made it.",
            )

    def logs(self) -> list[Path]:
        """List the logs that something is known of. Raises PositionsUnwritable."""
        with _told(self._path):
            return [Path(os.fsdecode(row[0])) for row in _queries.known_logs(self._connection)]

    def load(self, log: Path) -> tuple[list[LogFile], Occurrences]:
        """Give the files of a log that are known, the oldest first, and its counts.

        Raises PositionsUnwritable.
        """
        with _told(self._path):
            number = self._number(log)
            if number is None:
                return [], Occurrences()
            files = [_file(*row) for row in _queries.files_of(self._connection, log=number)]
            counts = Occurrences()
            for first, blob in _queries.counts_of(self._connection, log=number):
                counts.restore(_unpacked(first, blob))
            return files, counts

    def note(self, advances: Iterable[tuple[Path, Advance]]) -> None:
        """Keep all of it, or nothing. Raises PositionsUnwritable."""
        with _told(self._path), _transaction(self._connection):
            for log, advance in advances:
                self._note(self._require(log), advance)

    def forget(self, log: Path) -> None:
        """Forget all about a log. Raises PositionsUnwritable."""
        with _told(self._path), _transaction(self._connection):
            _queries.delete_log(self._connection, path=os.fsencode(log))
        self._logs.pop(os.fsencode(log), None)

    def close(self) -> None:
        """Close it; safe to call again."""
        self._connection.close()

    def _note(self, log: int, advance: Advance) -> None:
        for file in advance.files.values():
            _queries.note_file(self._connection, log=log, **_row(file))
            if file.ordinal % KEPT_FILES == 0:
                _queries.drop_files(self._connection, log=log, ordinal=file.ordinal - KEPT_FILES)
        if advance.seen:
            first, last = advance.seen[0].index, advance.seen[-1].index
            blob = _packed(advance.seen)
            _queries.note_counts(self._connection, log=log, first=first, last=last, seen=blob)
            _queries.drop_counts(self._connection, log=log, before=last - WINDOW)

    def _number(self, log: Path) -> int | None:
        path = os.fsencode(log)
        if path not in self._logs:
            number = _queries.log_id(self._connection, path=path)
            if number is None:
                return None
            self._logs[path] = number
        return self._logs[path]

    def _require(self, log: Path) -> int:
        number = self._number(log)
        if number is None:
            # Not remembered: the transaction may come to nothing.
            number = _queries.insert_log(self._connection, path=os.fsencode(log))
        return number


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all of it, or nothing."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # SQLite may have given it up already, as it does on a full disk.
        if connection.in_transaction:
            connection.execute("rollback")
        raise


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into PositionsUnwritable."""
    try:
        yield
    except sqlite3.Error as error:
        raise PositionsUnwritable(
            f"The position file {path} cannot be written: {error}.",
            remedy="Make room on its disk, or mend its folder's permissions.",
        ) from error


def _make(path: Path) -> None:
    """Make the file if it is not there, for its owner alone: parts of the logs stand in it.

    One that is there is not opened: to close it again would undo the lock that this process has.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _unusable(path: Path, error: Exception) -> ConfigError:
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or (
        "locked" in str(error)
    ):
        return ConfigError(
            f"The position file {path} is in use by another monitor.",
            remedy="Stop that one, or give this one a PositionFile of its own.",
        )
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
        return ConfigError(
            f"{path} is no position file.", remedy="Set PositionFile to another path."
        )
    reason = error.strerror if isinstance(error, OSError) else error
    return ConfigError(
        f"The position file {path} cannot be opened: {reason}.",
        remedy="Make its folder, for the user of the monitor to write to, or set PositionFile.",
    )


def _row(file: LogFile) -> dict[str, Any]:
    header = b"" if file.header is None else json.dumps(file.header).encode()
    return {
        "ordinal": file.ordinal,
        "inode": str(file.inode),  # may be more than SQLite's integers hold
        "generation": file.generation,
        "name": file.name,
        "header": header,
        "head": file.head,
        "position": file.position,
        "tail": file.tail,
        "done": int(file.done),
    }


def _file(
    ordinal: int,
    inode: str,
    generation: int,
    name: str,
    header: bytes,
    head: bytes,
    position: int,
    tail: bytes,
    done: int,
) -> LogFile:
    return LogFile(
        ordinal,
        int(inode),
        generation,
        name,
        RotationHeader(*json.loads(header)) if header else None,
        head,
        position,
        tail,
        bool(done),
        read=position,
        read_tail=tail,
        retired=bool(done),
    )


def _packed(seen: Iterable[Seen]) -> bytes:
    return b"".join(_SEEN.pack(one.digest, min(one.occurrence, _MOST_OCCURRENCES)) for one in seen)


def _unpacked(first: int, blob: bytes) -> Iterator[Seen]:
    for index, (digest, occurrence) in enumerate(_SEEN.iter_unpack(blob), first):
        yield Seen(digest, occurrence, index)
