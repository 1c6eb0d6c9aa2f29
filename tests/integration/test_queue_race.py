"""Several nodes work on one queue, and everything that may come between them does."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from jexevents.executions.events import Named
from jexevents.executions.queue import Claimed, Queue, Report
from jexevents.executions.requests import Asked
from jexevents.store.database import Database
from jexevents.store.ledger import Ledger
from jexevents.store.verify import Scope, Verification
from jexevents.wiring import recognise
from tests.scheduling import START_OF_TESTS, Place, commit

NODES, RUNS = 4, 160
JOBS = {
    "free": 'command: "true"\nretries: {count: 2, backoff: 0, on: [fail, lost]}\n',
    "row": 'command: "true"\nconcurrency: queue\n'
    "retries: {count: 1, backoff: 0, on: [fail, time-out]}\n",
    "urgent": 'command: "true"\npriority: 5\nconcurrency: queue\n',
}
STARTED = {"name": "start", "cause": "", "auto": True, "by": "supervisor"}


class Node:
    """One node, which claims, begins and reports as chance has it."""

    def __init__(self, uri: str, name: str, seed: int) -> None:
        self.pool = Database(uri)
        self.name, self.chance = name, random.Random(seed)
        self.queue = Queue(Ledger(self.pool), self.pool, name)
        self.begun: list[tuple[str, int]] = []

    def turn(self) -> bool:
        """Take what there is, and do something with each; whether there was anything."""
        found = self.queue.claim(self.chance.randint(1, 3))
        for place, one in enumerate(found, 1):
            if self.chance.random() < 0.15:
                self.queue.give_back(but=found[place:])
            else:
                self._work(one)
        return bool(found)

    def _work(self, one: Claimed) -> None:
        if not self.queue.begin(one, "boot"):
            return
        self.begun.append((one.job_id, one.attempt))
        self._tell(one, [self._event(1, "start")])
        what = self.chance.random()
        if what < 0.15 and one.named.definition == "free":
            # Somebody gives it up; what it tells later is late.
            self.queue.give_up(one.job_id, one.named, one.attempt, "silent")
        name, code = ("complete", 0) if what > 0.4 else ("fail", 3)
        end = {"reason": "exit", "exit_code": code, "ended": 1}
        for _ in range(2):
            self._tell(one, [self._event(2, name)], end)

    def _tell(self, one: Claimed, events: list, end: dict | None = None) -> None:
        self.queue.report([Report(one.job_id, one.named, one.attempt, events, end=end)])

    def _event(self, number: int, name: str) -> dict:
        return {**STARTED, "seq": number, "time": 1_795_000_000_000_000, "name": name}


@pytest.fixture
def nodes(database: str) -> Iterator[list[Node]]:
    made = [Node(database, f"n{number}", number) for number in range(NODES)]
    yield made
    for node in made:
        node.pool.close()


def test_nodes_on_one_queue(database: str, nodes: list[Node]) -> None:
    place = Place(database, START_OF_TESTS)
    requests = place.daemon(commit("a" * 40, **JOBS)).requests
    done, cancelled = threading.Event(), []

    def ask() -> None:
        for number in range(RUNS):
            name = random.Random(number).choice(list(JOBS))
            (made,) = requests.request([Asked(name, by="somebody")])
            if number % 9 == 0 and nodes[0].queue.cancel(
                made.job_id, Named(made.execution, name), "not wanted"
            ):
                cancelled.append(made.job_id)
        done.set()

    def free() -> None:
        """As when the lease of each claim has ended just now."""
        while not done.wait(0.02):
            place.ask(
                "update execution_queue set node = null, lease_until = null"
                " where begun_at is null and node is not null"
            )

    def work(node: Node) -> None:
        while node.turn() or not done.is_set() or place.ask("select from execution_queue"):
            pass

    with ThreadPoolExecutor(NODES + 2) as threads:
        for task in [threads.submit(ask), threads.submit(free)] + [
            threads.submit(work, node) for node in nodes
        ]:
            task.result(120)
    begun = Counter(one for node in nodes for one in node.begun)
    assert set(begun.values()) == {1}
    assert len(begun) == place.ask("select count(*) from execution_attempts")[0]["count"]
    assert not cancelled or not {job_id for job_id, _ in begun} & set(cancelled)
    assert not place.ask("select from jobs where not closed")
    for name in ("row", "urgent"):
        turns = place.ask(
            "select begun_at, settled_at from execution_attempts a join executions x"
            " using (job_id) where definition = %(name)s order by begun_at",
            name=name,
        )
        for one, following in pairwise(turns):
            assert one["settled_at"] <= following["begun_at"]
    with_two = place.ask("select from executions where attempt > 1")
    assert with_two
    pages = list(Verification(place.database, Scope(), recognise).pages())
    assert not [difference for page in pages for difference in page.differences]
    place.database.close()
