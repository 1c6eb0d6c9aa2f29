"""One tree of exceptions. The docstring is the message where none is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jexevents.model import Fault, Reason

if TYPE_CHECKING:
    from jexevents.config.faults import ConfigFault


class JexError(Exception):
    """Something went wrong in jexevents."""

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        self.message = message or (self.__doc__ or "").strip()
        self.remedy = remedy
        super().__init__(self.message)

    def __str__(self) -> str:
        """Give the fault and, where there is one, the remedy."""
        return f"{self.message} {self.remedy}".strip()


class ConfigError(JexError):
    """The configuration cannot be used."""

    def __init__(
        self, message: str = "", faults: Sequence[ConfigFault] = (), *, remedy: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.faults = tuple(faults)


class SchemaVersionError(JexError):
    """The database's schema is not the one that this version of jexevents works with."""


class ServiceEnded(JexError):
    """A service ended though nobody had asked it to."""


class Stopped(JexError):
    """It was told to end before it could do that."""


class Unavailable(JexError):
    """A server that is needed does not answer; the same call may succeed later."""


class StoreUnavailable(Unavailable):
    """PostgreSQL does not answer."""


class StoreTooSlow(StoreUnavailable):
    """PostgreSQL did not finish in time; less at once may help."""


class BrokerUnavailable(Unavailable):
    """RabbitMQ does not answer."""


class FilesUnavailable(Unavailable):
    """Uploaded files cannot be written or read now."""


class StorageFull(JexError):
    """There is no room left on the disk."""


class RepositoryUnavailable(Unavailable):
    """The repository of job definitions cannot be had; ``reason`` says in one word why."""

    def __init__(self, message: str, *, reason: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


class EngineUnavailable(Unavailable):
    """The container engine does not answer; ``timed_out`` says that it was only silent, ``unsent``
    that it was certainly not asked."""

    def __init__(
        self,
        message: str = "",
        *,
        remedy: str = "",
        timed_out: bool = False,
        unsent: bool = False,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.timed_out = timed_out
        self.unsent = unsent


class ImageUnavailable(Unavailable):
    """This node cannot get the image of a container, or not now."""


class CannotRun(JexError):
    """What an execution needs is not there, and will not be by waiting."""


class EngineRefused(JexError):
    """The container engine does not do what it was asked for.

    ``status`` is that of its HTTP answer, ``words`` are its own. An error within an answer that
    had begun well has the status 200.
    """

    def __init__(self, status: int, words: str, *, remedy: str = "") -> None:
        super().__init__(f"The container engine says: {words}", remedy=remedy)
        self.status = status
        self.words = words


class NotThere(EngineRefused):
    """The container engine has nothing of that name (404)."""


class Clash(EngineRefused):
    """The name is taken, or the container is in a state that does not allow it (409)."""


class HalfStarted(EngineRefused):
    """The engine was killed while it started the container, and knows not whether it runs."""


class PullEnded(JexError):
    """A pull was ended by us: ``reason`` is ``stopped``, ``silent`` or ``too long``."""

    def __init__(self, message: str, *, reason: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


class ServerAway(Unavailable):
    """The event server does not answer, or not as one."""


class Refused(JexError):
    """The event server does not take what was sent; with its status, and every fault as a text."""

    def __init__(
        self, status: int, message: str, faults: Sequence[str] = (), *, remedy: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.faults = tuple(faults)


class Unknown(JexError):
    """There is nothing of that name."""


class SupervisorAway(Unavailable):
    """The supervisor of an execution does not answer."""


class NotStarted(JexError):
    """The job of an execution could not be started, and has not run."""


class ExecutionEnded(JexError):
    """The job of the execution has ended."""


class RequestRefused(JexError):
    """The supervisor does not do what it was asked for."""


class BrokerMismatch(JexError):
    """An exchange or queue exists with other properties than those configured."""


class Unacceptable(JexError):
    """A message or document cannot be accepted; ``faults`` says why, one entry a fault.

    ``reason`` says it in the one word that rejects are counted by. ``kept`` is what of the message
    may be kept, None for all of it.
    """

    reason = Reason.INTERNAL
    kept: bytes | None = None

    def __init__(
        self,
        message: str,
        faults: Sequence[Fault] = (),
        *,
        remedy: str = "",
        reason: Reason | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.faults = tuple(faults)
        self.reason = reason or self.reason


class Malformed(Unacceptable):
    """The input cannot be read as what it claims to be."""

    reason = Reason.UNREADABLE_EVENT


class Invalid(Unacceptable):
    """The input can be read, but its content is not allowed."""

    reason = Reason.SCHEMA


class Conflict(Unacceptable):
    """The input contradicts what the ledger already holds."""

    reason = Reason.STATE


class Forbidden(JexError):
    """There is no such job, or the token is not one for it."""
