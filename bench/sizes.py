"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


def _size(default: int, quick: int, meaning: str) -> Any:
    return field(default=default, metadata={"quick": quick, "help": meaning})


@dataclass(frozen=True)
class Sizes:
    """One field an option; the defaults are those of ``make bench``."""

    events: int = _size(200_000, 20_000, "events of one round of ingest")
    rounds: int = _size(3, 1, "rounds of the ceiling and of the daemon")
    naive_events: int = _size(5_000, 1_000, "events of the naive consumer")
    pair_rounds: int = _size(3, 1, "rounds of one daemon and of two")
    latency_seconds: int = _size(60, 8, "seconds at 1,000 events a second")
    quiet_events: int = _size(200, 20, "events that come alone")
    reading_rounds: int = _size(2, 1, "rounds of ingest with requests and without")
    http_seconds: int = _size(10, 3, "seconds of look-ups, and of insertions")
    page_jobs: int = _size(1_000_000, 30_000, "jobs of the ledger that pages are opened over")
    page_requests: int = _size(20, 3, "times that each page is opened")
    hook_rounds: int = _size(3, 1, "rounds of ingest without webhooks and with them")
    hook_events: int = _size(20_000, 3_000, "events of one round, each with a webhook")
    starts: int = _size(200, 20, "executions that begin one after the other")
    short_jobs: int = _size(400, 40, "short executions as fast as they go")
    output_megabytes: int = _size(1_000, 50, "megabytes that an execution writes")
    at_once: int = _size(100, 10, "executions that run at the same time")
    containers: int = _size(60, 8, "containers of one round")
    container_rounds: int = _size(3, 1, "rounds of containers by us and by docker's library")
    container_starts: int = _size(30, 5, "containers that begin one after the other")
    details: int = _size(10_000, 1_000, "runs of the result that pages are made of")
    backlog: int = _size(1_000_000, 50_000, "messages that wait while memory is watched")
    huge: int = _size(50, 5, "messages of 20 MB among 400 times as many")
    shallow: int = _size(50_000, 10_000, "events in the smaller table")
    deep: int = _size(5_000_000, 200_000, "events in the larger table")
    depth_rounds: int = _size(3, 1, "rounds with the smaller and the larger table")

    @staticmethod
    def quick() -> dict[str, int]:
        """Give the sizes of a short run of everything."""
        return {each.name: each.metadata["quick"] for each in fields(Sizes)}
