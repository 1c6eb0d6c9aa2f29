"""events.jsonl: the events of one execution, a line each, on the disk before anybody hears."""

from __future__ import annotations

import os

from jexevents.runner.supervisor.files import MODE, append_whole
from jexevents.runner.supervisor.jsontext import dumps
from jexevents.runner.supervisor.layout import EVENTS

KEYS = 1000


class EventLog:
    """Numbers events from 1 on and writes them."""

    def __init__(self) -> None:
        self.count = 0
        self.of_job = 0
        # Automatic events for which there was no room yet; state.json has them at the end.
        self.unwritten: list[dict] = []
        # How much of the file is whole, and on the disk.
        self.size = 0
        self._keys: dict[str, dict] = {}
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.open(EVENTS, flags, MODE)

    def repeated(self, key: str) -> dict | None:
        """Give the event that came with this key before."""
        return self._keys.get(key)

    def automatic(self, name: str, cause: str, now: int) -> None:
        """Add an event that follows from what happened; it is kept in memory if not on the disk."""
        event = self._event(name, cause, now, by="supervisor", auto=True)
        self.count += 1
        self.unwritten.append(event)
        try:
            self._catch_up()
        except OSError:
            pass  # tried again with the next, and at the end

    def add(self, name: str, cause: str, now: int, *, by: str, key: str = "") -> dict:
        """Add an event that somebody asked for and give it; raises OSError where it is not kept."""
        self._catch_up()
        event = self._event(name, cause, now, by=by, auto=False)
        if key:
            event["key"] = key
        self._write(event)
        self.count += 1
        self.of_job += by == "job"
        if key:
            self._remember(key, event)
        return event

    def close(self) -> None:
        """Try once more what could not be written, and close."""
        try:
            self._catch_up()
        except OSError:
            pass  # unwritten says so
        os.close(self._file)

    def _event(self, name: str, cause: str, now: int, *, by: str, auto: bool) -> dict:
        seq = self.count + 1
        return {"seq": seq, "time": now, "name": name, "cause": cause, "auto": auto, "by": by}

    def _catch_up(self) -> None:
        while self.unwritten:
            self._write(self.unwritten[0])
            del self.unwritten[0]

    def _write(self, event: dict) -> None:
        line = (dumps(event) + "\n").encode()
        append_whole(self._file, line, self.size)
        os.fsync(self._file)
        self.size += len(line)

    def _remember(self, key: str, event: dict) -> None:
        self._keys[key] = event
        if len(self._keys) > KEYS:
            del self._keys[next(iter(self._keys))]
