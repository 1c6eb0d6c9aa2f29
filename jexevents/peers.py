"""Other nodes asked for their files, and other nodes that ask: by a signature over each request.

The signature is HMAC-SHA256 with the NodeSecret over method, path and time. It is good for a
minute, for that method and path alone. What it lets read is what the asking node was asked for.

An answer that goes on for hours comes in frames: four bytes for a length, then so many bytes. An
empty frame every two seconds says that there is nothing new, and that the node is there.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from struct import Struct
from urllib.parse import urlsplit

from jexevents.errors import Unavailable
from jexevents.faults import in_words

HEADER = "X-Jexevents-Node"
WINDOW_SECONDS = 60
_PATIENCE_SECONDS = 10.0
_PIECE_BYTES = 1 << 16
# An answer with this header comes in frames.
FRAMES = "X-Jexevents-Frames"
FRAME_SECONDS = 2.0
_FILE, _OUTPUT = "The file", "The output"
_LENGTH = Struct(">I")
_MOST_FRAME_BYTES = 64 << 20
_FORM = re.compile(r"([0-9]{1,12}):([0-9a-f]{64})")


class PeerUnavailable(Unavailable):
    """Another node has the file or the output, and does not give it."""


class Relayed:
    """The answer of another node, to be handed on. ``pieces`` gives its body; close it at the end.

    ``headers`` are read by name in any case; ``length`` is None where it is not known.
    """

    def __init__(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, node: str
    ) -> None:
        self._connection, self._answer, self._node = connection, answer, node
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self.length = answer.length

    def pieces(self) -> Iterator[bytes]:
        """Give the body as it comes, an empty piece now and then where nothing does.

        Raises PeerUnavailable where it ends before its end.
        """
        with closing(self):
            try:
                yield from self._framed() if FRAMES in self.headers else self._plain()
            except (OSError, http.client.HTTPException) as error:
                raise _away(_OUTPUT, self._node, in_words(error)) from error

    def close(self) -> None:
        """Let the node go, whether it has said all or not."""
        self._connection.close()
        self._answer.close()

    def _plain(self) -> Iterator[bytes]:
        left = self.length
        while piece := self._answer.read(_PIECE_BYTES):
            left = None if left is None else left - len(piece)
            yield piece
        if left:
            raise _away(_OUTPUT, self._node, "it ended in the middle")

    def _framed(self) -> Iterator[bytes]:
        while head := self._answer.read(_LENGTH.size):
            if len(head) < _LENGTH.size:
                raise _away(_OUTPUT, self._node, "it ended in the middle")
            (length,) = _LENGTH.unpack(head)
            if length > _MOST_FRAME_BYTES:
                raise _away(_OUTPUT, self._node, "it says what makes no sense")
            piece = self._answer.read(length) if length else b""
            if len(piece) < length:
                raise _away(_OUTPUT, self._node, "it ended in the middle")
            yield piece


def framed(pieces: Iterator[bytes], clock: Callable[[], float] = time.monotonic) -> Iterator[bytes]:
    """Put what a long answer says into frames; of its empty pieces (of no length, whatever their
    truth) those that are due."""
    said_at = clock()
    for piece in pieces:
        now = clock()
        if len(piece) or now - said_at >= FRAME_SECONDS:
            said_at = now
            yield _LENGTH.pack(len(piece)) + piece


class Peers:
    """``secret`` is what all nodes share; without one nobody is asked, and nobody is answered."""

    def __init__(self, secret: str, now: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._now = now

    def sign(self, method: str, path: str) -> str:
        """Give the header's value for a request that is sent now."""
        at = int(self._now())
        return f"{at}:{self._signature(method, path, at)}"

    def admits(self, value: str, method: str, path: str) -> bool:
        """Whether a header's value is a node's for this request."""
        match = _FORM.fullmatch(value)
        if not self._secret or match is None:
            return False
        is_now = abs(self._now() - int(match[1])) <= WINDOW_SECONDS
        signature = self._signature(method, path, int(match[1]))
        return hmac.compare_digest(signature, match[2]) and is_now

    def _signature(self, method: str, path: str, at: int) -> str:
        signed = f"{method}\n{path}\n{at}".encode()
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()

    def fetch(
        self, node: str, url: str | None, path: str, first: int, length: int
    ) -> Iterator[bytes]:
        """Ask a node for ``length`` bytes of a file from ``first`` on; gives them in pieces.

        Raises PeerUnavailable where it cannot be asked or answers anything else, by the end of
        this call; what goes wrong later ends the pieces with it.
        """
        part = {"Range": f"bytes={first}-{first + length - 1}"}
        connection, answer = self._asked(_FILE, node, url, path, headers=part)
        if answer.status != 206 or answer.length != length:
            connection.close()
            raise _away(_FILE, node, f"it answers {answer.status} {answer.reason}")
        return _pieces(connection, answer, node, length)

    def relay(
        self,
        node: str,
        url: str | None,
        path: str,
        query: str,
        headers: Mapping[str, str],
        method: str = "GET",
    ) -> Relayed:
        """Ask a node for an output, GET or HEAD, on behalf of somebody; gives whatever it answers.

        Raises PeerUnavailable where it cannot be asked.
        """
        connection, answer = self._asked(_OUTPUT, node, url, path, f"?{query}", headers, method)
        return Relayed(connection, answer, node)

    def _asked(
        self,
        what: str,
        node: str,
        url: str | None,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        if not self._secret:
            raise PeerUnavailable(
                f"{what} lies on the node {node!r}, and this one has no NodeSecret.",
                remedy="Give both the same NodeSecret. On different machines each also needs a "
                "NodeURL, a worker a WorkerURL.",
            )
        if url is None:
            raise PeerUnavailable(
                f"{what} lies on the node {node!r}, which does not say where it is.",
                remedy="Give it a NodeURL, a worker a WorkerURL.",
            )
        signed = {**(headers or {}), HEADER: self.sign("GET", path), "Connection": "close"}
        try:
            return _sent(url, path + query, signed, method)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _away(what, node, in_words(error)) from error


def _sent(
    url: str, target: str, headers: Mapping[str, str], method: str
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request(method, parts.path.rstrip("/") + target, headers=headers)
        return connection, connection.getresponse()
    except BaseException:
        connection.close()
        raise


def _pieces(
    connection: http.client.HTTPConnection,
    answer: http.client.HTTPResponse,
    node: str,
    length: int,
) -> Iterator[bytes]:
    with closing(connection):
        while length:
            try:
                piece = answer.read(min(length, _PIECE_BYTES))
            except (OSError, http.client.HTTPException) as error:
                raise _away(_FILE, node, in_words(error)) from error
            if not piece:
                raise _away(_FILE, node, "it ended in the middle")
            length -= len(piece)
            yield piece


def _away(what: str, node: str, why: str) -> PeerUnavailable:
    return PeerUnavailable(f"{what} lies on the node {node!r}, which does not give it: {why}.")
