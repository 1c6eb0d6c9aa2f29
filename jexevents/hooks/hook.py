"""Hooks as they are configured, and which events they take. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from jexevents.hookwords import (
    CLOUDEVENTS,
    JEX,
    JOB,
    MAILTO,
    NO_KIND,
    OVERSEER,
    TIMEOUT_SECONDS,
    TRY_SECONDS,
)
from jexevents.model import Event

# No form of a body that can be configured: a request without one, which tells JEX to stop a job
# that is held; of such a job only, and one that JEX knows by an invocation id.
STOP = "stop"

# What can only be said of a job.
_OF_JOBS = (JEX, OVERSEER, STOP)

# How many sources, kinds and names are remembered together with who may want them.
_REMEMBERED = 4096


class Hmac(NamedTuple):
    """What signs as a client of SMRT Link does."""

    uid: str
    secret: str


@dataclass(frozen=True, slots=True)
class Hook:
    """Where to send which events, and how.

    The four lists hold shell-style patterns, case-sensitive; an empty one lets everything through.
    With ``states`` only events count by which their job came to a state, or a phase, that one of
    them matches, and no event of no job. ``secrets`` are as in the configuration (``whsec_...``),
    several while one rotates.
    """

    name: str
    url: str = field(repr=False)
    sources: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    format: str = CLOUDEVENTS
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    hmac: Hmac | None = field(default=None, repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    try_seconds: float = TRY_SECONDS
    disabled: bool = False

    @property
    def is_mail(self) -> bool:
        """Whether it sends mails."""
        return self.url.startswith(MAILTO)

    @property
    def is_job(self) -> bool:
        """Whether it starts a job of the repository."""
        return self.url.startswith(JOB)

    @property
    def needs_event(self) -> bool:
        """Whether nothing can be sent of an event that was pruned, even where its job is known."""
        return self.is_job or (self.format not in _OF_JOBS and not self.is_mail)

    def takes_kind(self, kind: str) -> bool:
        """Whether the patterns for kinds let this one through."""
        return _matches(self.kinds, kind)

    def may_want(self, source: str, kind: str, name: str) -> bool:
        """Whether the patterns for sources, kinds and event names let this through."""
        return (
            _matches(self.sources, source) and self.takes_kind(kind) and _matches(self.events, name)
        )

    def wants(self, before: Sequence[str] | None, after: Any) -> bool:
        """Whether an event counts that brought its job from ``before`` to ``after``.

        ``before`` is state and phase, None for a job that is new; ``after`` the state, None for an
        event of no job.
        """
        if after is None:
            return not self.states and self.format not in _OF_JOBS
        if self.format == STOP:
            return bool(after.held and after.invocation_id)
        if not self.states:
            return True
        words = (after.state, after.phase.value)
        if before is not None and tuple(before) == words:
            return False
        return any(_matches(self.states, word) for word in words)


class Hooks:
    """All hooks that are to be sent to, by their names; names are unique.

    Disabled ones are known, and want nothing. For the ledger it is an
    ``jexevents.store.outbox.Interest``.
    """

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self._hooks = {hook.name: hook for hook in hooks}
        self._takers: dict[tuple[str, Any, str], _Takers] = {}

    def __iter__(self) -> Iterator[Hook]:
        return iter(self._hooks.values())

    def __len__(self) -> int:
        return len(self._hooks)

    def get(self, name: str) -> Hook | None:
        """Give the hook of that name, or None."""
        return self._hooks.get(name)

    def enabled(self) -> list[Hook]:
        """Give the hooks that want events."""
        return [hook for hook in self if not hook.disabled]

    def concerns(self, event: Event, may_change: bool) -> bool:
        """Whether any hook may want an event, by its source, kind and name.

        One that cannot have changed its job is for those only that ask for no states.
        """
        takers = self._takers_of(event)
        return bool(takers.all if may_change else takers.stateless)

    def wanted(self, event: Event, before: Sequence[str] | None, after: Any) -> Sequence[str]:
        """Give the names of the hooks that want an event; see ``Hook.wants``."""
        return [hook.name for hook in self._takers_of(event).all if hook.wants(before, after)]

    def _takers_of(self, event: Event) -> _Takers:
        place = (event.source, event.kind, event.name)
        takers = self._takers.get(place)
        if takers is None:
            kind = NO_KIND if event.kind is None else event.kind.value
            wanting = [
                hook for hook in self.enabled() if hook.may_want(event.source, kind, event.name)
            ]
            takers = _Takers(wanting, [hook for hook in wanting if not hook.states])
            if len(self._takers) >= _REMEMBERED:
                # Names come from outside; nobody knows how many there are.
                self._takers = {}
            self._takers[place] = takers
        return takers


class _Takers(NamedTuple):
    """Who may want events of one source, kind and name."""

    all: Sequence[Hook]
    stateless: Sequence[Hook]


def _matches(patterns: Sequence[str], text: str) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)
