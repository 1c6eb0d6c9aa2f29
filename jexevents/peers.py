"""Other nodes asked for their files, and other nodes that ask: by a signature over each request.

The signature is HMAC-SHA256 with the NodeSecret over method, path and time. It is good for a
minute, for that method and path alone. What it lets read is what the asking node was asked for.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

from jexevents.errors import Unavailable

HEADER = "X-Jexevents-Node"
WINDOW_SECONDS = 60
_PATIENCE_SECONDS = 10.0
_PIECE_BYTES = 1 << 16
_FORM = re.compile(r"([0-9]{1,12}):([0-9a-f]{64})")


class PeerUnavailable(Unavailable):
    """Another node has the file, and does not give it."""


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
        if not self._secret:
            raise PeerUnavailable(
                f"The file lies on the node {node!r}, and this one has no NodeSecret.",
                remedy="Give all nodes the same NodeSecret, and each its NodeURL.",
            )
        if url is None:
            raise PeerUnavailable(
                f"The file lies on the node {node!r}, which does not say where it is.",
                remedy="Give it a NodeURL.",
            )
        try:
            connection, answer = self._asked(url, path, first, length)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _away(node, str(error) or type(error).__name__) from error
        if answer.status != 206 or answer.length != length:
            connection.close()
            raise _away(node, f"it answers {answer.status} {answer.reason}")
        return _pieces(connection, answer, node, length)

    def _asked(
        self, url: str, path: str, first: int, length: int
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname, parts.port, timeout=_PATIENCE_SECONDS)
        headers = {
            HEADER: self.sign("GET", path),
            "Range": f"bytes={first}-{first + length - 1}",
            "Connection": "close",
        }
        try:
            connection.request("GET", parts.path.rstrip("/") + path, headers=headers)
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
                raise _away(node, str(error)) from error
            if not piece:
                raise _away(node, "it ended in the middle")
            length -= len(piece)
            yield piece


def _away(node: str, why: str) -> PeerUnavailable:
    return PeerUnavailable(f"The file lies on the node {node!r}, which does not give it: {why}.")
