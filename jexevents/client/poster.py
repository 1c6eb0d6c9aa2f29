"""Sends requests to the event server, and again as long as it is worth it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import requests

from jexevents import __version__
from jexevents.backoff import delays
from jexevents.client.credentials import Credential
from jexevents.client.replies import AGAIN, Reply, judged, wait_asked_for
from jexevents.errors import ServerAway

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 30.0
_REPLY_MAX_BYTES = 4 << 20
_MOST_CAUSES = 10
_REPLY_MAX_SECONDS = 120.0

# Opens the body of a request; at each attempt anew.
Body = Callable[[], AbstractContextManager[Any]]


class Poster:
    """Sends to one server, over one connection where that lasts.

    A request is tried for ``try_for_seconds``, once at least; ``say`` is told of each failure.
    """

    def __init__(
        self,
        url: str,
        credential: Credential,
        try_for_seconds: float,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._credential = credential
        self._try_for_seconds = try_for_seconds
        self._say = say
        self._clock = clock
        self._wait = wait
        self._session = requests.Session()

    def __enter__(self) -> Poster:
        return self

    def __exit__(self, *_error: object) -> None:
        self._session.close()

    def post(self, path: str, body: Body, fields: Mapping[str, str]) -> dict[str, Any]:
        """Send a request; give the JSON object that it was answered with.

        Raises Refused, ServerAway, and OSError where the body cannot be read.
        """
        deadline = self._clock() + self._try_for_seconds
        for pause in delays(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS):
            asked, problem = 0.0, ""
            try:
                reply = self._attempt(path, body, fields)
            except _Failed as failed:
                problem = str(failed)
            else:
                if reply.status not in AGAIN:
                    return judged(reply)
                asked, problem = wait_asked_for(reply), f"it answers with {reply.told}"
            left = deadline - self._clock()
            if left <= 0 or asked > left:
                raise self._away(problem, asked)
            pause = asked + min(pause, left - asked)
            self._say(f"{self._url}: {problem}; trying again for {left:.0f} s")
            self._wait(pause)
        raise AssertionError("delays has no end")

    def _away(self, problem: str, asked: float) -> ServerAway:
        later = f" It asks to wait for {asked:.0f} s." if asked else ""
        tried = f"tried for {self._try_for_seconds:.0f} s"
        return ServerAway(f"{self._url}: {problem}; {tried}.{later}")

    def _attempt(self, path: str, body: Body, fields: Mapping[str, str]) -> Reply:
        with body() as content:
            try:
                with self._session.post(
                    f"{self._url}{path}",
                    data=content,
                    headers={"User-Agent": f"jexevents/{__version__}", **fields},
                    auth=self._authorised(path),
                    timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                    allow_redirects=False,
                    stream=True,
                ) as answer:
                    return Reply(answer.status_code, answer.headers, _document(self._read(answer)))
            except requests.exceptions.SSLError as exc:
                raise ServerAway(f"{self._url}: its certificate does not pass: {exc}") from exc
            except (requests.ConnectionError, requests.Timeout, *_CUT_OFF) as exc:
                raise _Failed(_reason(exc)) from exc
            except requests.RequestException as exc:
                raise ServerAway(f"{self._url}: {exc}") from exc

    def _authorised(self, path: str) -> Callable[[Any], Any]:
        """Give what adds the credential; were there none, requests would look into .netrc."""
        headers = self._credential.headers("POST", path)

        def add(request: Any) -> Any:
            request.headers.update(headers)
            return request

        return add

    def _read(self, answer: requests.Response) -> bytes:
        pieces: list[bytes] = []
        room, until = _REPLY_MAX_BYTES, self._clock() + _REPLY_MAX_SECONDS
        for piece in answer.iter_content(1 << 16):
            pieces.append(piece)
            room -= len(piece)
            if room < 0 or self._clock() > until:
                raise _Failed("its answer has no end")
        return b"".join(pieces)


_CUT_OFF = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class _Failed(Exception):
    """An attempt came to nothing, and another may not."""


def _reason(error: Exception) -> str:
    """Give the innermost of the errors that stand behind one, in one line."""
    if isinstance(error, requests.Timeout):
        return "it does not answer in time"
    seen: Exception = error
    for _ in range(_MOST_CAUSES):
        inner = getattr(seen, "reason", None) or seen.__cause__ or (*seen.args, None)[0]
        if not isinstance(inner, Exception):
            break
        seen = inner
    return f"no answer ({seen})"


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
