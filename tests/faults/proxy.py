"""A proxy between the daemon and a server, which knows where messages begin and end.

So a connection can be cut, or a message slipped in, at a place that no timing would hit.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 1 << 16
Address = tuple[str, int] | str


class Cut(Exception):
    """Ends the connection at once."""


class Link:
    """One connection through the proxy. Kinds of it say what a frame is, and look at each.

    ``from_client`` and ``from_server`` get every whole frame and give what is passed on.
    """

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self._client, self._server = client, server
        self._to_server = threading.Lock()

    def start(self) -> None:
        ways = (
            (self._client, self._pass_up, self._cut_client_frames),
            (self._server, self._pass_down, self._cut_server_frames),
        )
        for way in ways:
            threading.Thread(target=self._pump, args=way, daemon=True).start()

    def close(self) -> None:
        """Cut it, as a broken cable would but at once."""
        for each in (self._client, self._server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.proxy.links.discard(self)

    def slip_in(self, frame: bytes) -> None:
        """Send the server a frame that the client did not send, between two of its own."""
        with self._to_server:
            self._server.sendall(frame)

    def from_client(self, frame: bytes) -> bytes:
        return frame

    def from_server(self, frame: bytes) -> bytes:
        return frame

    def frame_bytes(self, data: bytes) -> int | None:
        """The length of the frame at the head of ``data``, None while that cannot be told."""
        raise NotImplementedError

    def _cut_client_frames(self, data: bytes) -> int | None:
        return self.frame_bytes(data)

    def _cut_server_frames(self, data: bytes) -> int | None:
        return self.frame_bytes(data)

    def _pass_up(self, frame: bytes) -> None:
        self.slip_in(self.from_client(frame))

    def _pass_down(self, frame: bytes) -> None:
        self._client.sendall(self.from_server(frame))

    def _pump(
        self,
        source: socket.socket,
        give: Callable[[bytes], None],
        measure: Callable[[bytes], int | None],
    ) -> None:
        buffer = b""
        try:
            while data := source.recv(_CHUNK):
                buffer += data
                done = 0
                while (size := measure(buffer[done : done + 16])) and done + size <= len(buffer):
                    give(buffer[done : done + size])
                    done += size
                buffer = buffer[done:]
        except (OSError, Cut):
            pass
        self.close()


class Proxy:
    """Listens on loopback and passes each connection on to ``target()``."""

    def __init__(self, target: Callable[[], Address], link: type[Link]) -> None:
        self._target, self._link = target, link
        self.links: set[Link] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), reuse_port=False)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections."""
        for link in list(self.links):
            link.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                _hurry(client)
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = _connect(self._target())
        except OSError:
            client.close()
            return
        link = self._link(self, client, server)
        self.links.add(link)
        link.start()


def _connect(target: Address) -> socket.socket:
    if isinstance(target, str):
        server = socket.socket(socket.AF_UNIX)
        server.connect(target)
        return server
    server = socket.create_connection(target, 5)
    server.settimeout(None)
    _hurry(server)
    return server


def _hurry(connection: socket.socket) -> None:
    # Else a message in two parts waits 40 ms for the other side to acknowledge the first.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


# --- PostgreSQL


_WRITES = re.compile(rb"\b(insert\s+into|copy|execute\s+insert_event)\b", re.IGNORECASE)
# Alone, or behind what is said along with it.
_COMMITS = re.compile(rb"(?:\A|\n)commit\0\Z", re.IGNORECASE)


class PostgresLink(Link):
    """Knows a COMMIT that stores events, and can lose the answer to it."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self._started = False
        self._stores = False
        self._lose = False

    def _cut_client_frames(self, data: bytes) -> int | None:
        if self._started:
            return self.frame_bytes(data)
        return struct.unpack("!i", data[:4])[0] if len(data) >= 4 else None

    def frame_bytes(self, data: bytes) -> int | None:
        return 1 + struct.unpack("!i", data[1:5])[0] if len(data) >= 5 else None

    def from_client(self, frame: bytes) -> bytes:
        if not self._started:
            self._started = True
            return frame
        if frame[:1] == b"Q" and _WRITES.search(frame):
            self._stores = True
        if _COMMITS.search(frame[5:]):
            self._lose = self._stores and self.proxy.wants_loss()
            self._stores = False
        elif frame[5:].lower() == b"rollback\0":
            self._stores = False
        return frame

    def from_server(self, frame: bytes) -> bytes:
        if self._lose and frame[5:] == b"COMMIT\0":
            self.proxy.lost += 1
            raise Cut
        if frame[:1] == b"Z":
            self._lose = False
        return frame


class PostgresProxy(Proxy):
    """``lost`` counts the answers to a COMMIT that never came to the daemon."""

    def __init__(self, sockets: str) -> None:
        self.lost = 0
        self._to_lose = 0
        self._lock = threading.Lock()
        super().__init__(lambda: f"{sockets}/.s.PGSQL.5432", PostgresLink)

    def lose_commits(self, count: int) -> None:
        """Lose the answers to the next so many COMMITs that store events."""
        with self._lock:
            self._to_lose += count

    def wants_loss(self) -> bool:
        with self._lock:
            wanted = self._to_lose > 0
            self._to_lose -= wanted
            return wanted


# --- RabbitMQ

_GREETING_BYTES = 8
_CONSUME, _DELIVER, _ACK, _CHANNEL_CLOSE = (60, 20), (60, 60), (60, 80), (20, 40)
_PUBLISH = (60, 40)


class AmqpLink(Link):
    """Knows deliveries, acknowledgements, what is published, and the channel that consumes."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self._greeted = False
        self.channel: int | None = None
        self.unacknowledged = 0
        self.closed_with: int | None = None

    def _cut_client_frames(self, data: bytes) -> int | None:
        if not self._greeted:
            self._greeted = True
            return _GREETING_BYTES
        return self.frame_bytes(data)

    def frame_bytes(self, data: bytes) -> int | None:
        return 8 + struct.unpack("!I", data[3:7])[0] if len(data) >= 7 else None

    def from_client(self, frame: bytes) -> bytes:
        method, channel = _method(frame)
        if method == _CONSUME:
            self.channel = channel
        elif method == _ACK:
            if self.proxy.takes("acknowledgement"):
                raise Cut
            self.unacknowledged = 0
        elif method == _PUBLISH and self.proxy.takes("publish"):
            raise Cut
        return frame

    def from_server(self, frame: bytes) -> bytes:
        method, channel = _method(frame)
        if method == _DELIVER:
            self.unacknowledged += 1
            if self.unacknowledged > 20 and self.proxy.takes("delivery"):
                raise Cut
        elif method == _ACK and self.proxy.takes("confirm"):
            raise Cut
        elif method == _CHANNEL_CLOSE and channel == self.channel:
            self.closed_with = struct.unpack("!H", frame[11:13])[0]
            self.proxy.closed_with.append(self.closed_with)
        return frame

    def break_channel(self) -> None:
        """Acknowledge on the client's channel what was never delivered: the server closes it."""
        arguments = struct.pack("!HHQB", *_ACK, 2**40, 0)
        self.slip_in(struct.pack("!BHI", 1, self.channel, len(arguments)) + arguments + b"\xce")


class AmqpProxy(Proxy):
    """``cut_at`` names the frame before which the next connection is cut; None once it was."""

    def __init__(self, port: int) -> None:
        self.cut_at: str | None = None
        self.closed_with: list[int] = []
        self._lock = threading.Lock()
        super().__init__(lambda: ("127.0.0.1", port), AmqpLink)

    def takes(self, what: str) -> bool:
        with self._lock:
            taken = self.cut_at == what
            if taken:
                self.cut_at = None
            return taken

    def break_channels(self) -> int:
        """Have the broker close the channel of each consumer; give how many there were."""
        consuming = [link for link in list(self.links) if link.channel is not None]
        for link in consuming:
            link.break_channel()
        return len(consuming)


def _method(frame: bytes) -> tuple[tuple[int, int] | None, int]:
    """Give class and method of a method frame, and the channel."""
    if len(frame) < 12 or frame[0] != 1:
        return None, 0
    return struct.unpack("!HH", frame[7:11]), struct.unpack("!H", frame[1:3])[0]
