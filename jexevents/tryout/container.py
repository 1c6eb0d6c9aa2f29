"""RabbitMQ in a container by way of testcontainers, where an engine has or gets its image."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from jexevents.engine.client import Engine
from jexevents.engine.images import Images
from jexevents.errors import BrokerUnavailable, EngineUnavailable, JexError
from jexevents.tryout.apt import Say

IMAGE = "rabbitmq:3-management"
PING_SECONDS, PULL_SECONDS, SILENT_SECONDS = 3, 180, 30
AMQP_PORT, MANAGEMENT_PORT = 5672, 15672


@dataclass(frozen=True)
class Started:
    """A container that runs: its URI, the API's port on this machine, how to end it."""

    uri: str
    management_port: int
    how: str
    stop: Callable[[], None]


def start(say: Say) -> Started:
    """Start RabbitMQ in a container, of the image that JEXEVENTS_RABBITMQ_IMAGE names or the
    official one. BrokerUnavailable, within bounded time, if that cannot be done."""
    image = os.environ.get("JEXEVENTS_RABBITMQ_IMAGE") or IMAGE
    try:
        _ensure_image(image, say)
        return _run(image, say)
    except ImportError as exc:
        raise BrokerUnavailable(f"testcontainers is not installed ({exc.name})") from exc
    except BrokerUnavailable:
        raise
    except Exception as exc:  # three libraries, without a common parent of their errors
        raise BrokerUnavailable(f"{type(exc).__name__}: {exc}") from exc


def _ensure_image(image: str, say: Say) -> None:
    engine = Engine(connect_seconds=PING_SECONDS)
    try:
        engine.ping()
    except EngineUnavailable as exc:
        raise BrokerUnavailable(f"no container engine answers ({exc.message})") from exc
    try:
        images = Images(engine)
        if images.find(image) is None:
            say(f"pulling the image {image}")
            images.pull(image, idle_seconds=SILENT_SECONDS, whole_seconds=PULL_SECONDS)
    except JexError as exc:
        raise BrokerUnavailable(f"the image {image} cannot be pulled: {exc}") from exc
    finally:
        engine.close()


def _run(image: str, say: Say) -> Started:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.rabbitmq import RabbitMqContainer

    # Its helper container would need an image of its own, pulled from somewhere else.
    testcontainers_config.ryuk_disabled = True
    say(f"starting RabbitMQ in a container of {image}")
    container = RabbitMqContainer(image).with_exposed_ports(MANAGEMENT_PORT)
    try:
        container.start()
        host = container.get_container_host_ip()
        port = container.get_exposed_port(AMQP_PORT)
        management = int(container.get_exposed_port(MANAGEMENT_PORT))
    except BaseException:
        container.stop()
        raise
    uri = f"amqp://guest:guest@{host}:{port}/%2F"
    return Started(uri, management, f"a container of {image}", container.stop)
