"""Properties of a message that pika cannot read, so that they cost no more than themselves.

AMQP allows time stamps of 64 bits and tables in tables without end; pika answers those with
OSError and RecursionError while it reads the frame. That ends the connection, or the process,
and the message comes again. RabbitMQ looks into no properties that it does not need, so what it
hands out may also be no properties at all; and a frame full of tiny headers takes a hundred
times its own size once it is read.
"""

from __future__ import annotations

import struct
from typing import Any

from pika import spec

from jexevents.model import UNREADABLE_HEADERS

MAX_BYTES = 32 << 10
_KEPT_BYTES = 1024


class Properties(spec.BasicProperties):
    """pika's, which reads all but the headers where it fails on those."""

    def decode(self, encoded: bytes, offset: int = 0) -> Properties:
        """Read the properties; headers that cannot be read are given as they came, and cut.

        So are headers that make the properties longer than MAX_BYTES.
        """
        if len(encoded) - offset <= MAX_BYTES:
            try:
                return super().decode(encoded, offset)
            except Exception:  # noqa: BLE001, S110 - whatever a hostile table makes of pika's reader
                pass
        return self._decode_without_headers(encoded[offset:])

    def _decode_without_headers(self, encoded: bytes) -> Properties:
        try:
            rest, table = _without_headers(encoded)
            super().decode(rest)
        except Exception:  # noqa: BLE001 - the rest is no properties either
            super().__init__()
            table = encoded
        self.headers: dict[str, Any] = {UNREADABLE_HEADERS: bytes(table[:_KEPT_BYTES])}
        return self


def install() -> None:
    """Have pika make these of the messages that come in."""
    spec.props[Properties.INDEX] = Properties


def _without_headers(encoded: bytes) -> tuple[bytes, bytes]:
    """Give the properties as if there were no headers, and the table of headers."""
    (flags,) = struct.unpack_from(">H", encoded)
    begin = 2
    for flag in (Properties.FLAG_CONTENT_TYPE, Properties.FLAG_CONTENT_ENCODING):
        if flags & flag:
            begin += 1 + encoded[begin]
    end = begin + 4 + struct.unpack_from(">I", encoded, begin)[0]
    flags &= ~Properties.FLAG_HEADERS
    return struct.pack(">H", flags) + encoded[2:begin] + encoded[end:], encoded[begin:end]
