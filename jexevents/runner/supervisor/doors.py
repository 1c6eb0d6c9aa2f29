"""Sockets in the folder: a request is a line of JSON, and so is its answer."""

from __future__ import annotations

import os

from jexevents.runner.supervisor.layout import LINE_BYTES
from jexevents.runner.supervisor.quick import accept, listen

CONNECTIONS = 32


class Door:
    """One listening socket and who came through it. Whoever keeps silent is put out when others
    come; whoever does not read his answer loses it."""

    def __init__(self, loop: object, name: str, answer: object) -> None:
        self._loop, self._name, self._answer = loop, name, answer
        self._listener = listen(name, 0o600)
        self._guests: dict[int, tuple[object, bytearray]] = {}
        loop.add(self._listener.fileno(), self._welcome)

    def close(self) -> None:
        """Put all out and remove the socket."""
        for descriptor in list(self._guests):
            self._leave(descriptor)
        self._loop.remove(self._listener.fileno())
        self._listener.close()
        try:
            os.unlink(self._name)
        except OSError:
            pass  # the folder is being removed

    def _welcome(self) -> None:
        connection = accept(self._listener)
        if connection is None:
            return
        if len(self._guests) >= CONNECTIONS:
            self._leave(next(iter(self._guests)))
        descriptor = connection.fileno()
        self._guests[descriptor] = (connection, bytearray())
        self._loop.add(descriptor, lambda: self._hear(descriptor))

    def _hear(self, descriptor: int) -> None:
        connection, heard = self._guests[descriptor]
        try:
            came = connection.recv(LINE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        heard += came
        while came and b"\n" in heard:
            line, _, rest = bytes(heard).partition(b"\n")
            heard[:] = rest
            if not self._reply(connection, line if len(line) <= LINE_BYTES else None):
                came = b""
            if descriptor not in self._guests:
                return
        if len(heard) > LINE_BYTES:
            self._reply(connection, None)
            came = b""
        if not came:
            self._leave(descriptor)

    def _reply(self, connection: object, line: bytes | None) -> bool:
        text, take = self._answer(line)
        said = text.encode() + b"\n"
        try:
            is_whole = connection.send(said) == len(said)
        except OSError:
            return False
        if is_whole and take:
            self._hand_over(connection, take)
        return is_whole

    def _hand_over(self, connection: object, take: object) -> None:
        del self._guests[connection.fileno()]
        self._loop.remove(connection.fileno())
        try:
            take(connection)
        except OSError:
            connection.close()

    def _leave(self, descriptor: int) -> None:
        connection, _ = self._guests.pop(descriptor)
        self._loop.remove(descriptor)
        connection.close()
