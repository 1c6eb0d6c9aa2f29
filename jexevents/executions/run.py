"""What an execution runs, as it waits in the queue: all that a node needs beside the checkout, or
the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jexevents.definitions.definition import Definition, Retries
from jexevents.definitions.rendering import Rendered

ALLOW, FORBID, REPLACE = "allow", "forbid", "replace"


@dataclass(frozen=True, slots=True)
class Run:
    """What is run: a ``command`` for the shell, or a ``script`` with ``arguments``.

    ``folder`` is that of the definitions, from the top of the checkout of ``commit``. ``hooks``
    are URLs by status; ``secrets`` are names. ``depth`` counts the hooks that led here.
    """

    commit: str
    folder: str = ""
    command: str | None = None
    script: str | None = None
    arguments: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    user: str | None = None
    workdir: str | None = None
    timeout_seconds: float | None = None
    max_output_bytes: int | None = None
    concurrency: str = ALLOW
    priority: int = 0
    retries: Retries = Retries()  # noqa: RUF009 - it is frozen
    hooks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    depth: int = 0

    @property
    def rendered(self) -> Rendered:
        """What it runs, as it was rendered."""
        return Rendered(self.command, self.script, tuple(self.arguments))

    @property
    def needs(self) -> str:
        """What a node must have to run it."""
        return self.commit

    @property
    def is_exclusive(self) -> bool:
        """Whether one of the job runs at a time."""
        return self.concurrency != ALLOW

    def as_json(self) -> dict[str, Any]:
        """Give it as a JSON object, of which ``of_json`` makes the same again."""
        return asdict(self)

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Run:
        """Read what ``as_json`` gave."""
        return cls(**{**document, "retries": _retries(document["retries"])})

    def retry_seconds(self, attempt: int, end: str) -> float | None:
        """Give how long to wait before another attempt after this one ended so (``fail``,
        ``time-out``, ``lost``); None where there is none."""
        return _retry_seconds(self.retries, attempt, end)


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of the node, ``source``, that a container has at ``target``; absolute paths."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ContainerRun:
    """What is run in a container of ``image``, a reference with a digest or the id of an image.

    ``repository`` is the name under which it was registered. None of ``command``, ``entrypoint``,
    ``workdir``, ``user`` and ``network`` is the image's own, or the worker's default. ``secrets``
    are names. ``pull`` allows to ask a registry for the image.
    """

    image: str
    repository: str
    pull: bool = True
    command: Sequence[str] | None = None
    entrypoint: Sequence[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    workdir: str | None = None
    mounts: Sequence[Mount] = ()
    memory_bytes: int | None = None
    cpus: float | None = None
    user: str | None = None
    network: str | None = None
    timeout_seconds: float | None = None
    max_output_bytes: int | None = None
    priority: int = 0
    labels: Sequence[str] = ()
    retries: Retries = Retries()  # noqa: RUF009 - it is frozen

    @property
    def needs(self) -> str:
        """What a node must have to run it."""
        return self.image

    @property
    def is_exclusive(self) -> bool:
        """Whether one of the task runs at a time: never."""
        return False

    @property
    def hooks(self) -> Mapping[str, Sequence[str]]:
        """URLs by status: none, tasks have no hooks of their own."""
        return {}

    def as_json(self) -> dict[str, Any]:
        """Give it as a JSON object, of which ``of_json`` makes the same again."""
        return asdict(self)

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> ContainerRun:
        """Read what ``as_json`` gave."""
        mounts = tuple(Mount(**mount) for mount in document["mounts"])
        retries = _retries(document["retries"])
        return cls(**{**document, "mounts": mounts, "retries": retries})

    def retry_seconds(self, attempt: int, end: str) -> float | None:
        """Give how long to wait before another attempt, as ``Run`` does."""
        return _retry_seconds(self.retries, attempt, end)


AnyRun = Run | ContainerRun


def run_of_json(document: Mapping[str, Any]) -> AnyRun:
    """Read what ``as_json`` of either gave."""
    return (ContainerRun if "image" in document else Run).of_json(document)


def _retries(document: Mapping[str, Any]) -> Retries:
    return Retries(**{**document, "on": tuple(document["on"])})


def _retry_seconds(retries: Retries, attempt: int, end: str) -> float | None:
    if attempt > retries.count or end not in retries.on:
        return None
    return retries.delay_seconds(attempt)


def run_of(
    definition: Definition, rendered: Rendered, commit: str, folder: Path, depth: int = 0
) -> Run:
    """Make what is run of a definition and its rendered command."""
    return Run(
        commit=commit,
        folder="" if folder == Path() else str(folder),
        command=rendered.command,
        script=rendered.script,
        arguments=rendered.arguments,
        env=dict(definition.env),
        secrets=definition.secrets,
        user=definition.user,
        workdir=definition.workdir,
        timeout_seconds=definition.timeout_seconds,
        max_output_bytes=definition.max_output_bytes,
        concurrency=definition.concurrency,
        priority=definition.priority,
        retries=definition.retries,
        hooks={status: list(urls) for status, urls in definition.hooks.items()},
        depth=depth,
    )
