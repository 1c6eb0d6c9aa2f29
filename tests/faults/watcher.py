"""Somebody who asks the daemon over HTTP all the time, and remembers what was amiss."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HANG_SECONDS = 4.0
# How long after an outage its marks may still be seen: a connection that broke is noticed by
# the one who uses it next, and looked for again at most every other second.
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Asked:
    """One request: when, and the status, or in words what came instead of one."""

    begin: float
    end: float
    path: str
    status: int | None
    words: str

    def __str__(self) -> str:
        took = self.end - self.begin
        return f"{self.path}: {self.status or ''} {self.words} after {took:.2f} s"


@dataclass
class Excuse:
    """A time in which the database, or the daemon, was away by the test's own doing."""

    what: str
    begin: float
    end: float | None = None

    def covers(self, asked: Asked) -> bool:
        over = self.end is not None and asked.begin > self.end + GRACE_SECONDS
        return asked.end >= self.begin and not over


class Watcher:
    """Asks on ``port`` for the health, a list of jobs, and one invocation, in turn."""

    def __init__(self, port: int, invocation: str, pause_seconds: float = 0.03) -> None:
        self._port, self._pause_seconds = port, pause_seconds
        self._paths = ("/healthz", "/ledger/jobs?limit=3", f"/last-events/{invocation}")
        self._last = self._paths[-1]
        self.answers: Counter[tuple[str, int]] = Counter()
        self.slowest = (0.0, "")
        self._odd: list[Asked] = []
        self._excuses: list[Excuse] = []
        self._known = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> Watcher:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        self._thread.join(2 * HANG_SECONDS)

    @contextmanager
    def excused(self, what: str) -> Iterator[None]:
        """Note that the ``database`` or the ``daemon`` is away meanwhile."""
        excuse = Excuse(what, time.monotonic())
        self._excuses.append(excuse)
        try:
            yield
        finally:
            excuse.end = time.monotonic()

    def faults(self) -> list[str]:
        """What must not have been, once stopped."""
        silent = [path for path in self._paths if not self.answers[path, 200]]
        return [
            *(f"{asked} ({self._when(asked)})" for asked in self._odd if not self._excused(asked)),
            *(f"{path} was never answered with 200" for path in silent),
        ]

    def _when(self, asked: Asked) -> str:
        past = [f"{e.what} away {asked.begin - e.begin:.1f} s before" for e in self._excuses]
        return ", ".join(past[-2:]) or "nothing was away"

    def _excused(self, asked: Asked) -> bool:
        if asked.status is None:
            what = "nothing" if asked.words == "hung" else "daemon"
        else:
            fits = asked.status == 503 and not asked.words and asked.path != "/healthz"
            what = "database" if fits else "nothing"
        return any(each.what == what and each.covers(asked) for each in self._excuses)

    def _run(self) -> None:
        while True:
            for path in self._paths:
                self._note(self._ask(path))
                if self._over.wait(self._pause_seconds):
                    return

    def _ask(self, path: str) -> Asked:
        begin = time.monotonic()
        status, words = None, ""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=HANG_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            status = answer.status
            if status == 503 and not answer.headers.get("Retry-After", "").isdigit():
                words = "without Retry-After"
        except TimeoutError:
            words = "hung"
        except (OSError, http.client.HTTPException) as error:
            words = repr(error)
        finally:
            connection.close()
        return Asked(begin, time.monotonic(), path, status, words)

    def _note(self, asked: Asked) -> None:
        self.slowest = max(self.slowest, (asked.end - asked.begin, asked.path))
        if asked.status is not None:
            self.answers[asked.path, asked.status] += 1
        if not self._fine(asked):
            self._odd.append(asked)

    def _fine(self, asked: Asked) -> bool:
        if asked.path == self._last:
            self._known = self._known or asked.status == 200
            # Not known yet; but what was visible once stays visible.
            if asked.status == 404 and not self._known:
                return True
        return asked.status == 200
