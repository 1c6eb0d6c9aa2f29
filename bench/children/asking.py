"""A closed loop: connections that each send the next request when the last one is answered.

All of them stand in one thread, which costs the machine least.
"""

from __future__ import annotations

import selectors
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from bench import jobs, wire
from bench.children.talk import serve

_CHUNK = 65536


def ask(
    address: tuple[str, int],
    token: str,
    connections: int,
    seconds: float,
    invocations: list[str] | None = None,
    first_cluster: int = 0,
) -> dict[str, Any]:
    """Look jobs up by their invocation ids, or without these insert jobs of new clusters.

    Gives the answers a second, the time of each, and the number that were not 200 or 201.
    """
    requests = _look_ups(token, invocations) if invocations else _insertions(token, first_cluster)
    loop = _Loop(tuple(address), connections, lambda: next(requests))
    begin = time.perf_counter()
    loop.run(begin + seconds)
    spent = time.perf_counter() - begin
    return {"rate": len(loop.times) / spent, "times": loop.times, "errors": loop.errors}


def _look_ups(token: str, invocations: list[str]) -> Iterator[bytes]:
    ready = [wire.get(jobs.path(each), token) for each in invocations]
    while True:
        yield from ready


def _insertions(token: str, cluster: int) -> Iterator[bytes]:
    while True:
        cluster += 1
        yield wire.post("/jobs", token, jobs.insertion(cluster, str(uuid.uuid4())))


class _Loop:
    """The connections, and what came of their requests; ``times`` are in seconds."""

    def __init__(
        self, address: tuple[str, int], connections: int, request: Callable[[], bytes]
    ) -> None:
        self.times: list[float] = []
        self.errors = 0
        self._request = request
        self._sent: dict[Any, float] = {}
        self._selector = selectors.DefaultSelector()
        for _ in range(connections):
            connection = wire.connect(address)
            self._selector.register(connection, selectors.EVENT_READ, wire.Reader())

    def run(self, until: float) -> None:
        """Ask until then (perf_counter)."""
        for key in list(self._selector.get_map().values()):
            self._send(key.fileobj)
        while (now := time.perf_counter()) < until:
            for key, _ in self._selector.select(until - now):
                answer = key.data.feed(key.fileobj.recv(_CHUNK))
                if answer:
                    self._note(key.fileobj, answer[0])
                    self._send(key.fileobj)

    def _send(self, connection: Any) -> None:
        self._sent[connection] = time.perf_counter()
        connection.sendall(self._request())

    def _note(self, connection: Any, status: int) -> None:
        self.times.append(time.perf_counter() - self._sent[connection])
        self.errors += status not in (200, 201)


if __name__ == "__main__":
    serve(ask)
