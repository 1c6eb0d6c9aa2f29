"""Sends requests to a server of ours, and again as long as it is worth it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import Any

import requests

from jexevents import __version__
from jexevents.backoff import delays
from jexevents.client.bodies import Body
from jexevents.client.credentials import Credential
from jexevents.client.replies import AGAIN, Reply, judged, wait_asked_for
from jexevents.errors import ServerAway

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 30.0
_REPLY_MAX_BYTES = 4 << 20
_MOST_CAUSES = 10
_REPLY_MAX_SECONDS = 120.0

NO_FIELDS: Mapping[str, str] = MappingProxyType({})


def nothing() -> AbstractContextManager[None]:
    """Open the body of a request that has none."""
    return nullcontext()


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
        """Send something; give the JSON object that it was answered with, as ``ask`` does."""
        return judged(self.ask("POST", path, body, fields))

    def put(self, path: str, body: Body, fields: Mapping[str, str]) -> dict[str, Any]:
        """Send something by PUT; give the JSON object that it was answered with, as ``post``."""
        return judged(self.ask("PUT", path, body, fields))

    def get(self, path: str) -> dict[str, Any]:
        """Ask for something; give the JSON object that it was answered with, as ``ask`` does."""
        return judged(self.ask("GET", path))

    def ask(
        self,
        method: str,
        path: str,
        body: Body = nothing,
        fields: Mapping[str, str] = NO_FIELDS,
    ) -> Reply:
        """Send a request, which must do no harm if it comes twice; give the answer.

        Raises ServerAway where there is none, and OSError where the body cannot be read.
        """
        deadline = self._clock() + self._try_for_seconds
        for pause in delays(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS):
            asked, problem = 0.0, ""
            try:
                reply = self._attempt(method, path, body, fields)
            except Interrupted as failed:
                problem = str(failed)
            else:
                if reply.status not in AGAIN:
                    return reply
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

    @contextmanager
    def pieces(self, path: str) -> Iterator[Iterable[bytes]]:
        """Give an answer that is no JSON in pieces. Raises Refused, and ServerAway where it cannot
        be had to its end."""
        try:
            with self.opened(path, NO_FIELDS) as answer:
                if isinstance(answer, Reply):
                    judged(answer)
                    raise ServerAway(f"{self._url}: it answers with {answer.told}.")
                yield answer
        except Interrupted as interrupted:
            raise ServerAway(f"{self._url}: {interrupted}") from interrupted

    @contextmanager
    def opened(self, path: str, fields: Mapping[str, str]) -> Iterator[Reply | Iterator[bytes]]:
        """Ask once for what comes in pieces; give those, or the answer that there are none.

        Raises Interrupted where it could not be had or ends before its end, and ServerAway.
        """
        with nothing() as content, self._sent("GET", path, content, fields) as answer:
            if answer.status_code != 200:
                yield Reply(answer.status_code, answer.headers, _document(self._read(answer)))
            else:
                # In the sizes in which they come: never held back to fill a buffer.
                yield answer.iter_content(None)

    def _attempt(self, method: str, path: str, body: Body, fields: Mapping[str, str]) -> Reply:
        with body() as content, self._sent(method, path, content, fields) as answer:
            return Reply(answer.status_code, answer.headers, _document(self._read(answer)))

    @contextmanager
    def _sent(
        self, method: str, path: str, content: Any, fields: Mapping[str, str]
    ) -> Iterator[requests.Response]:
        try:
            with self._session.request(
                method,
                f"{self._url}{path}",
                data=content,
                headers={"User-Agent": f"jexevents/{__version__}", **fields},
                auth=self._authorised(method, path),
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as answer:
                yield answer
        except requests.exceptions.SSLError as exc:
            raise ServerAway(f"{self._url}: its certificate does not pass: {exc}") from exc
        except (requests.ConnectionError, requests.Timeout, *_CUT_OFF) as exc:
            raise Interrupted(_reason(exc)) from exc
        except requests.RequestException as exc:
            raise ServerAway(f"{self._url}: {exc}") from exc

    def _authorised(self, method: str, path: str) -> Callable[[Any], Any]:
        """Give what adds the credential; were there none, requests would look into .netrc."""
        headers = self._credential.headers(method, path.partition("?")[0])

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
                raise Interrupted("its answer has no end")
        return b"".join(pieces)


_CUT_OFF = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class Interrupted(Exception):
    """An attempt came to nothing, or not to its end, and another may not."""


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
