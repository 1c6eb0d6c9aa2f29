"""Events of SMRT Link, each written to a file once more, after it is in the ledger.

The original event server knew no other place for them (seed smrtlink-event-server). The ledger
stays the one that counts: a file that cannot be written is told in the log and costs no event, and
a disk that hangs holds up nobody but the thread that writes.
"""

from __future__ import annotations

import json
import os
import queue
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jexevents.errors import ConfigError
from jexevents.logs import get_logger
from jexevents.model import Event, Kind, Outcome, Reject
from jexevents.service import Service
from jexevents.smrtlink import document

log = get_logger("eventfiles")

_WRITTEN = (Outcome.ACCEPTED, Outcome.DUPLICATE)
_STALE = ".part"
_STALE_SECONDS = 3600
# What waits to be written, and how long who has sent one event by HTTP waits for that.
_WAITING = 10_000
_HTTP_SECONDS = 1.0
_END_SECONDS = 3.0


class _File(NamedTuple):
    """An event to be written; ``done`` is set when that was tried."""

    event: Event
    is_new: bool
    done: threading.Event | None


class EventFiles(Service):
    """An observer of the ingest; writes ``SYSTEM/UUID.json`` below a folder, in its own thread."""

    def __init__(self, folder: Path, *, waiting: int = _WAITING) -> None:
        """Make the folder. Raises ConfigError where that cannot be done."""
        super().__init__("event files")
        self._folder = folder
        self._queue: queue.Queue[_File | None] = queue.Queue(waiting)
        self._missed = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"SMRTLinkEventDir: {folder} cannot be made: {error.strerror}.",
                remedy="Make it, or correct the path.",
            ) from error

    def stored(
        self, origin: str, read: Sequence[Event | Reject], outcomes: Sequence[Outcome]
    ) -> None:
        """Have the events of SMRT Link written that a transaction stored.

        Repetitions too, where there is no file: who stored it may have been killed before he
        wrote it, and then it came again. By HTTP this takes till the file is there, or a second.
        """
        ours = [
            (event, outcome is Outcome.ACCEPTED)
            for event, outcome in zip(read, outcomes, strict=True)
            if isinstance(event, Event) and event.kind is Kind.SMRTLINK and outcome in _WRITTEN
        ]
        for event, is_new in ours:
            done = threading.Event() if origin.startswith("http:") else None
            if self._put(_File(event, is_new, done)) and done is not None:
                done.wait(_HTTP_SECONDS)

    def batch_failed(self, kind: str) -> None:
        """Do nothing."""

    def _put(self, file: _File) -> bool:
        try:
            self._queue.put_nowait(file)
        except queue.Full:
            if not self._missed:
                log.error("event_files_behind", waiting=self._queue.maxsize)
            self._missed += 1
            return False
        return True

    def run(self) -> None:
        """Write until stopped, and then what waits still, for some seconds."""
        self._sweep()
        while not self.stopping.is_set():
            self._write_next()
        end = time.monotonic() + _END_SECONDS
        while time.monotonic() < end and not self._queue.empty():
            self._write_next()
        if left := self._queue.qsize():
            log.error("event_files_left", files=left)

    def interrupt(self) -> None:
        """Wake it."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)

    def _write_next(self) -> None:
        file = self._queue.get()
        if file is None:
            return
        try:
            self._keep(file)
        finally:
            if file.done is not None:
                file.done.set()
        if self._missed and self._queue.empty():
            log.error("event_files_missed", files=self._missed)
            self._missed = 0

    def _keep(self, file: _File) -> None:
        event = file.event
        path = self._folder / event.source / f"{event.data['uuid']}.json"
        try:
            if file.is_new or not _is_written(path):
                _write(path, json.dumps(document(event.data), ensure_ascii=False) + "\n")
        except OSError as error:
            log.error("event_file_failed", path=str(path), reason=error.strerror or str(error))

    def _sweep(self) -> None:
        """Remove what a killed process had begun; others may be writing just now."""
        with suppress(OSError):
            for path in self._folder.glob(f"*/.*{_STALE}"):
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                        path.unlink()


def _is_written(path: Path) -> bool:
    """Whether there is a file with something in it: one may be empty after a loss of power."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    descriptor, name = tempfile.mkstemp(_STALE, f".{path.stem}-", path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
