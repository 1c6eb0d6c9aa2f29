"""Deliveries are written with their events: for whom, in what order, and with what job."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.errors import StoreUnavailable
from jexevents.model import Outcome, Role
from jexevents.observers import Nobody
from jexevents.store.database import Database
from tests.integration.web import JOB, bearer
from tests.ledger import (
    TestLedger,
    aborted,
    executing,
    held,
    message,
    named,
    open_ledger,
    released,
    submitted,
    terminated,
    text,
)

INVOCATION = "0d1c7a9e-5a0f-44e5-9cf1-1b0a7d3f5c11"
OTHER = "11111111-2222-4333-8444-555555555555"
STORY = [
    message(submitted()),
    message(named(INVOCATION)),
    message(executing(second=5)),
    message(text(6, "Image size of job updated: 5", second=6)),
    message(held(second=8)),
    message(released(second=9)),
    message(executing(second=11)),
    message(terminated(second=20)),
]
NAMES = [
    "SUBMIT",
    "JOB_AD_INFORMATION",
    "EXECUTE",
    "IMAGE_SIZE",
    "JOB_HELD",
    "JOB_RELEASED",
    "EXECUTE",
    "JOB_TERMINATED",
]
AFTER = [
    "Submitted",
    "Submitted",
    "Running",
    "Running",
    "Failed",
    "Submitted",
    "Running",
    "Completed",
]
CREATION = {
    "pipeline_uuid": "10650844-1baa-55c5-a481-5e945b19c065",
    "archive_path": "/products/1",
    "data": {"x": 1},
}
ALL = {"Name": "all", "URL": "http://h/"}
CHANGES = {"Name": "changes", "URL": "http://h/", "States": ["*"]}
ENDS = {"Name": "ends", "URL": "http://h/", "States": ["COMPLETE", "ERROR"]}


@contextmanager
def hooked(database: str, *hooks: dict[str, Any], **options: Any) -> Iterator[TestLedger]:
    """Give a ledger with these hooks, in which no batch has to be stored one by one."""
    with open_ledger(database, Hooks=list(hooks), **options) as ledger:
        ledger.ingest.observer = failures = Failures()
        yield ledger
        assert failures.kinds == []


class Failures(Nobody):
    """Notes which batches could not be stored as they were."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def batch_failed(self, kind: str) -> None:
        self.kinds.append(kind)


def written(ledger: TestLedger, hook: str = "all") -> list[tuple[str, str, str]]:
    """Give event, state and phase of a hook's deliveries, the first first."""
    found = ledger.outbox.find(hook, limit=1000)
    return [(row["name"], row["job"]["state"], row["job"]["phase"]) for row in reversed(found)]


def states(ledger: TestLedger, hook: str = "all") -> list[tuple[str, str]]:
    return [(name, state) for name, state, _ in written(ledger, hook)]


def cut(pieces: int) -> list[Sequence[bytes]]:
    step = len(STORY) // pieces
    return [STORY[start : start + step] for start in range(0, len(STORY), step)]


@pytest.mark.parametrize("pieces", [1, 2, 4, 8])
def test_each_event_comes_with_the_job_as_it_stood_after_it(database: str, pieces: int) -> None:
    """However the events are cut into batches, and whether the job is new or known."""
    with hooked(database, ALL, CHANGES, ENDS) as ledger:
        for batch in cut(pieces):
            ledger.send(*batch)
        assert states(ledger) == list(zip(NAMES, AFTER, strict=True))
        changes = [pair for pair in zip(NAMES, AFTER, strict=True) if pair[0] != "IMAGE_SIZE"]
        changes.remove(("JOB_AD_INFORMATION", "Submitted"))
        assert states(ledger, "changes") == changes
        assert states(ledger, "ends") == [("JOB_HELD", "Failed"), ("JOB_TERMINATED", "Completed")]


def test_what_a_delivery_shows_of_a_job(database: str) -> None:
    with hooked(database, ALL) as ledger:
        ledger.send(*STORY[:5], source="east")
        job = ledger.job("east#222")
        row = ledger.outbox.find("all", limit=1)[0]
        assert row["job"] == {
            "id": job["id"],
            "kind": "condor",
            "key": "east#222",
            "source": "east",
            "state": "Failed",
            "phase": "ERROR",
            "submitter": "ann",
            "submitted_at": "2026-03-01T12:00:00Z",
            "started_at": "2026-03-01T12:00:05Z",
            "finished_at": "2026-03-01T12:00:08Z",
            "exit_code": None,
            "reason": "disk full",
            "held": True,
            "invocation_id": INVOCATION,
        }
        assert (row["job_id"], row["kind"], row["state"]) == (job["id"], "condor", "pending")
        event = ledger.story("east#222")[-1]
        assert (row["seq"], row["name"], row["source"]) == (event["seq"], "JOB_HELD", "east")


@pytest.mark.parametrize("pieces", [1, 4])
def test_out_of_order_within_a_batch_is_the_order_of_the_fold(database: str, pieces: int) -> None:
    with hooked(database, ALL) as ledger:
        for batch in cut(pieces):
            told = [one for one in batch if b"Image size" not in one and b"ad inform" not in one]
            ledger.send(*reversed(told))
        expected = [
            pair
            for pair in zip(NAMES, AFTER, strict=True)
            if pair[0] not in ("IMAGE_SIZE", "JOB_AD_INFORMATION")
        ]
        assert states(ledger) == expected


def test_what_comes_too_late_comes_with_the_job_as_it_stands(database: str) -> None:
    with hooked(database, ALL, CHANGES) as ledger:
        ledger.send(STORY[0], STORY[-1])
        assert states(ledger, "changes") == [
            ("SUBMIT", "Submitted"),
            ("JOB_TERMINATED", "Completed"),
        ]
        ledger.send(STORY[2], message(aborted(second=30)))
        assert states(ledger)[2:] == [("EXECUTE", "Completed"), ("JOB_ABORTED", "Completed")]
        assert len(written(ledger, "changes")) == 2


def test_of_events_that_come_too_late_the_last_is_the_change(database: str) -> None:
    image = message(text(6, "Image size of job updated: 5", second=50))
    with hooked(database, ALL, CHANGES, ENDS) as ledger:
        ledger.send(message(executing(second=15)))
        late = [message(held(second=8)), message(terminated(second=40)), image]
        ledger.send(*late, message(submitted()))
        told = ["SUBMIT", "JOB_HELD", "IMAGE_SIZE", "JOB_TERMINATED"]
        assert states(ledger)[1:] == [(name, "Completed") for name in told]
        assert states(ledger, "changes") == [
            ("EXECUTE", "Running"),
            ("JOB_TERMINATED", "Completed"),
        ]
        assert states(ledger, "ends") == [("JOB_TERMINATED", "Completed")]


def test_the_same_again_is_delivered_once(database: str) -> None:
    with hooked(database, ALL) as ledger:
        for count in range(1, len(STORY)):
            ledger.send(*STORY[:count])
            assert len(written(ledger)) == count
        ledger.send(*STORY, *STORY)
        assert set(ledger.send(*STORY)) == {Outcome.DUPLICATE}
        assert len(written(ledger)) == len(STORY)
        found = ledger.outbox.find("all", limit=100)
        assert len({row["message_id"] for row in found}) == len(STORY)
        assert len({row["seq"] for row in found}) == len(STORY)


def test_only_what_a_hook_asks_for(database: str) -> None:
    holds = {"Name": "holds", "URL": "http://h/", "Events": ["JOB_HELD"], "Sources": ["east"]}
    with hooked(database, holds, ALL | {"Disabled": True}) as ledger:
        ledger.send(*STORY, source="west")
        ledger.send(*STORY, source="east")
        assert states(ledger, "holds") == [("JOB_HELD", "Failed")]
        assert ledger.count("hook_deliveries") == 1


def test_a_job_without_news_is_not_written_again(database: str) -> None:
    """To show a job that an event leaves as it is, it is read; and that is all."""
    with hooked(database, ALL) as ledger:
        ledger.send(STORY[0], STORY[2])
        before = ledger.job("222")
        ledger.send(STORY[3])
        assert ledger.job("222") == before
        assert states(ledger)[-1] == ("IMAGE_SIZE", "Running")


def test_events_of_no_job(database: str) -> None:
    jobless = message(text(4, "Something", job="-001.-001.-001"))
    with hooked(database, ALL, CHANGES) as ledger:
        ledger.send(*STORY, jobless)
        loose = [event for event in ledger.reading.latest_events(limit=100) if not event["job_id"]]
        found = [row for row in ledger.outbox.find("all", limit=100) if row["job_id"] is None]
        assert [row["seq"] for row in found] == [event["seq"] for event in loose]
        assert [row["job"] for row in found] == [None] * len(loose)


def test_a_held_job_is_stopped_if_it_can_be_named(database: str) -> None:
    with hooked(database, JEXURL="http://jex/") as ledger:
        ledger.send(*STORY, message(submitted(job="9.0.0")), message(held(job="9.0.0")))
        (row,) = ledger.outbox.find("jex-url", limit=10)
        assert (row["name"], row["job"]["invocation_id"]) == ("JOB_HELD", INVOCATION)
        late = [message(named(OTHER, job="9.0.0")), message(held("again", job="9.0.0", second=1))]
        ledger.send(*late)
        assert ledger.outbox.find("jex-url", limit=10)[0]["job"]["invocation_id"] == OTHER


def test_an_insertion_is_an_event_like_any_other(database: str) -> None:
    with hooked(database, CHANGES, EventURL="http://old/") as ledger:
        assert ledger.post("/jobs", JOB).status == 201
        assert states(ledger, "changes") == [("inserted", "Submitted")]
        assert states(ledger, "event-url") == states(ledger, "changes")


def test_pipelinejobs_have_hooks_too(database: str) -> None:
    """The state after each event, of several in one batch as well; what is refused is no event."""
    with hooked(database, ALL, CHANGES, ENDS) as ledger:
        admin = bearer(ledger.token(Role.ADMIN))
        made = ledger.post("/pipelinejobs", CREATION, **admin).json()
        told = {"uuid": made["uuid"], "token": made["token"]}
        names = ("run", "update", "finish", "run", "archive")
        outcomes = ledger.send(*[json.dumps(told | {"name": name}).encode() for name in names])
        expected = [("create", "CREATED"), ("run", "RUNNING"), ("update", "RUNNING")]
        expected += [("finish", "FINISHED")]
        assert outcomes[:3] == [Outcome.ACCEPTED] * 3
        assert states(ledger)[:4] == expected
        assert len(states(ledger)) == 1 + outcomes.count(Outcome.ACCEPTED)
        del expected[2]
        assert states(ledger, "changes")[:3] == expected
        assert states(ledger, "ends") == [("finish", "FINISHED")]
        job = ledger.outbox.find("ends", limit=1)[0]["job"]
        assert (job["kind"], job["key"], job["phase"]) == ("pipeline", made["uuid"], "COMPLETE")
        assert "held" not in job


def test_the_same_story_in_any_company(database: str) -> None:
    """Many jobs at once, each its own order, whatever stands between."""
    rolls = random.Random(3)
    jobs = [f"{number}.0.0" for number in range(300, 330)]
    stories = {
        job: [
            message(submitted(job=job)),
            message(executing(job=job, second=5)),
            message(terminated(job=job, second=20)),
        ]
        for job in jobs
    }
    with hooked(database, ALL) as ledger:
        while stories:
            batch = []
            for _ in range(rolls.randint(1, 30)):
                if stories:
                    job = rolls.choice(sorted(stories))
                    batch.append(stories[job].pop(0))
                    if not stories[job]:
                        del stories[job]
            ledger.send(*batch)
        by_job: dict[str, list[tuple[str, str]]] = {}
        for row in reversed(ledger.outbox.find("all", limit=1000)):
            by_job.setdefault(row["job_id"], []).append((row["name"], row["job"]["state"]))
        assert len(by_job) == len(jobs)
        for told in by_job.values():
            assert told == [
                ("SUBMIT", "Submitted"),
                ("EXECUTE", "Running"),
                ("JOB_TERMINATED", "Completed"),
            ]


# The transaction


def test_who_waits_is_woken_after_the_commit_and_only_then(database: str) -> None:
    config = from_mapping({"Hooks": [ENDS]})
    seen: list[int] = []
    with open_ledger(database) as ledger:
        pool = Database(database)

        def wake(hooks: Collection[str]) -> None:
            assert set(hooks) == {"ends"}
            seen.append(sum(ledger.outbox.pending().values()))

        try:
            way_in = wiring.ingest(config, pool, wake=wake)
            hooked_ledger = TestLedger(
                pool, way_in, ledger.reading, ledger.app, ledger.tokens, ledger.outbox
            )
            hooked_ledger.send(*STORY[:3])
            assert seen == []
            hooked_ledger.send(*STORY[3:])
            assert seen == [2]
            hooked_ledger.send(*STORY)
            assert seen == [2]
        finally:
            pool.close()


def test_without_its_event_there_is_no_delivery(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hooked(database, ALL) as ledger:

        def fail(*_arguments: Any) -> None:
            raise StoreUnavailable("just before the end")

        monkeypatch.setattr("jexevents.store.ledger.take_rejects", fail)
        with pytest.raises(StoreUnavailable):
            ledger.send(*STORY)
        assert (ledger.count("events"), ledger.count("hook_deliveries")) == (0, 0)
        monkeypatch.undo()
        ledger.send(*STORY)
        assert ledger.count("hook_deliveries") == len(STORY)


def test_without_hooks_nothing_is_asked(ledger: TestLedger, database: str) -> None:
    ledger.send(*STORY)
    assert ledger.count("hook_deliveries") == 0
    with hooked(database, ALL | {"Disabled": True}) as own:
        assert own.ingest._ledger._interest is None
