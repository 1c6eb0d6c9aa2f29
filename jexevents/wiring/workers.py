"""What is particular to `jexevents worker`, and what each process that runs executions says."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jexevents.config import Config
from jexevents.errors import ConfigError
from jexevents.processes import machine
from jexevents.store.nodes import NodeNote
from jexevents.wiring.jobs import Running

_FOLDER = "workers"
_TYPED = {
    "NodeName": "--name",
    "WorkerSlots": "--slots",
    "WorkerLabels": "--labels",
    "HTTPListenPort": "--listen",
    "NodeURL": "--url",
}


@dataclass(frozen=True, slots=True)
class WorkerChoice:
    """What the command line says of a worker; None is what the configuration says."""

    name: str | None = None
    slots: int | None = None
    labels: Sequence[str] | None = None
    listen: str | None = None
    url: str | None = None


def worker_config(config: Config, choice: WorkerChoice) -> Config:
    """Give the configuration of a worker: the daemon's, with a name, a folder and an address of its
    own, so that both can be had from one file. Raises ConfigError."""
    name = f"{config.node_name}-worker" if choice.name is None else choice.name
    slots = config.worker_slots if choice.slots is None else choice.slots
    values = {
        "NodeName": name,
        "WorkerSlots": slots,
        "HTTPListenPort": choice.listen or str(config.worker_http_listen_port),
        "NodeURL": config.worker_url if choice.url is None else choice.url,
    }
    if choice.labels is not None:
        values["WorkerLabels"] = list(choice.labels)
    own = config.replaced(values, _TYPED)
    if not own.worker_slots:
        raise ConfigError(
            "A worker with no slots runs nothing.", remedy="Set WorkerSlots, or give --slots N."
        )
    # By its name as it was checked.
    return own.replaced({"JobsDir": str(Path(config.jobs_dir) / _FOLDER / own.node_name)}, {})


def node_note(running: Running | None, addresses: Sequence[tuple[str, int]]) -> NodeNote:
    """Say how it stands with a process that listens on these addresses."""
    where = {"local_url": _local_url(addresses), "machine": machine()}
    if running is None:
        return NodeNote(**where)
    worker = running.worker
    return NodeNote(
        slots=worker.slots,
        running=worker.running,
        labels=worker.labels,
        kinds=worker.kinds,
        engine=_engine(running),
        **where,
    )


def _engine(running: Running) -> Mapping[str, str] | None:
    health = None if running.containers is None else running.containers.health
    if health is None or not health.answers or health.about is None:
        return None
    about = health.about
    return {
        "name": about.name,
        "product": about.product,
        "version": about.version,
        "api_version": about.api_version,
    }


def _local_url(addresses: Sequence[tuple[str, int]]) -> str | None:
    """Give where those on the same machine find it, if that is known."""
    if not addresses or not machine():
        return None
    host, port = addresses[0]
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
