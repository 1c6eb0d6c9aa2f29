"""What a container is made of, and the document by which the engine is asked for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# The driver json-file changes bytes that are not UTF-8; this one gives back what it was given.
# Nothing may be rotated away before it was read, so a file may be as large as any disk. Two files
# are the least that the driver takes without compressing.
LOG = {
    "Type": "local",
    "Config": {"max-size": "1t", "max-file": "2", "compress": "false"},
}


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder or file of the engine's machine, in the container at ``target``."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Spec:
    """A container to be made.

    ``command`` and ``entrypoint`` are the image's own where they are None; an empty
    ``entrypoint`` is none at all. ``network`` is none, bridge, host, or the name of one.
    ``nano_cpus`` are billionths of a processor. With ``memory_bytes`` there is no swap beside it,
    so a container that needs more is killed. What is None has no bound, or the image's value.
    """

    name: str
    image: str
    labels: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] | None = None
    entrypoint: Sequence[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    binds: Sequence[Bind] = ()
    memory_bytes: int | None = None
    nano_cpus: int | None = None
    pids: int | None = None
    network: str = "none"
    stop_signal: str | None = None


def document(spec: Spec) -> dict[str, Any]:
    """Give the body of the request that makes the container."""
    wanted = {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "Cmd": _list(spec.command),
        "Entrypoint": _list(spec.entrypoint),
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "WorkingDir": spec.workdir,
        "User": spec.user,
        "StopSignal": spec.stop_signal,
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": _host(spec),
    }
    return _given(wanted)


def _host(spec: Spec) -> dict[str, Any]:
    wanted = {
        "NetworkMode": spec.network,
        "Mounts": [_mount(bind) for bind in spec.binds],
        "Memory": spec.memory_bytes,
        "MemorySwap": spec.memory_bytes,
        "NanoCpus": spec.nano_cpus,
        "PidsLimit": spec.pids,
        "LogConfig": LOG,
        # What a job leaves behind is reaped, and signals come to a program that is no init.
        "Init": True,
        "AutoRemove": False,
        "RestartPolicy": {"Name": "no"},
    }
    return _given(wanted)


def _mount(bind: Bind) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": bind.source,
        "Target": bind.target,
        "ReadOnly": bind.read_only,
    }


def _list(words: Sequence[str] | None) -> list[str] | None:
    return None if words is None else list(words)


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}
