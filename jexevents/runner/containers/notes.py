"""What a worker notes of a container beside what its engine knows, so that the next one goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jexevents.lifecycle import command
from jexevents.logs import get_logger
from jexevents.runner.supervisor.files import replace

log = get_logger("runner")

_FILE = "container.json"
# The orders that end a container.
_ENDING = ("terminate", "kill")
# A later of them takes the place of an earlier.
_ASKED = ("terminated", "killed", "time-out")


class Notes:
    """The notes of one attempt, in its folder; from any thread.

    ``sequence`` is the last of its events that the ledger has. A disk that takes nothing costs the
    next worker what stands here, and no more: the engine has the container by its name.
    """

    def __init__(self, folder: Path, sequence: int = 0) -> None:
        self._path = folder / _FILE
        self._lock = threading.RLock()
        known = _read(self._path)
        self.container: str | None = known.get("container")
        self.asked: str = known.get("asked", "")
        self.why: str = known.get("why", "")
        self.events: list[dict[str, Any]] = known.get("events", [])
        self._first = max(sequence - len(self.events), 0)

    @property
    def has_started(self) -> bool:
        """Whether its start is noted, or in the ledger."""
        return self._first > 0 or any(_is_start(event) for event in self.events)

    def made(self, container: str) -> None:
        """Note the id of the container: from here on one that is gone was removed."""
        with self._lock:
            self.container = container
            self._save()

    def ask(self, reason: str, why: str) -> tuple[str, str]:
        """Note that somebody wants its end; gives what stood there before."""
        with self._lock:
            before = self.asked, self.why
            if not self.asked or _ASKED.index(reason) >= _ASKED.index(self.asked):
                self.asked, self.why = reason, why or self.why
                self._save()
            return before

    def take_back(self, before: tuple[str, str]) -> None:
        """Note that it could not be done: what was noted before holds."""
        with self._lock:
            self.asked, self.why = before
            self._save()

    def event(
        self, name: str, time: int, cause: str = "", *, auto: bool = False, key: str = ""
    ) -> dict[str, Any]:
        """Note an event at ``time`` (microseconds since 1970) and give it, with its number."""
        with self._lock:
            sequence = self._first + len(self.events) + 1
            by = "worker" if auto else "request"
            event = {"seq": sequence, "time": time, "name": name, "cause": cause, "by": by}
            event |= {"auto": auto, "key": key}
            self.events.append(event)
            self._save()
            return event

    def of_order(self, key: str) -> dict[str, Any] | None:
        """Give the event that an order made; None where it was not carried out."""
        with self._lock:
            return next((event for event in self.events if event["key"] == key), None)

    @property
    def was_signalled(self) -> bool:
        """Whether an order to end it was carried out."""
        with self._lock:
            names = {event["name"] for event in self.events if not event["auto"]}
        return not names.isdisjoint(_ENDING)

    def paused_microseconds(self, until: int) -> int:
        """Give how long it was stopped, up to a time."""
        paused, since = 0, None
        with self._lock:
            for event in self.events:
                if event["auto"]:
                    continue
                if event["name"] == command.STOP and since is None:
                    since = event["time"]
                elif event["name"] == command.CONTINUE and since is not None:
                    paused, since = paused + event["time"] - since, None
        return paused + (0 if since is None else max(0, until - since))

    @property
    def is_paused(self) -> bool:
        """Whether it was stopped last, and not continued."""
        with self._lock:
            names = [event["name"] for event in self.events if not event["auto"]]
        turns = [name for name in names if name in (command.STOP, command.CONTINUE)]
        return bool(turns) and turns[-1] == command.STOP

    def _save(self) -> None:
        told = {
            "container": self.container,
            "asked": self.asked,
            "why": self.why,
            "events": self.events,
        }
        try:
            replace(str(self._path), json.dumps(told), durable=False)
        except OSError as error:
            log.warning("container_not_noted", file=str(self._path), reason=str(error))


def _read(path: Path) -> Mapping[str, Any]:
    with suppress(OSError, ValueError):
        known = json.loads(path.read_bytes())
        if isinstance(known, dict):
            return known
    return {}


def _is_start(event: Mapping[str, Any]) -> bool:
    return event["auto"] and event["name"] == command.START
