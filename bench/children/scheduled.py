"""An open loop: look-ups at a fixed rate, however long the answers take.

The time of an answer is reckoned from the moment at which its request was due; what waits for
a connection that is busy counts too.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from bench import jobs, wire
from bench.children.talk import say_begun, serve, told_to_stop
from bench.pacing import schedule, wait_until


def look_up(
    address: tuple[str, int], token: str, connections: int, rate: float, invocations: list[str]
) -> dict[str, Any]:
    """Look jobs up until told to stop; give the times in seconds and the number of errors."""
    requests = [wire.get(jobs.path(each), token) for each in invocations]
    begin, told, stop = time.time(), told_to_stop(), threading.Event()
    workers = [
        _Worker(tuple(address), requests, schedule(begin, rate, number, connections), stop)
        for number in range(connections)
    ]
    say_begun(begin)
    for worker in workers:
        worker.start()
    while not told() and all(worker.is_alive() for worker in workers):
        time.sleep(0.02)
    stop.set()
    for worker in workers:
        worker.join()
    return {
        "times": [each for worker in workers for each in worker.times],
        "service_times": [each for worker in workers for each in worker.service_times],
        "errors": sum(worker.errors for worker in workers),
    }


class _Worker(threading.Thread):
    """One connection."""

    def __init__(self, address: tuple[str, int], requests: list[bytes], dues: Any, ended: Any):
        super().__init__()
        self.times: list[float] = []
        self.service_times: list[float] = []
        self.errors = 0
        self._client = wire.Client(address)
        self._requests, self._dues, self._ended = requests, dues, ended

    def run(self) -> None:
        """Ask at each due time until stopped, once at least."""
        for number, due in enumerate(self._dues):
            wait_until(due)
            if number and self._ended.is_set():
                return
            sent = time.time()
            status, _ = self._client.ask(self._requests[number % len(self._requests)])
            now = time.time()
            self.times.append(now - due)
            self.service_times.append(now - sent)
            self.errors += status != 200


if __name__ == "__main__":
    serve(look_up)
