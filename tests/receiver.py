"""A receiver of webhooks: a real HTTP server that notes what comes and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

from requests.structures import CaseInsensitiveDict

from tests.support import wait_until

PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Received:
    """A request as it came, and when it had come and was answered, in monotonic seconds."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    began: float

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The id of the message."""
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Reply:
    """How to answer: at once, or by a function that does it all by itself."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    by: Callable[[BaseHTTPRequestHandler], None] | None = None


class Receiver:
    """The server; ``answer`` gives the reply to each request, 200 if nothing else is set."""

    def __init__(self, tls: SSLContext | None = None, port: int = 0) -> None:
        self.answer: Callable[[Received], Reply] = lambda _received: Reply()
        self.received: list[Received] = []
        self.under_way = self.most_under_way = 0
        self.connections = 0
        self._lock = threading.Lock()
        self._server = _server(self, port)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for(self, count: int) -> list[Received]:
        """Wait for so many requests; give all that have come."""
        what = f"{count} requests"
        wait_until(lambda: len(self.received) >= count, PATIENCE_SECONDS, what)
        return list(self.received)

    def take(self, received: Received) -> Reply:
        with self._lock:
            self.received.append(received)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        return self.answer(received)

    def leave(self) -> None:
        with self._lock:
            self.under_way -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    # Threads of connections that are kept would be waited for.
    block_on_close = False

    def handle_error(self, *_arguments: Any) -> None:
        """Say nothing of those that hang up."""


def _server(receiver: Receiver, port: int) -> _Server:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            receiver.connections += 1

        def take(self) -> None:
            began = time.monotonic()
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = CaseInsensitiveDict(self.headers.items())
            received = Received(self.command, self.path, headers, body, began)
            reply = receiver.take(received)
            try:
                (reply.by or (lambda handler: _plainly(handler, reply)))(self)
            finally:
                receiver.leave()

        do_POST = do_DELETE = do_GET = take  # noqa: N815 - the library's names

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    return _Server(("127.0.0.1", port), Handler)


def _plainly(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


@contextmanager
def receiving(tls: SSLContext | None = None, port: int = 0) -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver(tls, port)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()
