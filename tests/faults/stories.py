"""What a submit host tells of its jobs, and what it knows to be true of them.

The status that each step leaves is written down here once more, by hand, so that the tests do
not ask the code under test what would be right.
"""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# Each step: the event's number, its text behind the date, the status that it leaves (None: as
# it was). "{n}" is a number that no other event of the host has.
STEPS = {
    "submit": (0, "Job submitted from host: <10.0.0.1:9618?addrs=10.0.0.1-9618>", "Submitted"),
    "named": (28, 'Job ad information event triggered.\nIpcUuid = "{id}"\nOwner = "ann"', None),
    "execute": (1, "Job executing on host: <10.0.0.{host}:9618>", "Running"),
    "image": (
        6,
        "Image size of job updated: {n}\n\t3  -  MemoryUsage of job (MB)\n"
        "\t2464  -  ResidentSetSize of job (KB)",
        None,
    ),
    "evict": (4, "Job was evicted.\n\t(0) Job was not checkpointed.", "Submitted"),
    "hold": (12, "Job was held.\n\tdisk full\n\tCode 21 Subcode 7", "Failed"),
    "release": (13, "Job was released.\n\tvia condor_release (by user ann)", "Submitted"),
    "done": (5, "Job terminated.\n\t(1) Normal termination (return value 0)", "Completed"),
    "failed": (5, "Job terminated.\n\t(1) Normal termination (return value 1)", "Failed"),
    "abort": (9, "Job was aborted.\n\tvia condor_rm (by user ann)", "Failed"),
}
TALES = (
    ("submit", "named", "execute", "image", "done"),
    ("submit", "named", "execute", "image", "image", "image", "failed"),
    ("submit", "named", "execute", "evict", "execute", "image", "done"),
    ("submit", "named", "hold", "release", "execute", "done"),
    ("submit", "execute", "evict", "hold", "release", "execute", "image", "failed"),
    ("submit", "execute", "hold", "abort"),
    ("submit", "abort"),
)
_EXIT_CODES = {"done": 0, "failed": 1}
_ACTIVE_JOBS = 25
_FIRST_CLUSTER = 1000
_INVOCATIONS = uuid.UUID("7c8f9a52-26d5-4b0e-9d0c-5a5a0f3f6d11")


@dataclass(eq=False)
class Message:
    """One event as it is published; ``number`` counts those of its host."""

    number: int
    raw: str
    body: bytes


@dataclass
class Job:
    """A job, and the truth about it as of the last event told."""

    cluster: int
    invocation: str
    tale: tuple[str, ...]
    told: int = 0
    state: str = "Submitted"
    exit_code: int | None = None
    starts: int = 0

    @property
    def over(self) -> bool:
        return self.told == len(self.tale)

    def next_step(self) -> str:
        step = self.tale[self.told]
        self.told += 1
        self.state = STEPS[step][2] or self.state
        self.exit_code = _EXIT_CODES.get(step, self.exit_code)
        self.starts += step == "execute"
        return step


@dataclass
class Schedd:
    """A submit host with one log, in which the events of its jobs stand one behind the other.

    With ``placed`` each message says where in the log its event stands. ``clock`` is the one
    of the host, and may be set.
    """

    rng: random.Random
    source: str = "submit1"
    placed: bool = True
    clock: datetime = datetime(2026, 3, 1, 12)
    jobs: dict[str, Job] = field(default_factory=dict)
    told: int = 0
    _active: list[Job] = field(default_factory=list)
    _offset: int = 0

    def tell(self) -> Message:
        """Let the next event happen, to any of the jobs under way."""
        while len(self._active) < _ACTIVE_JOBS:
            self._active.append(self._new_job())
        job = self.rng.choice(self._active)
        step = job.next_step()
        if job.over:
            self._active.remove(job)
        return self._message(job, step)

    @property
    def first_invocation(self) -> str:
        """The invocation id of the first job, which is named early."""
        return _invocation(self.source, _FIRST_CLUSTER)

    def _new_job(self) -> Job:
        cluster = _FIRST_CLUSTER + len(self.jobs)
        tale = self.rng.choice(TALES) if self.jobs else TALES[0]
        job = Job(cluster, _invocation(self.source, cluster), tale)
        self.jobs[self._key(job)] = job
        return job

    def _key(self, job: Job) -> str:
        return f"{self.source}#{job.cluster}"

    def _message(self, job: Job, step: str) -> Message:
        self.clock += timedelta(milliseconds=self.rng.randint(1, 400))
        self.told += 1
        number, text, _ = STEPS[step]
        text = text.format(n=self.told, id=job.invocation, host=self.rng.randint(2, 200))
        date = self.clock.isoformat(" ", "milliseconds")
        raw = f"{number:03} ({job.cluster}.000.000) {date} {text}\n...\n"
        place = {"Log": "EventLog", "Offset": self._offset} if self.placed else {}
        self._offset += len(raw.encode())
        document = {"Event": raw, "Source": self.source, **place}
        return Message(self.told, raw, json.dumps(document).encode())


def _invocation(source: str, cluster: int) -> str:
    return str(uuid.uuid5(_INVOCATIONS, f"{source} {cluster}"))


class InOrder:
    """The messages of a host as it tells them, each made when it is asked for."""

    def __init__(self, schedd: Schedd) -> None:
        self.schedd = schedd
        self.rest: list[Message] = []

    def next(self) -> Message:
        return self.schedd.tell()


class TwiceAndShuffled(InOrder):
    """Every message twice; those of a window in any order. ``rest`` is what is told already."""

    window = 300

    def next(self) -> Message:
        if not self.rest:
            self.rest = [self.schedd.tell() for _ in range(self.window)] * 2
            self.schedd.rng.shuffle(self.rest)
        return self.rest.pop()
