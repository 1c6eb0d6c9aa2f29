"""The messages of the bench: whole jobs, interleaved, each one an event as HTCondor writes it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from datetime import datetime, timezone
from itertools import pairwise

import pytest

from bench import load
from jexevents.lifecycle import condor
from jexevents.model import Arrival
from jexevents.sources.condor.message import read
from jexevents.sources.condor.parse import parse
from jexevents.store.rows import StoredEvent

NAMES = ["SUBMIT", "EXECUTE", "IMAGE_SIZE", "IMAGE_SIZE", "JOB_TERMINATED"]


@pytest.mark.parametrize(("jobs", "places"), [(1, 1), (7, 3), (2500, 1000), (40, 1000), (0, 10)])
def test_every_job_has_its_events_in_order(jobs: int, places: int) -> None:
    steps = defaultdict(list)
    for job, step in load.interleaved(jobs, places):
        steps[job].append(step)
    assert sorted(steps) == list(range(jobs))
    assert all(found == list(range(load.STEPS)) for found in steps.values())


def test_neighbours_belong_to_different_jobs() -> None:
    jobs = [job for job, _ in load.interleaved(3000, 1000)]
    assert all(one != next_one for one, next_one in pairwise(jobs))
    for begin in range(5000, len(jobs) - 5000, 500):
        assert len(set(jobs[begin : begin + 500])) == 500


def test_about_as_many_jobs_are_open_as_asked_for() -> None:
    is_open, seen = set(), []
    for job, step in load.interleaved(5000, 1000):
        (is_open.discard if step == load.TERMINATED else is_open.add)(job)
        seen.append(len(is_open))
    middle = seen[len(seen) // 4 : 3 * len(seen) // 4]
    assert 750 <= min(middle) <= max(middle) <= 1000


def test_a_batch_has_all_kinds_of_events() -> None:
    steps = [step for _, step in load.interleaved(4000, 1000)]
    assert Counter(steps[10_000:10_500]) == dict.fromkeys(range(load.STEPS), 100)


@pytest.mark.parametrize("cluster", [1, 1000, 1019, 1020, 5_000_000])
@pytest.mark.parametrize("step", range(load.STEPS))
def test_each_parses(cluster: int, step: int) -> None:
    event = parse(load.event_text(cluster, step).encode())
    assert (event.name, event.cluster, event.proc) == (NAMES[step], cluster, 0)
    assert not any(key.startswith("Unparsed") for key in event.ad)


def test_messages_are_those_of_log_monitors() -> None:
    sent = list(load.messages(1000, first_cluster=1000))
    assert len(set(sent)) == len(sent) == 1000 * load.STEPS
    for body in sent[:50]:
        message = json.loads(body)
        assert list(message) == ["Event", "Hash"]
        assert message["Hash"] == hashlib.sha256(message["Event"].encode()).hexdigest()
    assert 480 <= sum(map(len, sent)) / len(sent) <= 560


@pytest.mark.parametrize("cluster", [1000, 1001])
def test_the_final_state_is_the_one_of_the_events(cluster: int) -> None:
    now = datetime.now(timezone.utc)
    events = [
        read(Arrival(load.message(cluster, step), now, "test"), timezone.utc)
        for step in range(load.STEPS)
    ]
    folded = condor.fold(
        [StoredEvent(e.name, e.occurred_at, None, None, e.checksum, e.data, None) for e in events]
    )
    assert (folded.state, folded.closed) == (load.final_state(cluster), True)


def test_jobs_of_both_ends() -> None:
    assert Counter(map(load.final_state, range(100))) == {"Completed": 95, "Failed": 5}


def test_large_ones() -> None:
    event = json.loads(load.huge_event(7, 100_000))["Event"]
    assert parse(event.encode()).name == "GENERIC"
    assert 99_000 <= len(event) <= 101_000
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(load.huge_rubbish(1, 1000))
