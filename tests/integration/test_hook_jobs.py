"""Hooks that start jobs: from an event, over its delivery, to the execution of a definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jexevents import wiring
from jexevents.definitions.repository import Repository, Source
from jexevents.executions.chaining import MOST_DEPTH, Chain
from jexevents.executions.events import Named
from jexevents.executions.requests import Asked, Requests
from jexevents.executions.telling import tell
from jexevents.hooks.service import HookSenders
from jexevents.hookwords import name_of_url
from jexevents.lifecycle.executionid import microseconds
from jexevents.store.database import Database
from jexevents.store.definition_hooks import depth
from jexevents.store.outbox import DEAD, DELIVERED, PENDING
from tests.gitting import Origin
from tests.integration.definition_hooks import Executions
from tests.integration.hook_place import SOON, Place, send
from tests.ledger import terminated
from tests.support import wait_until

REPORT = """
command: report {{ state }} {{ code }} {{ job }}
vars:
  - {name: state}
  - {name: code, type: int, default: 0}
  - {name: job}
  - {name: exit_code, type: int, option: yes}
"""
NUMBER = "command: count {{ exit_code }}\nvars: [{name: exit_code, type: int, required: yes}]\n"
NOTHING = "hooks: {complete: 'job:report'}\n"
LOOP = "command: again\nhooks: {complete: 'job:loop'}\n"


@dataclass
class Runner:
    """What takes requests for executions, over a repository; nothing is run."""

    place: Place
    requests: Requests
    executions: Executions
    woken: list[str]
    pool: Database

    def start(self) -> HookSenders:
        """Start the senders of a daemon that starts jobs."""
        pool = self.place.database()
        chain = Chain(self.requests, partial(depth, pool))
        made = wiring.hook_senders(self.place.config, pool, self.place.heard, run_job=chain)
        self.place.senders.append(made)
        made.start()
        return made

    def requested(self, name: str) -> list[Mapping[str, Any]]:
        """What the executions of a job were asked for with, the first asked first."""
        with self.pool.look() as connection, connection.cursor() as cursor:
            cursor.execute(
                "select e.data from events e join jobs j on j.id = e.job_id"
                " where j.source = %s and e.name = 'requested' order by e.seq",
                [name],
            )
            return [data for (data,) in cursor.fetchall()]

    def wait_for(self, name: str, count: int) -> list[Mapping[str, Any]]:
        wait_until(lambda: len(self.requested(name)) >= count, SOON, f"{count} of {name}")
        return self.requested(name)


@pytest.fixture
def runner(database: str, tmp_path: Path) -> Iterator[Runner]:
    origin = Origin(tmp_path / "origin")
    origin.commit(report__yml=REPORT, number__yml=NUMBER, loop__yml=LOOP, nothing__yml=NOTHING)
    repository = Repository(Source(origin.url), tmp_path / "place", "node", fetch_seconds=30.0)
    repository.open()
    assert repository.refresh().fault is None
    place = Place(database, [])
    executions = Executions.of(place)
    woken: list[str] = []
    requests = Requests(executions.ledger, repository, "n1", tell=tell, wake=woken.extend)
    yield Runner(place, requests, executions, woken, place.database())
    place.end()
    repository.close()


def test_an_event_of_an_execution_starts_a_job_with_what_it_says(runner: Runner) -> None:
    senders = runner.start()
    named = runner.executions.make("nightly")
    hooks = {"complete": ["job:report"]}
    senders.wake(runner.executions.tell(named, ["start", "complete"], hooks))
    (told,) = runner.wait_for("report", 1)
    assert told["values"] == {
        "state": "COMPLETE", "code": 0, "job": "1772366400.0", "exit_code": 0,
    }  # fmt: skip
    assert told["command"].startswith("report COMPLETE 0 1772366400.0")
    assert (told["depth"], told["trigger"]) == (1, "hook")
    hook = name_of_url("job:report")
    assert told["by"] == f"hook {hook}"
    runner.place.wait_for_states([DELIVERED], hook)
    (row,) = runner.place.outbox.find(hook, limit=1)
    assert row["status"] == 202
    execution = row["answer"].removeprefix("execution ")
    assert microseconds(execution) == round(told["execution"] * 1_000_000)


def test_a_configured_hook_starts_a_job(runner: Runner) -> None:
    hook = {"Name": "mine", "URL": "job:report", "States": ["COMPLETE"]}
    runner.place.hooks = [hook]
    senders = runner.start()
    send(runner.place.ingest(senders.wake), terminated())
    (told,) = runner.wait_for("report", 1)
    assert told["values"] == {"state": "Completed", "code": 0, "job": "222"}
    assert (told["depth"], told["by"]) == (1, "hook mine")


def test_it_is_started_once_however_often_it_is_tried(runner: Runner) -> None:
    senders = runner.start()
    hook = name_of_url("job:report")
    senders.wake(
        runner.executions.tell(runner.executions.make(), "complete", {"complete": ["job:report"]})
    )
    runner.place.wait_for_states([DELIVERED], hook)
    (row,) = runner.place.outbox.find(hook, limit=1)
    assert runner.place.outbox.redeliver(hook, row["id"])
    senders.wake()
    wait_until(lambda: len(runner.place.heard.sent_to) == 2, SOON, "the second try")
    (again,) = runner.place.outbox.find(hook, limit=1)
    assert (again["state"], again["answer"]) == (DELIVERED, row["answer"])
    assert len(runner.requested("report")) == 1


@pytest.mark.parametrize(
    ("url", "status", "reason"),
    [("job:gone", 404, "no job 'gone'"), ("job:number", 422, "exit_code")],
)
def test_what_can_never_be_started_is_dead(
    runner: Runner, url: str, status: int, reason: str
) -> None:
    """An unknown job, and an event that has not the values that the job needs."""
    senders = runner.start()
    hook = name_of_url(url)
    senders.wake(runner.executions.tell(runner.executions.make(), "x", {"x": [url]}))
    runner.place.wait_for_states([DEAD], hook)
    (row,) = runner.place.outbox.find(hook, limit=1)
    assert (row["status"], row["attempts"]) == (status, 1)
    assert reason in row["error"]
    assert not runner.place.outbox.is_disabled(hook)


def active(place: Place, name: str, is_active: bool) -> None:
    with place.database().transaction() as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into definition_states as s (name, active, credential) values (%s, %s, 'me')"
            " on conflict (name) do update set active = excluded.active",
            [name, is_active],
        )


def test_a_job_off_the_active_list_is_started_when_it_is_back(runner: Runner) -> None:
    active(runner.place, "report", False)
    senders = runner.start()
    hook = name_of_url("job:report")
    senders.wake(runner.executions.tell(runner.executions.make(), "x", {"x": ["job:report"]}))
    wait_until(lambda: len(runner.place.heard.sent_to) > 2, SOON, "some tries")
    (row,) = runner.place.outbox.find(hook, limit=1)
    assert (row["state"], row["status"]) == (PENDING, 409)
    active(runner.place, "report", True)
    runner.place.wait_for_states([DELIVERED], hook)
    assert len(runner.requested("report")) == 1


def test_a_daemon_without_jobs_leaves_it_to_others(runner: Runner) -> None:
    runner.place.start()
    runner.executions.tell(runner.executions.make(), "x", {"x": ["job:report"]})
    wait_until(lambda: len(runner.place.heard.sent_to) > 2, SOON, "some tries")
    runner.start()
    runner.wait_for("report", 1)
    runner.place.wait_for_states([DELIVERED], name_of_url("job:report"))


def test_a_job_that_starts_itself_comes_to_an_end(runner: Runner) -> None:
    senders = runner.start()
    hook = name_of_url("job:loop")
    runner.requests.request([Asked("loop")])
    for count in range(1, MOST_DEPTH + 2):
        last = runner.wait_for("loop", count)[-1]
        assert last.get("depth", 0) == count - 1
        named = Named(round(last["execution"] * 1_000_000), "loop")
        _, definition = runner.requests.definition("loop")
        senders.wake(runner.executions.tell(named, ["start", "complete"], definition.hooks))
    runner.place.wait_for_states([*[DELIVERED] * MOST_DEPTH, DEAD], hook)
    (row,) = runner.place.outbox.find(hook, limit=1, state=DEAD)
    assert "10 hooks led to this event" in row["error"]
    assert len(runner.requested("loop")) == MOST_DEPTH + 1


def test_a_job_that_has_nothing_to_run_has_hooks_too(runner: Runner) -> None:
    runner.start()
    runner.requests.request([Asked("nothing", key="once")])
    runner.requests.request([Asked("nothing", key="once")])
    assert runner.woken == [name_of_url("job:report")]
    (told,) = runner.wait_for("report", 1)
    assert told["values"]["state"] == "COMPLETE"
    runner.place.wait_for_states([DELIVERED], name_of_url("job:report"))
