"""The socket: waitress as a service that starts, stops within bounds, and answers in one shape."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from jexevents.service import Service
from jexevents.sidecar.bind import Binding
from jexevents.sidecar.channel import Listener
from jexevents.sidecar.sockets import open_sockets

THREADS = 8
GRACE_SECONDS = 5.0
IDLE_SECONDS = 60
MAX_HEADER_BYTES = 65536
MAX_CONNECTIONS = 1000
_LOOP_SECONDS = 5.0
# A peer that went without a word is found out in a minute, though nothing is sent to it.
_KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)

# It warns at each request that has to wait for a thread.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)


class Server(Service):
    """Serves a WSGI app on the addresses of a Binding, in threads of its own.

    ``start`` binds, so that a port in use is known at once. On stop nothing new is accepted,
    requests under way get ``grace_seconds`` to finish, then all is closed. Long answers watch
    ``stopping``. Bodies that are long wait in ``spool`` till they are there, in files without
    names; without one in the system's folder for such files.
    """

    def __init__(
        self,
        app: Callable,
        binding: Binding,
        *,
        threads: int = THREADS,
        max_body_bytes: int = 1 << 20,
        grace_seconds: float = GRACE_SECONDS,
        idle_seconds: int = IDLE_SECONDS,
        spool: Path | None = None,
        on_death: Callable[[Service], None] | None = None,
    ) -> None:
        super().__init__("sidecar", on_death)
        self._app = app
        self._binding = binding
        self._grace_seconds = grace_seconds
        self._adjustments = _adjustments(threads, max_body_bytes, idle_seconds)
        self._adjustments.spool = spool
        self._map: dict[int, wasyncore.dispatcher] = {}
        self._listeners: list[Listener] = []
        self._binding_lock = threading.Lock()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each address, as bound: port 0 is a real one by then."""
        return [(one.effective_host, int(one.effective_port)) for one in self._listeners]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first address."""
        return self.addresses[0]

    def start(self) -> None:
        """Bind, listen and serve. Raises ConfigError where an address cannot be had."""
        with self._binding_lock:
            if not self._listeners and not self.stopping.is_set():
                self._listen()
        super().start()

    def run(self) -> None:
        """Serve until stopped, then let finish what is under way."""
        try:
            while not self.stopping.is_set():
                self._turn(_LOOP_SECONDS)
            self._finish()
        except BaseException:
            self._close(0)
            raise

    def interrupt(self) -> None:
        """Wake the loop from its poll."""
        self._listeners[0].pull_trigger()

    def _listen(self) -> None:
        sockets = open_sockets(self._binding)
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(self._adjustments.threads)
        self._listeners = [
            Listener(
                self._app,
                self._map,
                _sock=one,
                dispatcher=dispatcher,
                adj=self._adjustments,
                sockinfo=(one.family, one.type, one.proto, one.getsockname()),
                bind_socket=False,
            )
            for one in sockets
        ]

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)

    def _finish(self) -> None:
        deadline = time.monotonic() + self._grace_seconds
        for listener in self._listeners:
            wasyncore.dispatcher.close(listener)  # its own close() also ends the wake-up pipe
        while self._busy() and time.monotonic() < deadline:
            self._turn(min(0.1, self._grace_seconds))
        self._close(max(0.0, deadline - time.monotonic()))

    def _busy(self) -> bool:
        """Close the channels that have nothing to do; tell whether any has."""
        channels = [one for listener in self._listeners for one in listener.channels()]
        idle = [one for one in channels if not one.working]
        for channel in idle:
            channel.handle_close()
        return len(idle) < len(channels)

    def _close(self, seconds: float) -> None:
        for listener in self._listeners:
            for channel in listener.channels():
                channel.handle_close()  # wakes what waits to write to it
        for listener in self._listeners[:1]:
            listener.task_dispatcher.shutdown(timeout=seconds)
        wasyncore.close_all(self._map, ignore_all=True)


def _adjustments(threads: int, max_body_bytes: int, idle_seconds: int) -> Adjustments:
    adjustments = Adjustments(
        threads=threads,
        ident="jexevents",
        # The app judges proxies itself: by default waitress hides their headers from it, and a
        # proxied request would then look like a local one.
        clear_untrusted_proxy_headers=False,
        # The app answers 413 with the bound of the route; beyond twice that nothing is read.
        max_request_body_size=2 * max_body_bytes + 1,
        max_request_header_size=MAX_HEADER_BYTES,
        connection_limit=MAX_CONNECTIONS,
        channel_timeout=idle_seconds,
        cleanup_interval=max(1, min(5, idle_seconds // 2)),
        asyncore_use_poll=True,  # select() ends at descriptor 1023
    )
    adjustments.socket_options = [*adjustments.socket_options, *_KEEP_ALIVE]
    return adjustments
