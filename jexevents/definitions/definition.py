"""What a definition says, as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from jexevents.definitions.command import CommandTemplate, ScriptTemplate
from jexevents.definitions.variables import Variable
from jexevents.errors import JexError
from jexevents.faults import fit
from jexevents.model import Fault

CONCURRENCIES = ("allow", "forbid", "queue", "replace")

# What an execution may end with that a retry is for; ``lost`` is one that was given up.
RETRIED = ("fail", "time-out", "lost")

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_SHOWN_PROBLEMS = 3


class Problem(NamedTuple):
    """One thing that is wrong with a repository: which file, which line (from 1), and what.

    ``file`` is the path from the definitions' folder, ``line`` None where the fault is the file's.
    ``job`` is the name that the job has in a file with several, "" where it has none.
    """

    file: str
    line: int | None
    fault: Fault
    job: str = ""

    def __str__(self) -> str:
        """Give it as one line, as compilers do."""
        place = fit(self.file, 200) + (f":{self.line}" if self.line is not None else "")
        return f"{place}: {fit(self.job)}: {self.fault}" if self.job else f"{place}: {self.fault}"

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON values."""
        fault = self.fault
        return {
            "file": fit(self.file, 1000),
            "line": self.line,
            "job": fit(self.job) or None,
            "pointer": fault.pointer,
            "expected": fault.expected,
            "got": fault.got,
        }


class DefinitionsRefused(JexError):
    """The definitions cannot be used; ``problems`` says why, in the order of files and lines."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda one: (one.file, one.line or 0, str(one))))
        shown = "; ".join(str(problem) for problem in self.problems[:_SHOWN_PROBLEMS])
        more = len(self.problems) - _SHOWN_PROBLEMS
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(
            f"The definitions cannot be used: {shown}{rest}.",
            remedy="`jexevents definitions check` shows all that is wrong.",
        )


@dataclass(frozen=True, slots=True)
class Retries:
    """How often an execution is tried again, and how long to wait before.

    ``backoff_seconds`` is the wait before the first further attempt; each one after is ``factor``
    times as long, up to ``max_backoff_seconds``. ``on`` are the ends that count, of ``RETRIED``.
    """

    count: int = 0
    backoff_seconds: float = 10.0
    factor: float = 2.0
    max_backoff_seconds: float = 3600.0
    on: tuple[str, ...] = RETRIED

    def delay_seconds(self, attempt: int) -> float:
        """Give the wait after ``attempt`` (1 for the first), without jitter."""
        delay = min(self.backoff_seconds, self.max_backoff_seconds)
        for _ in range(min(attempt, self.count) - 1):
            delay *= self.factor
            if delay >= self.max_backoff_seconds or delay == 0.0:
                break
        return min(delay, self.max_backoff_seconds)


@dataclass(frozen=True, slots=True)
class Definition:
    """A job as the repository defines it.

    At most one of ``command`` and ``script`` is there. ``schedules`` are mappings in the form of
    the schema ``job_definition``, each with its place among them; ``hooks`` has URLs by status.
    ``document`` is what stands in the file at the JSON pointer ``place``, as JSON values. Times are
    in seconds, None for none.
    """

    name: str
    file: str
    line: int | None
    document: Mapping[str, Any] = field(repr=False)
    place: str = ""
    description: str = ""
    command: CommandTemplate | None = None
    script: ScriptTemplate | None = None
    variables: tuple[Variable, ...] = ()
    schedules: tuple[Mapping[str, Any], ...] = ()
    timeout_seconds: float | None = None
    hooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = ()
    user: str | None = None
    concurrency: str = "allow"
    retries: Retries = Retries()
    priority: int = 0
    workdir: str | None = None
    max_output_bytes: int | None = None

    @property
    def does_nothing(self) -> bool:
        """Whether there is nothing to run: such a job completes at once."""
        return self.command is None and self.script is None


class Definitions(Mapping[str, Definition]):
    """The definitions of one commit, by name, in the order of names; never changed."""

    def __init__(self, definitions: Mapping[str, Definition] = _NOTHING) -> None:
        self._by_name = {name: definitions[name] for name in sorted(definitions)}

    def __getitem__(self, name: str) -> Definition:
        """Give a definition; KeyError where there is none of that name."""
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        """Go over the names."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """Count them."""
        return len(self._by_name)
