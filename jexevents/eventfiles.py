"""Events of SMRT Link, each written to a file once more, after it is in the ledger.

The original event server knew no other place for them (seed smrtlink-event-server). The ledger
stays the one that counts: a file that cannot be written is told in the log and costs no event.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jexevents.errors import ConfigError
from jexevents.logs import get_logger
from jexevents.model import Event, Kind, Outcome, Reject
from jexevents.observers import Nobody
from jexevents.smrtlink import document

log = get_logger("eventfiles")

_WRITTEN = (Outcome.ACCEPTED, Outcome.DUPLICATE)
_STALE = ".part"


class EventFiles(Nobody):
    """An observer of the ingest that writes ``SYSTEM/UUID.json`` below a folder."""

    def __init__(self, folder: Path) -> None:
        """Make the folder. Raises ConfigError where that cannot be done."""
        self._folder = folder
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
        """Write the events of SMRT Link that a transaction stored.

        Repetitions too, where there is no file: who stored it may have been killed before he
        wrote it, and then it came again.
        """
        for event, outcome in zip(read, outcomes, strict=True):
            is_one = isinstance(event, Event) and event.kind is Kind.SMRTLINK
            if is_one and outcome in _WRITTEN:
                self._keep(event, is_new=outcome is Outcome.ACCEPTED)

    def _keep(self, event: Event, *, is_new: bool) -> None:
        path = self._folder / event.source / f"{event.data['uuid']}.json"
        try:
            if is_new or not path.exists():
                _write(path, json.dumps(document(event.data), ensure_ascii=False) + "\n")
        except OSError as error:
            log.error("event_file_failed", path=str(path), reason=error.strerror or str(error))


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    descriptor, name = tempfile.mkstemp(_STALE, f".{path.stem}-", path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
