"""What the processes that run for long have in common: the daemon, and `jexevents worker`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from jexevents import __version__, wiring
from jexevents.config import Config
from jexevents.ending import Ending, Signals
from jexevents.errors import BrokerMismatch, ConfigError
from jexevents.exits import Exit
from jexevents.logs import get_logger
from jexevents.presence import Presence
from jexevents.service import Service
from jexevents.sidecar.health import Check
from jexevents.store.database import Database

log = get_logger("daemon")

# With Python's default of 5 ms a busy consumer starves the sidecar: look-ups fell from 2,130 to
# 200 a second on two cores; with this they stayed above 1,000.
_SWITCH_SECONDS = 0.0002

# A batch makes thousands of values, and none of them in a circle. By its own defaults the
# collector of circles would look through all of them several times before they are gone.
_GC_THRESHOLDS = (50_000, 20, 20)

_JOIN_SECONDS = 5.0

# How long /readyz waits for a look at the database that is under way: a server that hangs must
# not hold all threads of the sidecar.
_READY_SECONDS = 1.0


def run_to_end(compose: Callable[[Ending, ExitStack], None]) -> Exit:
    """Have ``compose`` make a process and wait for its end; give the exit code.

    Raises nothing: what goes wrong is logged, and named by the exit code.
    """
    ending = Ending()
    try:
        with ExitStack() as stack:
            compose(ending, stack)
    except (ConfigError, BrokerMismatch) as error:
        ending.fail(Exit.CONFIG, str(error))
    except Exception as error:
        log.critical("daemon_died", exc_info=error)
        ending.fail(Exit.SOFTWARE, str(error))
    record = log.info if ending.code is Exit.OK else log.error
    record("stopped", exit_code=int(ending.code), reason=ending.reason or "asked to")
    return ending.code


def begin(
    config: Config, role: str, ending: Ending, stack: ExitStack
) -> tuple[Signals, Database, Presence]:
    """Take the signals, the database and the name, in this order."""
    signals = stack.enter_context(Signals(ending))
    introduce(config, role)
    database = stack.enter_context(wiring.database(config, f"jexevents {config.node_name}"))
    presence = Presence(
        database,
        config.node_name,
        role,
        ending,
        config.node_url or None,
        runs=wiring.runs_any(config),
    )
    presence.look()
    return signals, database, presence


def introduce(config: Config, role: str) -> None:
    """Say in the log what this process is, and set the interpreter as all of them have it."""
    log.info(
        "starting",
        version=__version__,
        node=config.node_name,
        role=role,
        config=config.redacted(),
    )
    for warning in config.warnings:
        log.warning("configuration", warning=warning)
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_GC_THRESHOLDS)


def start(services: Sequence[Service], ending: Ending, stack: ExitStack) -> None:
    """Start services; they are ended in the opposite order. If one dies, the process ends."""
    for service in services:
        service.on_death = lambda died: _end_by(died, ending)
        service.start()
        stack.callback(_end, service)


def database_check(presence: Presence) -> Check:
    """Look whether the database answers, for /readyz."""
    presence.look(_READY_SECONDS)
    return Check(presence.problem is None, presence.problem or "answers")


def tell_node(
    presence: Presence,
    running: wiring.Running | None,
    addresses: Callable[[], Sequence[tuple[str, int]]],
) -> None:
    """Have noted in the database what this process is, once it listens."""
    presence.tell = lambda: wiring.node_note(running, addresses())
    presence.look_soon()


def _end_by(died: Service, ending: Ending) -> None:
    if isinstance(died.exception, ConfigError | BrokerMismatch):
        ending.fail(Exit.CONFIG, str(died.exception))
    else:
        ending.fail(Exit.SOFTWARE, f"{died.name} died")


def _end(service: Service) -> None:
    service.stop()
    if not service.join(_JOIN_SECONDS):
        log.warning("service_hangs", service=service.name)
