"""Composes `jexevents worker`: a process that runs executions, and nothing beside.

It takes what waits in the same queue as the daemons do. Definitions, schedules, webhooks and
messages are theirs: what they need to know of a run stands in the database.
"""

from __future__ import annotations

import gc
from contextlib import ExitStack

from jexevents import wiring
from jexevents.composing import begin, database_check, run_to_end, start, tell_node
from jexevents.config import Config
from jexevents.ending import Ending
from jexevents.errors import ConfigError
from jexevents.exits import Exit
from jexevents.logs import get_logger
from jexevents.metrics import Metrics
from jexevents.overdue import Overdue
from jexevents.presence import Presence
from jexevents.sidecar import health
from jexevents.sidecar import metrics as metrics_surface
from jexevents.sidecar import schemas as schemas_surface
from jexevents.sidecar.compose import sidecar
from jexevents.sidecar.health import Check
from jexevents.store.ledger import nobody_waits
from jexevents.store.tokens import Tokens

log = get_logger("daemon")

_BY_SIGNAL, _BY_REQUEST = "signal", "request"


def run(config: Config, choice: wiring.WorkerChoice) -> Exit:
    """Run a worker until it is drained or told to end; give the exit code.

    Raises ConfigError where ``choice`` makes no sense. What goes wrong later is logged, and named
    by the exit code.
    """
    own = wiring.worker_config(config, choice)
    return run_to_end(lambda ending, stack: _run(own, ending, stack))


def _run(config: Config, ending: Ending, stack: ExitStack) -> None:
    if not wiring.can_run(config):
        raise ConfigError(
            "There is nothing that this worker could run: no container engine, no repository.",
            remedy="Set ContainerEngine or DOCKER_HOST to an engine, or set JobsRepository.",
        )
    signals, database, presence = begin(config, "worker", ending, stack)
    front = wiring.front(config, database)
    stack.callback(front.close)
    side = wiring.side(config, database)
    stack.callback(side.close)
    links = wiring.Links(wiring.repository(config))
    stack.enter_context(wiring.owned(config))
    metrics = Metrics()
    metrics.leave_out_consumer()
    running = wiring.running(
        config,
        side,
        links,
        nobody_waits,
        presence.require,
        metrics.attempt_ended,
        schedules=False,
        observer=metrics,
    )
    metrics.watch_jobs(running.use)
    metrics.pools.watch(main=database.use, http=front.use, jobs=side.use)
    metrics.database_up.set_function(lambda: presence.problem is None)
    outputs = wiring.Surfaces(config, front, links=links).outputs(wiring.runs_folder(config))
    routes = [
        *health.routes(lambda: _readiness(presence, running)),
        outputs.node_route(),
        *schemas_surface.routes(wiring.schemas(config)),
        *metrics_surface.routes(metrics.exposition),
    ]
    http = sidecar(routes, wiring.access(config), Tokens(front).in_force, metrics)
    if http.warning:
        log.warning("loopback_only", reason=http.warning)
    worker = running.worker
    worker.on_drained = ending.set
    presence.heard = lambda wanted: worker.drain(_BY_REQUEST, wanted=wanted)
    signals.on_hang_up = http.tokens.reread
    signals.before_end = lambda: worker.drain(_BY_SIGNAL)
    start([Overdue([database, front, side]), presence, http.server, *running.services], ending,
          stack)  # fmt: skip
    tell_node(presence, running, lambda: http.server.addresses)
    log.info("listening", addresses=http.server.addresses)
    gc.freeze()
    while not ending.is_set():
        ending.wait(3600.0)


def _readiness(presence: Presence, running: wiring.Running) -> dict[str, Check]:
    checks = {
        "database": database_check(presence),
        # Without it this worker looks every few seconds what there is to do.
        "broker": Check(True, "wakes" if running.others.connected else "does not wake"),
        "worker": Check(True, "draining" if running.worker.draining else "working"),
    }
    if running.containers is not None:
        problem = running.containers.health.problem
        checks["engine"] = Check(problem is None, problem or "answers")
    return checks
