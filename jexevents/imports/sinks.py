"""Where entries go: into the ledger by this process or by several, or to the broker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from jexevents.errors import BrokerUnavailable
from jexevents.eventlogs.envelope import message
from jexevents.eventlogs.reading import LogEvent
from jexevents.imports.entry import Entry
from jexevents.imports.storing import BATCH_BYTES, BATCH_EVENTS, Counts, LogStore

_CONFIRM_SECONDS = 60.0


class Sink(Protocol):
    """Takes entries in the order of their log; ``counts`` says what became of them so far."""

    counts: Counts
    sent: int

    def put(self, entries: Sequence[Entry]) -> None:
        """Take entries; may wait. Raises Unavailable."""

    def finish(self) -> None:
        """Wait until all of them are where they belong. Raises Unavailable."""

    def end(self) -> None:
        """Give up what is not stored yet, save what is being stored."""


class Gathering:
    """Puts entries together until they are a batch."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._bytes = 0

    def add(self, entry: Entry) -> list[Entry] | None:
        """Add one; give a batch if that makes one."""
        self._entries.append(entry)
        self._bytes += len(entry.raw)
        full = len(self._entries) >= BATCH_EVENTS or self._bytes >= BATCH_BYTES
        return self.take() if full else None

    def take(self) -> list[Entry]:
        """Give what is there, perhaps nothing, and begin anew."""
        entries, self._entries, self._bytes = self._entries, [], 0
        return entries


class Direct:
    """Stores entries here."""

    sent = 0

    def __init__(self, store: LogStore) -> None:
        self.counts = Counts()
        self._store = store
        self._gathering = Gathering()

    def put(self, entries: Sequence[Entry]) -> None:
        """Store them as soon as they are a batch."""
        for entry in entries:
            batch = self._gathering.add(entry)
            if batch is not None:
                self.counts.add(self._store.store(batch))

    def finish(self) -> None:
        """Store what is left."""
        batch = self._gathering.take()
        if batch:
            self.counts.add(self._store.store(batch))

    def end(self) -> None:
        """Leave what is gathered."""
        self._gathering.take()


class Sender(Protocol):
    """Sends messages, many at a time; see broker.stream."""

    def send(self, body: bytes) -> None:
        """Take one over to be sent; waits while too many are under way."""

    def confirmed(self) -> int:
        """Say how many the broker has taken over."""

    def wait_confirmed(self, timeout: float | None = None) -> bool:
        """Wait until the broker has taken all over; whether it has."""


class Broker:
    """Sends entries as a monitor would have sent them; what becomes of them, the daemon knows."""

    def __init__(self, sender: Sender, source: str) -> None:
        self.counts = Counts()
        self._sender = sender
        self._source = source

    @property
    def sent(self) -> int:
        """How many the broker has taken over."""
        return self._sender.confirmed()

    def put(self, entries: Sequence[Entry]) -> None:
        """Send them."""
        for entry in entries:
            self._sender.send(body_of(entry, self._source))

    def finish(self) -> None:
        """Wait for the broker, as long as it takes any over."""
        while True:
            before = self._sender.confirmed()
            if self._sender.wait_confirmed(_CONFIRM_SECONDS):
                return
            if self._sender.confirmed() == before:
                raise BrokerUnavailable(
                    f"RabbitMQ took no message over for {_CONFIRM_SECONDS:.0f} s.",
                    remedy="Run the same again when it does.",
                )

    def end(self) -> None:
        """Leave what is under way."""


def body_of(entry: Entry, source: str) -> bytes:
    """Give the message of an entry."""
    event = LogEvent(
        entry.offset, entry.offset + len(entry.raw), entry.raw, entry.occurrence, entry.fault
    )
    members = message(event, source=source or None, log=entry.log)
    if entry.year is not None:
        members["Year"] = entry.year
    return json.dumps(members).encode()
