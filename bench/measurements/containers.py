"""Runs of container tasks: how many beside the bare library, how soon, on two workers, in lists."""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bench import engines
from bench.daemon import Daemon, command
from bench.engines import Bared
from bench.errors import BenchFailed
from bench.figures import Goal, Result, milliseconds, percentile
from bench.stage import Bench, Stage

_SLOTS = 4
_PAIR_SLOTS = 2
_LOOK_SECONDS = 0.02
_STALL_SECONDS = 600.0
_PAGE = 100
_TRUE = ["true"]


def measure(bench: Bench) -> Result:
    """Measure with an engine of our own, or with one that answers."""
    sizes = bench.sizes
    with engines.provided(bench.say) as engine:
        with _place(bench, engine, _SLOTS) as place:
            bench.say("containers: rates")
            bare, ours = _rates(place, sizes.container_rounds, sizes.containers)
            bench.say("containers: starts")
            starts = _starts(place, sizes.container_starts)
        bench.say("containers: two workers")
        pair = [_slept(bench, engine, workers, sizes.containers) for workers in (1, 2)]
        bench.say("containers: pages")
        with _place(bench, engine, 0) as place:
            pages = _pages(place, sizes.details)
    figures = milliseconds(starts)
    shares = [one / other for one, other in zip(ours, bare, strict=True)]
    page = percentile(pages, 0.5) * 1000
    goals = [
        Goal(f"containers with {_SLOTS} slots", statistics.median(ours), "/s"),
        Goal("the same by a bare loop over docker's library", statistics.median(bare), "/s"),
        Goal("the one as a part of the other", statistics.median(shares), "", 0.9),
        Goal("RUN to container start: p50", figures["p50"], "ms"),
        Goal("RUN to container start: p99", figures["p99"], "ms"),
        Goal("containers on two workers, times those on one", pair[1] / pair[0], ""),
        Goal(f"a page of {_PAGE} out of {sizes.details:,} details: p50", page, "ms", 50, "min"),
    ]
    raw = {"bare": bare, "ours": ours, "starts": starts, "workers": pair, "pages": pages,
           "engine": engine.about}  # fmt: skip
    return Result([], goals, raw)


@dataclass(frozen=True)
class _Place:
    """A daemon that runs containers, a connection to it, and a task that is ready."""

    engine: Bared
    daemon: Daemon
    connection: http.client.HTTPConnection
    token: str
    task: int = 0

    def ask(self, method: str, path: str, values: Any = None) -> Any:
        """Send a request; give the JSON of the answer."""
        fields = {"Authorization": f"Bearer {self.token}"}
        body = None if values is None else json.dumps(values)
        self.connection.request(method, path, body, fields)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise BenchFailed(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content)

    def run(self, times: int, words: list[str]) -> int:
        """Ask for runs; give the id of the result."""
        order = {"operation": "RUN", "times": times, "command": words}
        return self.ask("POST", f"/task/{self.task}/", order)["result_id"]

    def ended(self, result: int, look_seconds: float = _LOOK_SECONDS) -> dict[str, Any]:
        """Wait for the end of a result, which must be good; give it."""

        def is_over() -> bool:
            return self.ask("GET", f"/result/{result}/")["end"] is not None

        self.wait("the end of a result", is_over, look_seconds)
        found = self.ask("GET", f"/result/{result}/")
        if found["status"] != "COMPLETE":
            raise BenchFailed(f"a result ended as {found['status']}: {found['counts']}")
        return found

    def wait(
        self, what: str, done: Callable[[], bool], look_seconds: float = _LOOK_SECONDS
    ) -> None:
        """Look again and again until it is done."""
        deadline = time.monotonic() + _STALL_SECONDS
        while not done():
            self.daemon.alive()
            if time.monotonic() > deadline:
                raise BenchFailed(f"still waiting for {what}")
            time.sleep(look_seconds)


@contextmanager
def _place(bench: Bench, engine: Bared, slots: int, workers: int = 1) -> Iterator[_Place]:
    options = {"WorkerSlots": slots, "JobsDir": "jobs", "ContainerEngine": engine.url}
    with bench.stage(**options) as stage, ExitStack() as stack:
        roles = ("--role", "read", "--role", "run")
        token = command("token", "make", "--config", str(stage.config()), *roles)
        for node in range(2, workers + 1):
            stack.enter_context(_more(stage, node))
        with stage.daemon() as daemon:
            connection = http.client.HTTPConnection(*daemon.wait_ready(), timeout=60)
            place = _Place(engine, daemon, connection, token)
            made = place.ask("POST", "/task/", {"repository": engine.image})
            path = f"/task/{made['task_id']}/"
            place.wait("the image", lambda: place.ask("GET", path)["status"] == "READY")
            yield _Place(engine, daemon, connection, token, made["task_id"])
            connection.close()


@contextmanager
def _more(stage: Stage, node: int) -> Iterator[Daemon]:
    """Start another daemon, which has a folder of its own."""
    path = stage.config(node)
    path.write_text(json.dumps({**json.loads(path.read_text()), "JobsDir": f"jobs{node}"}))
    with Daemon(path) as daemon:
        daemon.wait_ready()
        yield daemon


def _rates(place: _Place, rounds: int, count: int) -> tuple[list[float], list[float]]:
    """Give containers a second, in turns: by the library alone, and by us."""
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(_bare(place.engine, count))
        begin = time.monotonic()
        place.ended(place.run(count, _TRUE), 0.1)
        ours.append(count / (time.monotonic() - begin))
    return bare, ours


def _bare(engine: Bared, count: int) -> float:
    """Run as many at once by the library alone, in containers that are like ours."""
    clients = threading.local()

    def run(_number: int) -> None:
        if not hasattr(clients, "own"):
            clients.own = engine.library()
        clients.own.containers.run(engine.image, _TRUE, network_mode="none", init=True, remove=True)

    with ThreadPoolExecutor(_SLOTS) as pool:
        list(pool.map(run, range(_SLOTS)))  # connected, and its code loaded
        begin = time.monotonic()
        list(pool.map(run, range(count)))
        return count / (time.monotonic() - begin)


def _starts(place: _Place, count: int) -> list[float]:
    """Give the seconds from a request's sending to the start of its container, as the engine has
    it."""
    found = []
    for _ in range(count):
        called = time.time()
        found.append(place.ended(place.run(1, _TRUE))["start"] - called)
    return found


def _slept(bench: Bench, engine: Bared, workers: int, count: int) -> float:
    """Give containers a second that do nothing for a second, with two slots a worker."""
    with _place(bench, engine, _PAIR_SLOTS, workers) as place:
        begin = time.monotonic()
        place.ended(place.run(count, ["sleep", "1"]), 0.1)
        return count / (time.monotonic() - begin)


def _pages(place: _Place, details: int) -> list[float]:
    """Give the seconds of each page of a result with so many details that wait."""
    result = place.run(details, _TRUE)
    path: str | None = f"/result/{result}/detail/?limit={_PAGE}"
    found, seen = [], 0
    while path:
        begin = time.monotonic()
        fields = {"Authorization": f"Bearer {place.token}"}
        place.connection.request("GET", path, headers=fields)
        answer = place.connection.getresponse()
        seen += len(json.loads(answer.read()))
        found.append(time.monotonic() - begin)
        path = _next(answer.getheader("Link"))
    if seen != details:
        raise BenchFailed(f"{seen} details were listed, not {details}")
    return found


def _next(link: str | None) -> str | None:
    if not link:
        return None
    url = link.partition(">")[0].removeprefix("<")
    return "/" + url.partition("://")[2].partition("/")[2] if "://" in url else url
