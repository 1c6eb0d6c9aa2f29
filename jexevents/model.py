"""The words that the other modules use: plain values, no behaviour that touches the world.

Of what is made for every message the values are named tuples: to make one takes a quarter of
the time that a frozen dataclass takes, and reading them is half of what an event costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Kind(str, Enum):
    """Whose job it is: the system whose states and keys the job has."""

    __hash__ = str.__hash__  # Enum's own is Python code, and this one is asked for every event

    CONDOR = "condor"
    PIPELINE = "pipeline"
    SMRTLINK = "smrtlink"
    COMMAND = "command"
    CONTAINER = "container"


# The names of events that are the ledger's own; all other names are a producer's. An insertion
# over HTTP is the one; the other stands in the place of all events of a job that was pruned.
INSERTED = "inserted"
SEALED = "sealed"


class Phase(str, Enum):
    """Where a job stands, in words that mean the same for every kind."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"


# What an execution of a job waits for (``what`` of its ``waits_for``), as it is told to people.
AWAITED: Mapping[str, str] = MappingProxyType(
    {
        "commit": "a node that can have its commit",
        "time": "its time",
        "execution": "the end of another execution of its job",
        "node": "a worker with a free slot",
    }
)


class Role(str, Enum):
    """What a credential allows. ``admin`` includes the others; the others include nothing."""

    READ = "read"
    WRITE = "write"
    RUN = "run"
    ADMIN = "admin"


class Reason(str, Enum):
    """Why a message was rejected, in one word: what rejects are counted and chosen by.

    docs/rejects.md says of each what it means and what to do about it.
    """

    TOO_LARGE = "too-large"
    HEADERS = "headers"
    ENCODING = "encoding"
    CONTENT_TYPE = "content-type"
    EMPTY = "empty"
    NOT_JSON = "not-json"
    SCHEMA = "schema"
    TRUNCATED_EVENT = "truncated-event"
    SEVERAL_EVENTS = "several-events"
    UNREADABLE_EVENT = "unreadable-event"
    REFUSED_BY_DATABASE = "refused-by-database"
    STATE = "state"
    INTERNAL = "internal"


# Stands alone in the headers of an arrival whose own could not be read, with their first bytes.
UNREADABLE_HEADERS = "x-jexevents-unreadable"

# The parameter of a URL by which a nonce comes.
NONCE = "x-nonce"


class Outcome(str, Enum):
    """What became of one message.

    ``forbidden`` is what its sender may not say: it is counted, and kept nowhere.
    """

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    FORBIDDEN = "forbidden"


class Right(str, Enum):
    """As who somebody may speak of a job: by the job's own token, or as an administrator."""

    JOB_TOKEN = "job token"
    ADMINISTRATOR = "administrator"


class Proof(NamedTuple):
    """A right that was shown, and the name of the administrator's credential, if it is one's."""

    right: Right
    credential: str | None = None


class Secret(NamedTuple):
    """The SHA-256 of the token that came with an event, not looked at yet.

    If the sender has the role ``admin`` besides, by the credential ``of_admin``, a token of the job
    makes an administrator.
    """

    sha256: bytes
    of_admin: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input.

    ``pointer`` is a JSON pointer (RFC 6901) into the document, ``""`` for the whole of it;
    ``expected`` says what would have been right, ``got`` what came (shortened, never a secret).
    """

    pointer: str
    expected: str
    got: str

    def __str__(self) -> str:
        """Give the fault as one line for logs and terminals."""
        return f"{self.pointer or '(document)'}: expected {self.expected}, got {self.got}"


class Arrival(NamedTuple):
    """A message as it came in by one of the doors, before anybody looked into it.

    ``origin`` names the door: ``amqp:QUEUE`` or ``http:SURFACE``. ``properties`` holds what
    the door knows beside the body (content type, headers, message id), ``source`` the
    configured default for the event's source, ``credential`` is the name of the one it was sent
    with, None where the door knows of none.
    """

    body: bytes
    received_at: datetime
    origin: str
    source: str = ""
    properties: Mapping[str, Any] = _NOTHING
    credential: str | None = None


class Position(NamedTuple):
    """Where in which log an event stands; gives the order of that log's events."""

    log: str
    offset: int


class JobKey(NamedTuple):
    """What names a job in its own system.

    ``key`` is unique with ``kind``; where jobs of several sources may share a name, the
    source is a part of it. ``parts`` are the columns of the kind's own table that the key is
    made of, for instance cluster and proc of a condor job.
    """

    kind: Kind
    key: str
    source: str = ""
    parts: Mapping[str, Any] = _NOTHING


class Event(NamedTuple):
    """One thing that happened, ready to be stored.

    ``job`` is None for an event of no job, and so is ``kind`` where it is of no kind of jobs
    either. ``occurred_at`` is aware, in UTC;
    ``occurred_offset`` the zone as the sender wrote it (``Z``, ``+02:00``), None where the
    sender gave none; ``occurred_alt`` the other instant that the same clock reading can mean
    in the hour that daylight saving repeats. ``checksum`` is the identity (32 bytes) by the
    rule of the event's format. ``unless_latest`` asks the store to take the event for a
    repetition if the job's latest event of that name (for a PipelineJob, its latest event that
    was no callback) says the same.

    ``format`` names the format of those whose identity is one over the source, whatever the job;
    None for all others. An ``exact`` one must say the same whenever that identity comes again.
    ``proof`` is where a job's events need one: the secret that came with it, until it is known
    for what it is.
    """

    kind: Kind | None
    job: JobKey | None
    source: str
    name: str
    occurred_at: datetime
    received_at: datetime
    data: Mapping[str, Any]
    raw: bytes
    checksum: bytes
    occurred_offset: str | None = None
    occurred_alt: datetime | None = None
    position: Position | None = None
    unless_latest: bool = False
    format: str | None = None
    exact: bool = False
    proof: Secret | Proof | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """A token as the ledger knows it: by its hash, never itself.

    ``system`` is the one system of SMRT Link that it is good for, None where it is no such token.
    """

    id: str
    name: str
    sha256: bytes
    roles: frozenset[Role]
    expires_at: datetime | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """An arrival that could not be accepted, with every fault and, in one word, the reason."""

    arrival: Arrival
    faults: tuple[Fault, ...]
    reason: Reason
