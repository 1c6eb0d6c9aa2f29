"""A receiver of webhooks that may be down, fail at random, hang, or close early; it notes all.

A request is over when its answer is sent, or when whoever sent it is seen to have given up: so two
requests of one message that overlap here were sent at the same time.
"""

from __future__ import annotations

import json
import random
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support import free_port

# How long a request that hangs is held if nobody gives up, or the receiver ends.
_HOLD_SECONDS = 60.0

FINE, ERROR, HANG, CLOSE, CUT = "fine", "error", "hang", "close", "cut"


@dataclass(slots=True)
class Request:
    """One request: of which message, about which event and job, when, and what it was met with."""

    message: str
    seq: int
    job: str | None
    begin: float
    end: float
    met: str


@dataclass
class Receiver:
    """``moods`` are how likely each fault is (0 to 1 together); else the answer is 204."""

    rng: random.Random
    moods: Mapping[str, float] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._ending = threading.Event()
        self.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> None:
        """Listen, on the same port whenever."""
        self._ending.clear()
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be down: no listening socket, and the connections that there are end."""
        if self._server is not None:
            self._ending.set()
            self._server.shutdown()
            self._server.server_close()
            self._server.close_all()
            self._server = None

    @contextmanager
    def down(self) -> Iterator[None]:
        """Be down meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def moody(self, **moods: float) -> Iterator[None]:
        """Have these faults meanwhile, each as likely as is said."""
        self.moods = moods
        try:
            yield
        finally:
            self.moods = {}

    def count(self, met: str | None = None) -> int:
        """How many requests came, or were met in that way."""
        with self._lock:
            return sum(met in (None, one.met) for one in self.requests)

    def messages(self) -> set[str]:
        """The messages that were accepted."""
        with self._lock:
            return {one.message for one in self.requests if one.met == FINE}

    def choose(self) -> str:
        """Choose how to meet a request."""
        with self._lock:
            roll = self.rng.random()
        for mood, share in self.moods.items():
            if roll < share:
                return mood
            roll -= share
        return FINE

    def note(self, request: Request) -> None:
        """Note a request that is over."""
        with self._lock:
            self.requests.append(request)

    def hold(self, connection: socket.socket) -> None:
        """Say nothing until the other side gives up, or the receiver ends."""
        end = time.monotonic() + _HOLD_SECONDS
        while time.monotonic() < end and not self._ending.is_set():
            readable, _, _ = select.select([connection], [], [], 0.02)
            if readable and _gave_up(connection):
                return


def _gave_up(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().close_request(request)

    def close_all(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, *_arguments: Any) -> None:
        """Say nothing: connections that break are what this is for."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            begin = time.monotonic()
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # whoever sent it was killed
            said = json.loads(body)["data"]
            met = receiver.choose()
            if met == HANG:
                receiver.hold(self.connection)
            job = None if said["job"] is None else said["job"]["id"]
            # Noted before the answer: what comes behind it must not seem to be earlier.
            end = time.monotonic()
            message = self.headers["webhook-id"]
            receiver.note(Request(message, said["event"]["seq"], job, begin, end, met))
            self._meet(met)

        def _meet(self, met: str) -> None:
            if met in (FINE, ERROR):
                self.send_response(204 if met == FINE else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.close_connection = True
            if met == CUT:
                self.wfile.write(b"HTTP/1.1 200 O")

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    return Handler
