"""What becomes of the jobs of the samples, held to condor_q's word on the same logs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from jexevents.errors import Unacceptable
from jexevents.lifecycle.condor import CondorState, fold
from jexevents.model import Arrival, Event, Position
from jexevents.sources.condor.message import read
from jexevents.sources.condor.split import Splitter

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "condor"
ARRIVAL = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)

# JobStatus of HTCondor's manual; 4, Completed, depends on how the job ended.
WORDS = {1: "Submitted", 2: "Running", 3: "Failed", 5: "Failed", 6: "Running", 7: "Running"}

_BEHIND_028 = "condor_q takes JobStatus from the 028 that follows the 005; 028 changes nothing"
_MORE_EVENTS = "HTCondor's reader stops before the last events, which a plain split finds"
DIFFERENT = {
    "live23--adinfo": _BEHIND_028,
    "live23--ul-XML-adinfo": _BEHIND_028,
    "live25--adinfo": _BEHIND_028,
    "rendered--numbers-a": "events of one job in no possible order: it ends, and is evicted again",
    "htc--test_condor": "written by no real job; condor_q answers with a job -1.-1",
    "hta--abnormal_term_no_desc": _MORE_EVENTS,
    "hta--gpu_usage.v3": _MORE_EVENTS,
    "hta--my_own_log.logging": _MORE_EVENTS,
    "hta--wrong_termination": _MORE_EVENTS,
    "live23--exit3.nofinalnl": _MORE_EVENTS,
}


def stories(log: Path) -> Mapping[tuple[int, int], list[Event]]:
    splitter = Splitter()
    jobs = defaultdict(list)
    for piece in splitter.feed(log.read_bytes()) + splitter.finish():
        try:
            event = read(Arrival(piece.raw, ARRIVAL, "sample"), timezone.utc)
        except Unacceptable:
            continue  # what is no event is test_condor_samples' business
        if event.job is not None:
            where = event.job.parts["cluster"], event.job.parts["proc"]
            jobs[where].append(event._replace(position=Position("log", piece.offset)))
    return jobs


def word(job: Mapping[str, Any]) -> str:
    if job["JobStatus"] != 4:
        return WORDS[job["JobStatus"]]
    return "Completed" if job.get("ExitCode") == 0 and not job["ExitBySignal"] else "Failed"


def differences(name: str) -> Iterator[str]:
    oracle = json.loads((SAMPLES / f"{name}.expected.json").read_text("utf-8"))
    told = (oracle["final_state_by_condor_q"] or {}).get("jobs") or []
    jobs = stories(SAMPLES / f"{name}.log")
    for job in told:
        events = jobs.get((job["ClusterId"], job["ProcId"]))
        state = fold(events) if events else CondorState(state="unknown")
        if state.state != word(job):
            yield f"{job['ClusterId']}.{job['ProcId']}: {state.state}, condor_q: {word(job)}"
        elif job["JobStatus"] == 4:
            # A year that is missing is for condor_q the year it ran in.
            ours = _end(state) if oracle["year_in_file"] else (state.exit_code, None)
            theirs = (job.get("ExitCode"), job["CompletionDate"] if ours[1] else None)
            if ours != theirs:
                yield f"{job['ClusterId']}.{job['ProcId']}: {ours}, condor_q: {theirs}"


def _end(state: CondorState) -> tuple[int | None, int]:
    return state.exit_code, int(state.finished_at.timestamp())


NAMES = sorted(file.name.removesuffix(".log") for file in SAMPLES.glob("*.log"))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DIFFERENT])
def test_jobs_end_as_condor_q_says(name: str) -> None:
    assert list(differences(name)) == []


@pytest.mark.parametrize("name", DIFFERENT)
def test_each_difference_is_still_one(name: str) -> None:
    assert list(differences(name)) != []


def test_there_are_samples() -> None:
    assert len(NAMES) > 100
