"""Composes one process: sidecar and services in threads, the consumer in front.

Read ``run`` from top to bottom: signals, database, services, HTTP, then the loop, and at the
end everything stopped in the opposite order.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from jexevents import wiring
from jexevents.broker.consumer import Consumer
from jexevents.broker.depth import Depth
from jexevents.census import Census
from jexevents.composing import begin, database_check, run_to_end, start, tell_node
from jexevents.config import Config
from jexevents.ending import Ending
from jexevents.errors import StorageFull, Unavailable
from jexevents.exits import Exit
from jexevents.ingest import Ingest, Message
from jexevents.logs import get_logger
from jexevents.metrics import Metrics
from jexevents.model import Outcome
from jexevents.overdue import Overdue
from jexevents.presence import Presence
from jexevents.service import Service
from jexevents.sidecar import health
from jexevents.sidecar import metrics as metrics_surface
from jexevents.sidecar import schemas as schemas_surface
from jexevents.sidecar.apidocs.surface import ApiDocs
from jexevents.sidecar.compose import Sidecar, sidecar
from jexevents.sidecar.health import Check, Readiness
from jexevents.sidecar.throttle import Throttle
from jexevents.sidecar.tokens import Tokens as KnownTokens
from jexevents.store.database import Database
from jexevents.store.nonces import Nonces
from jexevents.store.sessions import Sessions
from jexevents.store.tokens import Tokens
from jexevents.uploads.folder import UploadFolder

log = get_logger("daemon")


def run(config: Config) -> Exit:
    """Run the daemon until it is told to end; give the exit code.

    Raises nothing: what goes wrong is logged, and named by the exit code.
    """
    return run_to_end(lambda ending, stack: _run(config, ending, stack))


def _run(config: Config, ending: Ending, stack: ExitStack) -> None:
    signals, database, presence = begin(config, "daemon", ending, stack)
    front = wiring.front(config, database)
    stack.callback(front.close)
    back = wiring.back(config, database)
    stack.callback(back.close)
    side = wiring.side(config, database)
    stack.callback(side.close)
    links = wiring.Links(wiring.repository(config))
    stack.enter_context(wiring.owned(config))
    metrics = Metrics()
    event_files = wiring.event_files(config)
    observer = wiring.observer(config, metrics, event_files)
    # Of jobs that hooks start, hooks may get something in turn.
    run_job = wiring.run_job(config, side, links, lambda names: hooks.wake(names))
    hooks = wiring.hook_senders(config, back, metrics, presence.require, run_job)
    way_in = wiring.ingest(config, database, observer, hooks.wake)
    consumer = _consumer(config, way_in, presence, ending, metrics)
    depth = Depth(config.amqp_uri, config.queue_name, name=f"jexevents {config.node_name} depth")
    _watch(metrics, consumer, presence, depth)
    running = wiring.running(
        config,
        side,
        links,
        hooks.wake,
        presence.require,
        metrics.attempt_ended,
        observer=metrics,
    )
    if running is not None:
        metrics.watch_jobs(running.use)
        presence.heard = lambda wanted: running.worker.drain("request", wanted=wanted)
    metrics.pools.watch(main=database.use, http=front.use, hooks=back.use, jobs=side.use)
    metrics.watch_hooks(lambda: hooks.pending)
    census = Census(side, presence.require)
    metrics.watch_ledger(census.counts)
    surfaces = wiring.Surfaces(
        config,
        front,
        observer,
        hooks.wake,
        links=links,
        ended=metrics.attempt_ended,
        of_uploads=metrics,
    )
    http = _http(config, front, surfaces, metrics, lambda: _readiness(presence, consumer))
    signals.on_hang_up = lambda: _hang_up(http.tokens, links)
    services: list[Service] = [Overdue([database, front, back, side]), presence]
    if server := wiring.attending(config):
        services.append(server)
    if event_files is not None:
        services.append(event_files)
    services.append(http.server)
    services += [hooks, census]
    services += [wiring.ringing(config, links)] if running is None else running.services
    if not config.queue_exclusive:
        # Of an exclusive queue the broker tells other connections nothing.
        services.append(depth)
    start(services, ending, stack)
    tell_node(presence, running, lambda: http.server.addresses)
    if running is not None:
        # First of all, so that nobody who has to end waits for git.
        stack.callback(running.stop_early)
    log.info("listening", addresses=http.server.addresses)
    gc.freeze()
    consumer.run()


def _http(
    config: Config,
    front: Database,
    surfaces: wiring.Surfaces,
    metrics: Metrics,
    readiness: Readiness,
) -> Sidecar:
    """Give the sidecar with all that this process answers over HTTP."""
    throttle = Throttle()
    routes = [
        *health.routes(readiness),
        *surfaces.routes(throttle, _upload_folder(config)),
        *surfaces.dashboard(throttle, readiness).routes(),
        *schemas_surface.routes(wiring.schemas(config)),
        *metrics_surface.routes(metrics.exposition),
    ]
    routes += ApiDocs(routes, wiring.schemas(config), config.public_url or "").routes()
    http = sidecar(
        routes,
        wiring.access(config),
        Tokens(front).in_force,
        metrics,
        use_nonce=Nonces(front).use,
        signers=wiring.signers(config),
        throttle=throttle,
        find_session=Sessions(front).find,
    )
    if http.warning:
        log.warning("loopback_only", reason=http.warning)
    return http


def _hang_up(tokens: KnownTokens, links: wiring.Links) -> None:
    """Do what SIGHUP asks for: read tokens and definitions anew."""
    tokens.reread()
    if links.fetching is not None:
        links.fetching.ask()


def _upload_folder(config: Config) -> UploadFolder:
    """Give the folder of uploads, without what a killed process was writing."""
    folder = wiring.upload_folder(config)
    try:
        folder.make()
    except (Unavailable, StorageFull) as error:
        # Who uploads nothing needs none.
        log.warning("upload_folder_unusable", reason=str(error))
    if swept := folder.sweep_incoming():
        log.warning("uploads_left_by_others_removed", files=swept)
    return folder


def _readiness(presence: Presence, consumer: Consumer) -> dict[str, Check]:
    database = database_check(presence)
    last = consumer.last_batch_at
    age = None if last is None else time.monotonic() - last
    return {
        "database": database,
        "broker": Check(consumer.problem is None, consumer.problem or "consuming"),
        "last_batch": Check(True, "none yet" if last is None else "stored", age),
    }


def _watch(metrics: Metrics, consumer: Consumer, presence: Presence, depth: Depth) -> None:
    """Have what can be asked at any time asked when somebody looks at the metrics."""

    def of_session(name: str) -> Callable[[], float]:
        return lambda: getattr(consumer.session, name, 0)

    for gauge, ask in (
        (metrics.connected, lambda: consumer.session is not None),
        (metrics.in_hand_messages, of_session("in_hand")),
        (metrics.in_hand_bytes, of_session("bytes_in_hand")),
        (metrics.queue_messages, lambda: depth.messages),
        (metrics.queue_consumers, lambda: depth.consumers),
        (metrics.queue_seen, lambda: depth.seen_at),
        (metrics.database_up, lambda: presence.problem is None),
    ):
        gauge.set_function(ask)


def _consumer(
    config: Config, way_in: Ingest, presence: Presence, ending: Ending, metrics: Metrics
) -> Consumer:
    def store(batch: Sequence[Message]) -> Sequence[Outcome]:
        presence.require()
        return way_in.store(batch)

    return Consumer(
        config.amqp_uri,
        wiring.topology(config),
        wiring.intake(config),
        store,
        ending,
        read=way_in.read,
        require_store=presence.require,
        heartbeat_seconds=config.heartbeat_seconds,
        reconnect_max_seconds=config.reconnect_max_seconds,
        name=f"jexevents {config.node_name}",
        observer=metrics,
    )
