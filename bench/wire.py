"""HTTP as cheap as it gets: ready-made requests over kept-alive sockets."""

from __future__ import annotations

import json
import socket
from typing import Any

from bench.errors import BenchFailed

_CHUNK = 65536
_TIMEOUT_SECONDS = 30.0


def get(path: str, token: str) -> bytes:
    """Make a GET request."""
    return _request("GET", path, token).encode() + b"\r\n"


def post(path: str, token: str, document: Any) -> bytes:
    """Make a POST request with a JSON body."""
    body = json.dumps(document).encode()
    head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (_request("POST", path, token) + head).encode() + body


def _request(method: str, path: str, token: str) -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"


class Reader:
    """Puts the answer to one request together from what arrives."""

    def __init__(self) -> None:
        self._received = b""

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Take what arrived; give status and body as soon as the answer is whole.

        Raises BenchFailed for an answer that does not say how long it is, or none.
        """
        if not data:
            raise BenchFailed("the connection was closed")
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return None
        self._received = b""
        return int(head[9:12]), body


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        raise BenchFailed(f"an answer without Content-Length: {head[:200]!r}")
    return int(lowered[at + 17 :].partition(b"\r\n")[0])


def connect(address: tuple[str, int]) -> socket.socket:
    """Open a connection that sends at once."""
    connection = socket.create_connection(tuple(address), _TIMEOUT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Client:
    """One kept-alive connection that waits for each answer."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = connect(address)
        self._reader = Reader()

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; give status and body."""
        self._socket.sendall(request)
        while not (answer := self._reader.feed(self._socket.recv(_CHUNK))):
            pass
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
