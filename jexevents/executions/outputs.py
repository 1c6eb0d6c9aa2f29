"""What an attempt of an execution wrote, as those see it who ask for it and know no runner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol
from uuid import UUID


class Standing(str, Enum):
    """How far an attempt has come."""

    NEW = "new"
    RUNNING = "running"
    OVER = "over"
    """Nothing more can come."""


class Chunk(Protocol):
    """Bytes of a job, or so many as are ``missing``, with the reason in ``why``.

    ``stream`` is stdout or stderr, ``time`` when they came (microseconds since 1970, 0 for
    unknown), ``offset`` where they begin in what the job wrote, ``length`` for how many they stand.
    """

    @property
    def stream(self) -> str:
        """Its stream."""

    @property
    def time(self) -> int:
        """When it came."""

    @property
    def offset(self) -> int:
        """Where it begins."""

    @property
    def data(self) -> bytes:
        """Its bytes."""

    @property
    def missing(self) -> int:
        """How many bytes are missing here."""

    @property
    def why(self) -> str:
        """Why they are missing."""

    @property
    def length(self) -> int:
        """For how many bytes of the job it stands."""


class Snapshot(Protocol):
    """What had come at one moment."""

    @property
    def size(self) -> int:
        """How many bytes the job had written."""

    @property
    def gaps(self) -> Sequence[Chunk]:
        """What is missing of them, in its order."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Chunk]:
        """Give chunks from ``start`` up to ``stop``."""

    def read_fast(self, start: int, stop: int) -> Iterator[Chunk]:
        """Give the same bytes in larger chunks, without the times between."""

    def last_lines(self, count: int, most_bytes: int | None = None) -> int:
        """Give where the last ``count`` lines begin, of the last ``most_bytes``."""


class Follower(Protocol):
    """Gives what came since the last time."""

    def read(self) -> Sequence[Chunk]:
        """Give what is new, empty for nothing yet."""


class AttemptOutput(Protocol):
    """The output of one attempt; ``which`` is stdout, stderr or output (both)."""

    def is_there(self) -> bool:
        """Whether its folder is there."""

    def standing(self) -> Standing:
        """Say how far it has come."""

    def snapshot(self, which: str) -> AbstractContextManager[Snapshot]:
        """Give what has come by now."""

    def follow(self, which: str, start: int) -> Follower:
        """Give what reads on from ``start``."""


class Outputs(Protocol):
    """All outputs of this node."""

    def of(self, attempt: UUID) -> AttemptOutput:
        """Give the output of the attempt with this id."""
