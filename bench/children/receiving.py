"""A receiver of webhooks: accepts all, says 204, and counts; one thread a connection."""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import threading
from collections import Counter
from typing import Any

from bench.children.talk import serve

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
_CHUNK_BYTES = 1 << 16


def receive() -> dict[str, Any]:
    """Receive until told to stop; the first line written is the address."""
    counts: Counter[int] = Counter()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        print(json.dumps({"address": listening.getsockname()[:2]}), flush=True)
        while True:
            readable, _, _ = select.select([listening, sys.stdin], [], [])
            if sys.stdin in readable:
                return {"received": sum(counts.values())}
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_answer, args=(connection, counts), daemon=True).start()


def _answer(connection: socket.socket, counts: Counter[int]) -> None:
    place, held = id(connection), b""
    with connection:
        while piece := connection.recv(_CHUNK_BYTES):
            held += piece
            while (end := _end(held)) is not None:
                held = held[end:]
                counts[place] += 1
                connection.sendall(_ANSWER)


def _end(held: bytes) -> int | None:
    """Give where the first request ends, None if it is not there yet."""
    head, blank, _ = held.partition(b"\r\n\r\n")
    found = _LENGTH.search(head + b"\r\n")
    end = len(head) + len(blank) + (int(found[1]) if found else 0)
    return end if blank and len(held) >= end else None


if __name__ == "__main__":
    serve(receive)
