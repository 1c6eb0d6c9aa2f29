"""What an execution runs, as it waits in the queue: all that a node needs beside the checkout."""

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
    def is_exclusive(self) -> bool:
        """Whether one of the job runs at a time."""
        return self.concurrency != ALLOW

    def as_json(self) -> dict[str, Any]:
        """Give it as a JSON object, of which ``of_json`` makes the same again."""
        return asdict(self)

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Run:
        """Read what ``as_json`` gave."""
        retries = document["retries"]
        return cls(**{**document, "retries": Retries(**{**retries, "on": tuple(retries["on"])})})

    def retry_seconds(self, attempt: int, end: str) -> float | None:
        """Give how long to wait before another attempt after this one ended so (``fail``,
        ``time-out``, ``lost``); None where there is none."""
        retries = self.retries
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
