"""The queue of executions: who has what, and what becomes of it when nobody answers for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from jexevents.errors import Conflict, Invalid, RepositoryUnavailable, Unknown
from jexevents.executions.events import Named
from jexevents.executions.queue import Claimed, Queue, Report
from jexevents.executions.requests import Asked, Requests
from jexevents.executions.run import Run
from jexevents.executions.telling import tell
from jexevents.model import Event
from jexevents.processes import boot
from jexevents.store.database import Connection, Database
from jexevents.store.executions import Executions
from jexevents.store.ledger import Ledger
from jexevents.store.offers import Applied
from tests.scheduling import Repository, commit
from tests.support import wait_until

LEASE = 0.4
JOBS = {
    "free": "command: 'true'\n",
    "alone": "command: 'true'\nconcurrency: forbid\n",
    "row": "command: 'true'\nconcurrency: queue\n",
    "first": "command: 'true'\npriority: 5\n",
    "again": "command: 'true'\nretries: {count: 1, backoff: 0, on: [lost]}\n",
    "nothing": "description: x\n",
    "typed": "command: echo {{ n }}\nvars: [{name: n, type: int, required: yes}]\n",
}


class Place:
    """A ledger with these jobs, and nodes that take from its queue."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.database = Database(uri)
        self.repository = Repository()
        self.repository.put(commit("a" * 40, **JOBS))
        self.ledger = Ledger(self.database)
        self.requests = Requests(self.ledger, self.repository, "one")
        self.executions = Executions(self.database)

    def queue(self, node: str = "one", lease: float = LEASE) -> Queue:
        return Queue(Ledger(self.database), self.database, node, lease_seconds=lease)

    def ask(self, name: str, **more: Any) -> Named:
        (made,) = self.requests.request([Asked(name, by="ann", **more)])
        return Named(made.execution, name)

    def state(self, named: Named) -> str:
        return self.executions.find(named.definition, named.execution)["state"]

    def names(self, named: Named) -> list[str]:
        row = self.executions.find(named.definition, named.execution)
        return [one["name"] for one in self.executions.story(row["job_id"])]

    def hooked(self) -> list[tuple[str, str]]:
        """Give what was written for hooks: the event, and the id of its job."""
        with self.database.look() as connection, connection.cursor() as cursor:
            cursor.execute(
                "select name, d.job_id::text from jex.hook_deliveries d join jex.events using (seq)"
                " order by d.id"
            )
            return cursor.fetchall()

    def run(self, statement: str) -> None:
        with closing(psycopg2.connect(self.uri)) as connection, connection:
            connection.cursor().execute(statement)

    def node_was_seen(self, node: str, seconds_ago: float) -> None:
        self.run(
            "insert into jex.nodes (name, role, version, pid, seen_at) values"
            f" ('{node}', 'daemon', '0', 1, now() - interval '{seconds_ago} s')"
            " on conflict (name, role) do update set seen_at = excluded.seen_at"
        )


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    made = Place(database)
    yield made
    made.database.close()


def event(seq: int, name: str, auto: bool = True, by: str = "supervisor") -> dict[str, Any]:
    return {"seq": seq, "time": 1_790_000_000_000_000 + seq, "name": name, "cause": "",
            "auto": auto, "by": by}  # fmt: skip


def ended(claimed: Claimed, code: int = 0) -> Report:
    """Give the report of an attempt that began and ended."""
    name = "complete" if code == 0 else "fail"
    end = {"phase": "ended", "reason": "exit", "exit_code": code, "cause": f"exit {code}",
           "output": {"stdout": 3, "stderr": 0, "dropped": 1, "lost": {"stdout": 1}}}  # fmt: skip
    return Report(
        claimed.job_id, claimed.named, claimed.attempt, [event(1, "start"), event(2, name)], end=end
    )


def begun(place: Place, queue: Queue, name: str = "free") -> Claimed:
    place.ask(name)
    (claimed,) = queue.claim(1)
    assert queue.begin(claimed, boot())
    return claimed


def test_the_larger_priority_first_then_the_older(place: Place) -> None:
    asked = [place.ask(name) for name in ("free", "free", "first", "free")]
    taken = [place.queue().claim(1)[0].named for _ in asked]
    assert taken == [asked[2], asked[0], asked[1], asked[3]]


def test_many_nodes_that_claim_at_once_take_each_once(place: Place) -> None:
    asked = {place.ask("free") for _ in range(40)}
    taken: list[Named] = []

    def take(node: str) -> None:
        while found := place.queue(node).claim(3):
            taken.extend(one.named for one in found)

    threads = [threading.Thread(target=take, args=(f"n{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == sorted(asked)


@pytest.mark.parametrize("nodes", [1, 5])
def test_of_those_that_exclude_each_other_one_is_taken(place: Place, nodes: int) -> None:
    asked = [place.ask("row") for _ in range(4)]
    taken: list[Claimed] = []

    def take(node: str) -> None:
        taken.extend(place.queue(node).claim(10))

    threads = [threading.Thread(target=take, args=(f"n{number}",)) for number in range(nodes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [one.named for one in taken] == asked[:1]


def test_what_is_claimed_and_not_begun_is_free_after_its_lease(place: Place) -> None:
    named = place.ask("free")
    first, second = place.queue("one"), place.queue("two")
    (late,) = first.claim(1)
    second.judge(1e6)
    assert second.claim(1) == []
    wait_until(lambda: second.judge(1e6) or second.claim(1), 20, "the lease to end")
    assert place.state(named) == "QUEUED"
    assert not first.begin(late, boot()), "who comes late begins nothing"
    assert place.names(named).count("claimed") == 2


def test_what_was_begun_outlives_every_lease(place: Place) -> None:
    queue = place.queue("one")
    claimed = begun(place, queue)
    place.node_was_seen("one", 3600)
    place.run("update jex.execution_queue set begun_at = now() - interval '1 hour'")
    place.run("update jex.runner_state set judged_at = now(), judged_from = now()")
    place.queue("two").judge(lost_after_seconds=7200)
    assert place.state(claimed.named) == "QUEUED"
    assert queue.held() == {(claimed.job_id, 1)}


def test_a_node_that_is_silent_for_too_long_loses_what_it_has(place: Place) -> None:
    queue = place.queue("one")
    claimed = begun(place, queue)
    queue.report([Report(claimed.job_id, claimed.named, 1, [event(1, "start")])])
    place.node_was_seen("one", 7300)
    place.run("update jex.execution_queue set begun_at = now() - interval '3 hours'")
    place.run("update jex.runner_state set judged_at = now(), judged_from = now()")
    place.queue("two").judge(lost_after_seconds=7200)
    row = place.executions.find("free", claimed.named.execution)
    assert (row["state"], row["closed"]) == ("LOST", True)
    assert "one" in row["reason"]
    late = queue.report([ended(claimed, 3)])
    assert late == {(claimed.job_id, 1)}
    assert place.state(claimed.named) == "LOST"
    assert place.names(claimed.named)[-1] == "fail"


def test_a_node_that_is_heard_of_loses_nothing(place: Place) -> None:
    queue = place.queue("one")
    claimed = begun(place, queue)
    place.node_was_seen("one", 0)
    place.run("update jex.execution_queue set begun_at = now() - interval '3 days'")
    place.run("update jex.runner_state set judged_at = now(), judged_from = now()")
    place.queue("two", lease=60).judge(lost_after_seconds=7200)
    assert place.state(claimed.named) == "QUEUED"


def test_where_another_attempt_is_allowed_silence_of_a_lease_is_enough(place: Place) -> None:
    queue = place.queue("one")
    claimed = begun(place, queue, "again")
    place.node_was_seen("one", 100)
    place.run("update jex.execution_queue set begun_at = now() - interval '100 s'")
    place.run("update jex.runner_state set judged_at = now(), judged_from = now()")
    other = place.queue("two")
    other.judge(lost_after_seconds=7200)
    assert place.names(claimed.named)[-2:] == ["lost", "retried"]
    (second,) = other.claim(1)
    assert (second.named, second.attempt) == (claimed.named, 2)
    assert other.begin(second, boot())
    assert queue.report([ended(claimed)]) == {(claimed.job_id, 1)}, "the first comes late"
    assert place.state(claimed.named) == "QUEUED"
    assert other.report([ended(second, 0)]) == set()
    assert place.state(claimed.named) == "COMPLETE"


def test_hooks_for_a_loss_hear_of_the_last_one_only(place: Place) -> None:
    """What another attempt follows is told by ``retried``; of other jobs in the transaction too."""

    def told(connection: Connection, fresh: Sequence[tuple[Event, Applied, Run]]) -> set[str]:
        words = ("lost", "fail", "retried")
        hooks = {word: [f"http://{word}/"] for word in words}
        return tell(connection, [(event, one, replace(run, hooks=hooks))
                                 for event, one, run in fresh])  # fmt: skip

    queue = Queue(place.ledger, place.database, "one", tell=told, lease_seconds=LEASE)
    first, other = begun(place, queue, "again"), begun(place, queue)
    lost = [Report(first.job_id, first.named, 1, [event(1, "start")], lost="So."), ended(other, 3)]
    queue.report(lost)
    assert sorted(place.hooked()) == [("fail", other.job_id), ("retried", first.job_id)]
    (second,) = queue.claim(1)
    assert queue.begin(second, boot())
    queue.report([Report(second.job_id, second.named, 2, lost="So.")])
    assert place.hooked()[2:] == [("lost", first.job_id)]


def test_nothing_is_judged_before_a_whole_lease_with_postgresql_there(place: Place) -> None:
    """After an outage all nodes look silent, and all leases are over."""
    named = place.ask("free")
    place.queue("one", lease=0.01).claim(1)
    place.run("update jex.runner_state set judged_at = now() - interval '60 s'")
    judge = place.queue("two", lease=5)
    judge.judge(1e6)
    assert place.queue("two").claim(1) == [], "the first look behind a gap frees nothing"
    assert place.state(named) == "QUEUED"
    wait_until(lambda: judge.judge(1e6) or judge.claim(1), 30, "a lease without a gap")


def test_reports_are_stored_once_and_say_how_much_was_written(place: Place) -> None:
    queue = place.queue()
    claimed = begun(place, queue)
    for _ in range(3):
        queue.report([ended(claimed)])
    assert place.names(claimed.named) == ["requested", "claimed", "start", "complete"]
    (attempt,) = place.executions.attempts(claimed.job_id)
    assert (attempt["stdout_bytes"], attempt["missing_bytes"], attempt["sequence"]) == (3, 2, 2)
    assert attempt["settled_at"] is not None
    assert queue.unsettled() == []


def test_cancelled_while_another_begins(place: Place) -> None:
    """Of a cancel and a begin one is first, and the other finds that out."""
    queue = place.queue()
    for _ in range(10):
        named = place.ask("free")
        (claimed,) = queue.claim(1)
        with ThreadPoolExecutor(2) as pool:
            begins = pool.submit(queue.begin, claimed, boot())
            cancels = pool.submit(queue.cancel, claimed.job_id, named, "no")
        assert begins.result() is not cancels.result()
        assert (place.state(named) == "CANCELLED") is cancels.result()


def test_forbid_holds_though_all_ask_at_once(place: Place) -> None:
    made: list[Named] = []
    refused: list[Conflict] = []

    def ask() -> None:
        try:
            made.append(place.ask("alone"))
        except Conflict as conflict:
            refused.append(conflict)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(made), len(refused)) == (1, 5)
    (claimed,) = place.queue().claim(5)
    assert place.queue().begin(claimed, boot())
    place.queue().report([ended(claimed)])
    place.ask("alone")


def test_several_in_one_request_are_all_or_none(place: Place) -> None:
    with pytest.raises(Invalid):
        place.requests.request([Asked("free"), Asked("typed")])
    with pytest.raises(Unknown):
        place.requests.request([Asked("free"), Asked("unknown")])
    with pytest.raises(Conflict):
        place.requests.request([Asked("alone"), Asked("alone")])
    assert place.queue().next_due() is None
    made = place.requests.request([Asked("free"), Asked("nothing"), Asked("free")])
    assert len({one.execution for one in made}) == 3
    assert len(place.queue().claim(10)) == 2


def test_an_id_that_is_taken_is_not_given_twice(place: Place) -> None:
    first = place.ask("free")
    place.requests._new_id = iter([first.execution, first.execution + 1]).__next__
    second = place.ask("nothing")
    assert second.execution == first.execution + 1
    assert place.state(first) == "QUEUED"


def test_without_definitions_nothing_can_be_asked_for(place: Place) -> None:
    place.repository.standing = type(place.repository.standing)()
    with pytest.raises(RepositoryUnavailable):
        place.ask("free")


def test_a_key_is_one_over_its_job_whoever_asks(place: Place) -> None:
    first = place.ask("free", key="k")
    assert place.ask("free", key="k") == first
    assert place.ask("first", key="k") != first
    place.requests.request([Asked("typed", {"n": 1}, key="k2")])
    with pytest.raises(Conflict):
        place.requests.request([Asked("typed", {"n": 2}, key="k2")])


class Heard:
    """What an observer of the queue hears."""

    def __init__(self) -> None:
        self.begins: list[tuple[str, float]] = []
        self.ends: list[tuple[str, float]] = []

    def begun(self, kind: str, waited_seconds: float) -> None:
        self.begins.append((kind, waited_seconds))

    def ran(self, kind: str, seconds: float) -> None:
        self.ends.append((kind, seconds))

    def decided(self, outcomes: Any) -> None:
        raise AssertionError("the queue decides nothing about due times")


def test_an_observer_hears_how_long_attempts_waited_and_went_on(place: Place) -> None:
    heard = Heard()
    queue = Queue(Ledger(place.database), place.database, "one", observer=heard)
    place.ask("free")
    place.run("update jex.execution_queue set due_at = due_at - interval '1 minute'")
    (claimed,) = queue.claim(1)
    assert heard.begins == []
    assert queue.begin(claimed, boot())
    ((kind, waited),) = heard.begins
    assert kind == "command"
    assert 60 <= waited < 120
    # Nobody begins what is begun.
    assert not queue.begin(claimed, boot())
    assert len(heard.begins) == 1
    place.run("update jex.execution_attempts set begun_at = begun_at - interval '1 hour'")
    begun = Report(claimed.job_id, claimed.named, claimed.attempt, [event(1, "start")])
    queue.report([begun])
    assert heard.ends == []
    queue.report([ended(claimed)])
    ((kind, seconds),) = heard.ends
    assert kind == "command"
    assert 3600 <= seconds < 3660
    # The same report again, as after an answer that was lost.
    queue.report([ended(claimed)])
    assert len(heard.ends) == 1
