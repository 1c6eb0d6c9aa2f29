"""Which methods a path takes: those of the most particular one of the routes' paths that it fits.

``/jobs/-`` takes what stands beside it in the table, and not also what ``/jobs/<job>`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jexevents.sidecar.routes import Route

_REST = ":path>"


@dataclass(frozen=True, slots=True)
class _Resource:
    path: str
    pattern: re.Pattern[str]
    methods: frozenset[str]


class Resources:
    """The paths of a table of routes, the most particular ones first."""

    def __init__(self, routes: Iterable[Route]) -> None:
        methods: dict[str, set[str]] = {}
        for route in routes:
            methods.setdefault(route.path, set()).add(route.method)
        self._found = [
            _Resource(path, _pattern(path), frozenset(methods[path]))
            for path in sorted(methods, key=_rank)
        ]
        # Few have any, so that most requests cost nothing here.
        self._rivals = {
            path: [one for one in self._found if _rank(one.path) < _rank(path)
                   and _overlap(one.path, path)]
            for path in methods
        }  # fmt: skip

    def is_of(self, route: Route, path: str) -> bool:
        """Whether a path that fits a route's is not rather that of another one."""
        return not any(one.pattern.fullmatch(path) for one in self._rivals[route.path])

    def has_rivals(self, route: Route) -> bool:
        """Whether some paths that fit a route's are rather those of another one."""
        return bool(self._rivals[route.path])

    def allow(self, path: str) -> str:
        """Give the methods that a path takes, as the field Allow has them; "" for none."""
        found = self._of(path)
        if found is None:
            return ""
        more = {"OPTIONS"} | ({"HEAD"} if "GET" in found.methods else set())
        return ", ".join(sorted(found.methods | more))

    def _of(self, path: str) -> _Resource | None:
        return next((one for one in self._found if one.pattern.fullmatch(path)), None)


def _rank(path: str) -> tuple[int, ...]:
    """Order paths: where two differ first, what is to the letter comes before a parameter."""
    return tuple(_rank_of(segment) for segment in path.split("/"))


def _rank_of(segment: str) -> int:
    if not segment.startswith("<"):
        return 0
    return 2 if segment.endswith(_REST) else 1


def _overlap(first: str, second: str) -> bool:
    """Whether two paths may fit the same one."""
    if _REST in first + second:
        return True
    pairs = (first.split("/"), second.split("/"))
    return len(pairs[0]) == len(pairs[1]) and all(
        "<" in one + other or one == other for one, other in zip(*pairs, strict=True)
    )


def _pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"(<[a-z_]+(?::path)?>)", path)
    return re.compile("".join(map(_pattern_of, pieces)))


def _pattern_of(piece: str) -> str:
    if not piece.startswith("<"):
        return re.escape(piece)
    return ".+" if piece.endswith(_REST) else "[^/]+"
