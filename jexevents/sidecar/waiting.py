"""Requests that wait for the end of what they ask for: ``?wait=30``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from jexevents.executions.bell import Bell
from jexevents.sidecar.parameters import whole
from jexevents.sidecar.requests import Request

T = TypeVar("T")

WAIT_SECONDS = 300
WAIT = whole("wait", "So many seconds to wait for the end, at most.", 0, WAIT_SECONDS)
_POLL_SECONDS = 1.0


def waits(request: Request) -> bool:
    """Whether a request waits."""
    return WAIT.name in request.query


def wait_of(request: Request) -> float | None:
    """Give how many seconds to wait for the end, None for not at all."""
    return request.values[WAIT.name]


def waited(
    request: Request,
    bell: Bell,
    found: T,
    again: Callable[[T], T],
    is_over: Callable[[T], bool],
    seconds: float | None,
) -> T:
    """Wait till what was found is over, for so long at most; ``again`` looks once more."""
    end = time.monotonic() + (seconds or 0)
    while not is_over(found) and not request.unwanted():
        left = end - time.monotonic()
        if left <= 0:
            break
        heard = bell.count
        found = again(found)
        if not is_over(found):
            with request.aside():
                bell.wait(heard, min(left, _POLL_SECONDS))
            found = again(found)
    return found
