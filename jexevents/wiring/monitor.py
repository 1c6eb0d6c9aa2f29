"""The log monitor, as it is configured: what it reads, publishes to, and listens on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from jexevents.broker.stream import Stream
from jexevents.config import Config
from jexevents.errors import ConfigError
from jexevents.model import Role
from jexevents.monitor.service import MonitorService
from jexevents.observers import MonitorObserver
from jexevents.sidecar.clients import is_loopback_name
from jexevents.sidecar.compose import Access
from jexevents.wiring.outside import access, topology

_LOOPBACK = "127.0.0.1"
_THREADS = 2
_SLACK_BYTES = 64 << 20


def stream(config: Config) -> Stream:
    """Give what publishes to the configured exchange. Raises ConfigError where nobody can."""
    if config.exchange_internal:
        raise ConfigError(
            "Nobody can publish to an exchange with ExchangeInternal.",
            remedy="Name another exchange that is bound to it.",
        )
    return Stream(
        config.amqp_uri,
        topology(config),
        config.routing_key,
        window=config.monitor_window,
        # The monitor itself keeps to the bound, and is not to wait where it cannot be stopped.
        window_bytes=config.monitor_window_bytes + _SLACK_BYTES,
        heartbeat_seconds=config.heartbeat_seconds,
        reconnect_max_seconds=config.reconnect_max_seconds,
        name=f"jexevents {config.node_name}",
    )


def monitor(config: Config, sender: Stream, observer: MonitorObserver) -> MonitorService:
    """Give what follows the configured logs; its position file is open then.

    Raises ConfigError where no log is configured, or the file cannot be used.
    """
    if not config.event_log:
        raise ConfigError(
            "There is no log to follow.", remedy="Set EventLog, or give LOG on the command line."
        )
    position = Path(config.position_file)
    # What cannot be made is told by who opens the file.
    with suppress(OSError):
        position.parent.mkdir(parents=True, exist_ok=True)
    return MonitorService(
        config.event_log,
        position_file=position,
        sender=sender,
        source=config.source_name or None,
        observer=observer,
        poll_seconds=config.monitor_poll_seconds,
        window=config.monitor_window,
        window_bytes=config.monitor_window_bytes,
    )


def monitor_access(config: Config) -> tuple[Access, str]:
    """Give where the monitor's sidecar listens, and a warning where that is not as configured.

    Without a database there are no tokens: what is not loopback has to be opened by
    AnonymousRoles. Raises ConfigError where it is not.
    """
    listen, warning = config.monitor_http_listen_port, ""
    host = listen.host
    if Role.READ not in config.anonymous_roles:
        if host is None:
            host = _LOOPBACK
            warning = (
                f"The monitor knows no tokens, so port {listen.port} is bound on loopback only. "
                "Have `read` in AnonymousRoles to open it."
            )
        elif not is_loopback_name(host):
            raise ConfigError(
                f"MonitorHTTPListenPort: {listen} would be open to others, and the monitor knows "
                "no tokens.",
                remedy="Have `read` in AnonymousRoles, or bind loopback.",
            )
    own = config.replaced({"HTTPListenPort": str(listen._replace(host=host))}, {})
    return replace(access(own), threads=_THREADS, stream_limit=0, spool=None), warning
