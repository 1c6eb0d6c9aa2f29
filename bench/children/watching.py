"""Asks for jobs, again and again, until each has the status that an event brings.

A few connections share the jobs that are waited for. Each job is asked for from the moment at
which its event is due to be published; what is noted is when the first answer with the new status
came, and when the last one without it did. All together they ask once in so many milliseconds at
most, however many jobs are waited for: the asking must not make what it measures.
"""

from __future__ import annotations

import heapq
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from bench import jobs, wire
from bench.children.talk import serve
from bench.pacing import wait_until

_GIVE_UP_SECONDS = 30.0


@dataclass(order=True)
class _Probe:
    """One job that is waited for; ``due`` is when it is asked for next."""

    due: float
    number: int = field(compare=False)
    request: bytes = field(compare=False)
    wanted: tuple[str, ...] = field(compare=False)
    begun: float = field(compare=False)
    missed: float | None = field(default=None, compare=False)


def watch(
    address: tuple[str, int],
    token: str,
    connections: int,
    interval: float,
    probes: list[tuple[int, float, str, list[str]]],
) -> dict[str, Any]:
    """Wait for each of ``probes``: number, due time, invocation id, statuses that count as new.

    ``interval`` is the least time between two requests, in seconds. Gives number, time of the
    last answer before, and of the first with the new status.
    """
    board = _Board(
        [
            _Probe(due, number, wire.get(jobs.path(uuid), token), tuple(wanted), due)
            for number, due, uuid, wanted in probes
        ],
        interval,
    )
    workers = [
        threading.Thread(target=board.work, args=(wire.Client(tuple(address)),))
        for _ in range(connections)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"seen": board.seen, "asked": board.asked, "given_up": board.given_up}


class _Board:
    """What is still waited for, shared by the threads."""

    def __init__(self, probes: list[_Probe], interval: float) -> None:
        self.seen: list[tuple[int, float | None, float]] = []
        self.asked = self.given_up = 0
        self._waiting = probes
        heapq.heapify(probes)
        self._left = len(probes)
        self._interval = interval
        self._next = 0.0
        self._lock = threading.Lock()

    def work(self, client: wire.Client) -> None:
        """Ask for one after the other, whichever is due next, until none is left."""
        while self._left:
            with self._lock:
                probe = heapq.heappop(self._waiting) if self._waiting else None
            if probe is None:
                # The others have the rest in hand; one of them may come back.
                time.sleep(self._interval)
                continue
            wait_until(probe.due)
            wait_until(self._turn())
            status, body = client.ask(probe.request)
            now = time.time()
            with self._lock:
                self._note(probe, status, body, now)

    def _turn(self) -> float:
        """Give the time at which the next request may go out."""
        with self._lock:
            turn = max(time.time(), self._next)
            self._next = turn + self._interval
            return turn

    def _note(self, probe: _Probe, status: int, body: bytes, now: float) -> None:
        self.asked += 1
        if status == 200 and json.loads(body)["state"]["status"] in probe.wanted:
            self.seen.append((probe.number, probe.missed, now))
            self._left -= 1
        elif now > probe.begun + _GIVE_UP_SECONDS:
            self.given_up += 1
            self._left -= 1
        else:
            probe.missed, probe.due = now, now
            heapq.heappush(self._waiting, probe)


if __name__ == "__main__":
    serve(watch)
