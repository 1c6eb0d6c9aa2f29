"""What a route is: a row of a surface's table, read by the app, the tests and the docs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jexevents.faults import names_secret
from jexevents.model import Role
from jexevents.sidecar.parameters import IN_PATHS, Parameter, text

if TYPE_CHECKING:
    from jexevents.sidecar.auth import Caller
    from jexevents.sidecar.problems import Problem
    from jexevents.sidecar.requests import Request
    from jexevents.sidecar.responses import Response

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

_PATH = re.compile(r"/|(?:/(?:[A-Za-z0-9._~-]+|<[a-z_]+(?::path)?>))+")
_PARAMETER = re.compile(r"<([a-z_]+)(?::path)?>")


JSON, HTML_TYPE = "application/json", "text/html"

ErrorMembers = Callable[["Problem"], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that is answered with a problem: its id, the path that was asked for (with its
    query), and who asked, where that is known."""

    problem: Problem
    request_id: str
    method: str
    path: str
    caller: Caller | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path.

    ``path`` has parameters as in ``/jobs/<uuid>``: one segment each, or the whole rest with
    ``<rest:path>``. It has no slash at its end; with and without one is the same resource. ``role``
    is what the caller needs, None for a public route or one whose handler has a scheme of its own.
    ``request`` names the bundled schema of a JSON body, ``answer`` that of a JSON answer, or the
    several of which it has one. ``bodies`` are the types of bodies that are taken, each with the
    schemas of which it has one (none: anything), or a schema in full, where they are not JSON by
    ``request``; ``bodiless`` says that none need come. ``produces`` are the types of answers that
    are not JSON by ``answer``. Statuses in ``told`` have such an answer though they are no success.
    ``statuses`` are those of the handler; ``all_statuses`` adds the general ones. ``query`` are the
    query parameters that it takes, a bare name for one that takes any text; with ``others`` it
    takes those of other names too. Each comes at most once, but the others where ``repeats`` says
    so. ``headers`` are the header fields that it looks at; ``places`` say what parameters of the
    path are whose names do not tell. ``node`` says that other nodes sign requests to it.
    ``max_body_bytes`` replaces the app's bound. ``nonces`` lets a nonce in the query (``x-nonce``)
    stand for a token with the role, and asks everybody for the one or the other, on this machine
    too. ``systems`` lets in who signs as SMRT Link's clients do, and credentials that are good for
    one system. ``streams`` marks long answers, which are limited in number: all of them, or those
    to requests of which it says so. ``any_host`` takes requests without credentials under unknown
    host names too. ``asks_database`` is false where the handler does not: such a request is served
    while all slots are held by others that do. ``webhooks`` has OPTIONS say that events may be sent
    there, to senders that ask first (HTTP 1.1 Web Hooks for Event Delivery). ``too_large`` gives
    the 413 of a body that is over the bound, where that is not what users know. ``error_members``
    gives further members for its problem answers, for seeds with error fields of their own; what no
    route takes beside such a one has them, too. ``page`` marks a page of the dashboard, and shows
    what goes wrong with it as one. ``sessions`` takes the cookie of who is signed in there, as
    pages do: for reading alone.
    """

    method: str
    path: str
    role: Role | None
    handler: Callable[[Request], object]
    summary: str
    request: str | None = None
    answer: str | tuple[str, ...] | None = None
    bodies: Mapping[str, tuple[str, ...] | Mapping[str, object]] = field(default_factory=dict)
    bodiless: bool = False
    produces: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (200,)
    told: tuple[int, ...] = ()
    query: tuple[Parameter | str, ...] = ()
    others: bool = False
    repeats: bool = False
    headers: tuple[Parameter, ...] = ()
    places: Mapping[str, Parameter] = field(default_factory=dict)
    node: bool = False
    max_body_bytes: int | None = None
    too_large: Callable[[], Problem] | None = None
    nonces: bool = False
    systems: bool = False
    streams: bool | Callable[[Request], bool] = False
    asks_database: bool = True
    any_host: bool = False
    webhooks: bool = False
    error_members: ErrorMembers | None = None
    page: Callable[[Failure], Response] | None = None
    sessions: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"{self.method} {self.path}: the method is none of {METHODS}.")
        if not _PATH.fullmatch(self.path):
            raise ValueError(f"{self.method} {self.path}: this is no path of a route.")
        if self.sessions and not self.safe and self.page is None:
            raise ValueError(f"{self.method} {self.path}: a cookie alone must change nothing.")
        if self.request is not None and not self.bodies:
            object.__setattr__(self, "bodies", {JSON: (self.request,)})

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters, from left to right."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def in_path(self) -> tuple[Parameter, ...]:
        """The path's parameters, from left to right."""
        known = {**IN_PATHS, **self.places}
        return tuple(known.get(name) or text(name) for name in self.parameters)

    @property
    def in_query(self) -> tuple[Parameter, ...]:
        """The query parameters that it knows by name."""
        return tuple(text(one) if isinstance(one, str) else one for one in self.query)

    @property
    def answers(self) -> tuple[str, ...]:
        """The names of the schemas of which a JSON answer has one."""
        if self.answer is None:
            return ()
        return (self.answer,) if isinstance(self.answer, str) else self.answer

    def is_long(self, request: Request) -> bool:
        """Whether the answer to a request is long, as far as that is known before."""
        return self.streams if isinstance(self.streams, bool) else self.streams(request)

    @property
    def takes_sessions(self) -> bool:
        """Whether the cookie of somebody who is signed in lets him in."""
        return self.sessions or self.page is not None

    @property
    def safe(self) -> bool:
        """Whether the method only reads (RFC 9110, section 9.2.1)."""
        return self.method in SAFE_METHODS


def all_statuses(route: Route) -> tuple[int, ...]:
    """Give every status that a route can answer with, those of the app included."""
    general = {400, 413, 500} | (set() if route.any_host else {403})
    if route.role is not None:
        general |= {401, 403, 503}
    if route.nonces:
        general |= {429}
    if not route.safe:
        general |= {403, 415}
    if route.request is not None:
        general |= {415, 422}
    if route.streams:
        general |= {503}
    return tuple(sorted(general.union(route.statuses)))


def check_table(routes: Iterable[Route]) -> None:
    """Raise ValueError where two routes would answer the same requests."""
    seen: dict[tuple[str, str], Route] = {}
    for route in routes:
        key = (route.method, _PARAMETER.sub("<>", route.path))
        if key in seen:
            raise ValueError(f"{route.method} {route.path} stands twice: {seen[key].path}.")
        seen[key] = route


def secret_spans(routes: Iterable[Route]) -> Callable[[str], list[tuple[int, int]]]:
    """Give a function that finds, in any path, what must not be logged, rightmost first.

    That is the value of each path parameter whose name says that it is a secret. The method
    does not matter: a secret sent with the wrong one is a secret still.
    """
    patterns = [_secret_pattern(route.path) for route in routes]
    secret = [pattern for pattern in patterns if pattern.groups]

    def spans(path: str) -> list[tuple[int, int]]:
        matches = [match for pattern in secret if (match := pattern.fullmatch(path))]
        found = {match.span(group) for match in matches for group in range(1, match.re.groups + 1)}
        return sorted(found, reverse=True)

    return spans


def _secret_pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"(<[a-z_]+(?::path)?>)", path)
    return re.compile("".join(_pattern_of(piece) for piece in pieces))


def _pattern_of(piece: str) -> str:
    if not piece.startswith("<"):
        return re.escape(piece)
    value = ".+" if piece.endswith(":path>") else "[^/]+"
    name = piece.strip("<>").partition(":")[0]
    return f"({value})" if names_secret(name) else value
