"""``jexevents monitor``: follow HTCondor's event logs, and publish what is written there."""

from __future__ import annotations

import argparse
from typing import Any

from jexevents import logs
from jexevents.config import Config
from jexevents.exits import Exit

_TYPED = {
    "EventLog": "LOG",
    "PositionFile": "--position",
    "MonitorHTTPListenPort": "--listen",
}


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser(
        "monitor",
        help="follow event logs of HTCondor, and publish each event to RabbitMQ",
        description="Follows the logs till it is ended, over their rotations, and publishes each "
        "event to the configured exchange. It needs RabbitMQ, and no database. TERM and INT have "
        "it finish what is under way, a second one ends it at once; HUP has it look for new logs.",
    )
    parser.add_argument(
        "logs", metavar="LOG", nargs="*", help="paths or patterns, instead of EventLog"
    )
    parser.add_argument("--position", metavar="PATH", help="instead of PositionFile")
    parser.add_argument("--listen", metavar="ADDRESS", help="instead of MonitorHTTPListenPort")
    parser.set_defaults(run=_run)
    return [parser]


def _run(options: argparse.Namespace, config: Config) -> Exit:
    # As for the daemon: the other commands start faster without what this needs.
    from jexevents import monitordaemon

    chosen = {
        "EventLog": options.logs or None,
        "PositionFile": options.position,
        "MonitorHTTPListenPort": options.listen,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    logs.configure(config.log_level)
    return monitordaemon.run(config.replaced(given, _TYPED))
