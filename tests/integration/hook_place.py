"""A ledger with hooks, and the senders of daemons for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jexevents import wiring
from jexevents.config import Config, from_mapping
from jexevents.hooks.service import HookSenders
from jexevents.ingest import Ingest
from jexevents.model import Arrival
from jexevents.store.database import Database
from jexevents.store.ledger import Wake, nobody_waits
from jexevents.store.outbox import Outbox
from tests.ledger import NOON, executing, message
from tests.receiver import Received, Receiver, Reply
from tests.support import wait_until

SOON = 30
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Heard:
    """Notes what is reported."""

    def __init__(self) -> None:
        self.sent_to: list[tuple[str, str]] = []

    def sent(self, hook: str, state: str, seconds: float) -> None:
        assert seconds >= 0
        self.sent_to.append((hook, state))


@dataclass
class Place:
    """A ledger with hooks, and daemons' senders for it."""

    uri: str
    hooks: Sequence[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)
    databases: list[Database] = field(default_factory=list)
    senders: list[HookSenders] = field(default_factory=list)
    heard: Heard = field(default_factory=Heard)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.database())

    @property
    def config(self) -> Config:
        return from_mapping(
            {"Hooks": list(self.hooks), "HookRetryMaxSeconds": 0.1, "LogTimeZone": "UTC",
             **self.options}
        )  # fmt: skip

    def database(self) -> Database:
        self.databases.append(Database(self.uri))
        return self.databases[-1]

    def start(self) -> HookSenders:
        """Start the senders of one more daemon."""
        made = wiring.hook_senders(self.config, self.database(), self.heard)
        self.senders.append(made)
        made.start()
        return made

    def ingest(self, wake: Wake = nobody_waits) -> Ingest:
        return wiring.ingest(self.config, self.database(), wake=wake)

    def end(self) -> None:
        for sender in self.senders:
            sender.stop()
        for sender in self.senders:
            assert sender.join(SOON)
            assert not sender.failed, sender.exception
        for database in self.databases:
            database.close()

    def states(self, hook: str = "mine") -> list[str]:
        return [row["state"] for row in self.outbox.find(hook, limit=1000)]

    def wait_for_states(self, expected: Sequence[str], hook: str = "mine") -> None:
        what = f"deliveries to be {expected}"
        wait_until(lambda: sorted(self.states(hook)) == sorted(expected), SOON, what)


def send(ingest: Ingest, *events: str) -> None:
    ingest.handle([Arrival(message(event), NOON, "amqp:test", "") for event in events])


def events_of(jobs: int, each: int) -> list[str]:
    """So many jobs' events, the jobs in turn."""
    return [
        executing(job=f"{job}.000.000", second=number)
        for number in range(each)
        for job in range(1, jobs + 1)
    ]


def at(received: Received) -> tuple[str, str]:
    """The job and the time of an event as it was received."""
    event = received.json()
    return event["subject"], event["time"]


@contextmanager
def gate(receiver: Receiver) -> Iterator[threading.Event]:
    """Have all requests wait till the event is set."""
    opened = threading.Event()

    def answer(_received: Received) -> Reply:
        assert opened.wait(SOON)
        return Reply()

    receiver.answer = answer
    try:
        yield opened
    finally:
        opened.set()


def assert_in_order(came: Sequence[Received]) -> None:
    """Assert that the events of each job arrived first in their order."""
    firsts = list({one.id: at(one) for one in came}.values())
    for job in {job for job, _ in firsts}:
        times = [time for one, time in firsts if one == job]
        assert times == sorted(times), job
