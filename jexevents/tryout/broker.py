"""Provides a RabbitMQ: the one that is named, else one in a container, else an installed one
started privately, else Debian's packages, fetched and started privately."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from jexevents.broker.connect import connect
from jexevents.errors import BrokerUnavailable, JexError
from jexevents.redaction import redact_uri
from jexevents.tryout import container, packages
from jexevents.tryout.apt import Say
from jexevents.tryout.management import Management, management_of, vhost_uri
from jexevents.tryout.private import PrivateBroker

__all__ = ["Broker", "GivenBroker", "PrivateBroker", "provide_broker"]

_HEARTBEAT_SECONDS = 30

REMEDY = (
    "Name a RabbitMQ by an AMQP URI, install rabbitmq-server, or start a container engine "
    "that can get an image of it."
)


class Broker(Protocol):
    """A RabbitMQ to use: ``uri`` names it, ``how`` says in a line where it came from."""

    uri: str
    how: str
    makes_vhosts: bool

    def create_vhost(self, name: str) -> str:
        """Make a virtual host; gives its AMQP URI."""

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host with all in it."""

    def stop(self) -> None:
        """Stop it, if it was started here."""

    def __enter__(self) -> Broker: ...

    def __exit__(self, *exc_info: object) -> None: ...


class GivenBroker:
    """A RabbitMQ that is there already; ``end`` ends it if it was started for us."""

    def __init__(
        self, uri: str, how: str, management: Management, end: Callable[[], None] | None = None
    ) -> None:
        self.uri = uri
        self.how = how
        self._management = management
        self._end = end
        self.makes_vhosts = management.works()

    def create_vhost(self, name: str) -> str:
        """Make a virtual host; gives its AMQP URI. Only where ``makes_vhosts``."""
        self._management.create_vhost(name)
        return vhost_uri(self.uri, name)

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host with all in it."""
        self._management.delete_vhost(name)

    def stop(self) -> None:
        """End it if it was started for us; one that was named goes on."""
        if self._end:
            self._end()
            self._end = None

    def __enter__(self) -> GivenBroker:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def provide_broker(folder: Path, *, uri: str | None, cache: Path, say: Say) -> Broker:
    """Give a running RabbitMQ.

    ``folder`` holds a private one's data and may be kept for the next time, ``cache`` the
    packages that are fetched. ``say`` is told each step that takes long and each way that
    failed. Raises BrokerUnavailable if the named one does not answer, or, naming every way
    tried and why it failed, if there is none.
    """
    if uri:
        return given(uri)
    ways: dict[str, Callable[[], Broker]] = {
        "a container": lambda: in_container(say),
        "an installed rabbitmq-server": lambda: private(folder, packages.installed(), say),
        "packages by apt": lambda: private(folder, packages.fetched(cache, say), say),
    }
    failures = []
    for name, way in ways.items():
        try:
            return way()
        except JexError as exc:
            failures.append(f"{name}: {exc}")
            say(f"no RabbitMQ from {name}: {exc}")
    tried = "\n".join(f"- {failure}" for failure in failures)
    raise BrokerUnavailable(f"There is no RabbitMQ. Tried:\n{tried}\n", remedy=REMEDY)


def given(uri: str) -> Broker:
    """Give the RabbitMQ that ``uri`` names; BrokerUnavailable if it does not answer."""
    connect(uri, heartbeat_seconds=_HEARTBEAT_SECONDS, name="jexevents tryout").close()
    return GivenBroker(uri, f"the RabbitMQ at {redact_uri(uri)}", management_of(uri))


def in_container(say: Say) -> Broker:
    """Start a RabbitMQ in a container; BrokerUnavailable where no engine or image is to be had."""
    started = container.start(say)
    management = management_of(started.uri, started.management_port)
    return GivenBroker(started.uri, started.how, management, started.stop)


def private(folder: Path, programs: packages.Programs, say: Say) -> PrivateBroker:
    """Start a private RabbitMQ in ``folder``."""
    broker = PrivateBroker(folder, programs)
    say(f"starting {broker.how}")
    broker.start()
    return broker
