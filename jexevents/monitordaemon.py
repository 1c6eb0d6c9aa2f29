"""Composes `jexevents monitor`: a process that follows event logs, and publishes what they say.

It knows no database. What is published is taken by the daemons.
"""

from __future__ import annotations

import gc
from contextlib import ExitStack

from jexevents.broker.stream import Stream
from jexevents.composing import introduce, run_to_end, start
from jexevents.config import Config
from jexevents.ending import Ending, Signals
from jexevents.exits import Exit
from jexevents.logs import get_logger
from jexevents.monitor.service import MonitorService
from jexevents.monitormetrics import MonitorMetrics
from jexevents.observers import LogsUse
from jexevents.sidecar import health
from jexevents.sidecar import metrics as metrics_surface
from jexevents.sidecar.compose import sidecar
from jexevents.sidecar.health import Check
from jexevents.wiring import monitor as wiring

log = get_logger("daemon")


def run(config: Config) -> Exit:
    """Follow logs until told to end; give the exit code.

    Raises nothing: what goes wrong is logged, and named by the exit code.
    """
    return run_to_end(lambda ending, stack: _run(config, ending, stack))


def _run(config: Config, ending: Ending, stack: ExitStack) -> None:
    signals = stack.enter_context(Signals(ending))
    introduce(config, "monitor")
    access, warning = wiring.monitor_access(config)
    if warning:
        log.warning("loopback_only", reason=warning)
    stream = wiring.stream(config)
    metrics = MonitorMetrics()
    monitor = wiring.monitor(config, stream, metrics)
    stack.callback(monitor.close)
    metrics.watch(lambda: stream.use, lambda: _logs_use(monitor))
    routes = [
        *health.routes(lambda: _readiness(stream, monitor)),
        *metrics_surface.routes(metrics.exposition),
    ]
    http = sidecar(routes, access, list, metrics)
    signals.on_hang_up = monitor.look_again
    # Ended in the opposite order: what was read is confirmed while there is a stream.
    start([http.server, stream, monitor], ending, stack)
    log.info("listening", addresses=http.server.addresses)
    gc.freeze()
    while not ending.is_set():
        ending.wait(3600.0)


def _readiness(stream: Stream, monitor: MonitorService) -> dict[str, Check]:
    problems = monitor.problems
    return {
        "broker": Check(stream.problem is None, stream.problem or "takes messages"),
        "logs": Check(not problems, " ".join(problems) or f"{len(monitor.logs)} followed"),
    }


def _logs_use(monitor: MonitorService) -> LogsUse:
    return LogsUse(len(monitor.logs), len(monitor.problems), monitor.bytes_behind)
