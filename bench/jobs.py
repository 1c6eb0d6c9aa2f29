"""Jobs as clients of the JEX interface insert them, before HTCondor says anything of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from bench import wire
from bench.errors import BenchFailed

_APP = "c7f05682-23c8-4182-b9a2-e09650a5f49b"


def insertion(cluster: int, invocation: str) -> dict[str, Any]:
    """Give the body of ``POST /jobs`` for one job."""
    return {
        "Submitter": "wregglej",
        "AppID": _APP,
        "CommandLine": f"/usr/local/bin/align --reads sample_{cluster}.fastq.gz --threads 4",
        "CondorID": str(cluster),
        "InvocationID": invocation,
    }


def insert(address: tuple[str, int], token: str, clusters: Iterable[int]) -> dict[int, str]:
    """Insert jobs; give the invocation id of each cluster. Raises BenchFailed."""
    client = wire.Client(address)
    inserted = {cluster: str(uuid.uuid4()) for cluster in clusters}
    for cluster, invocation in inserted.items():
        status, body = client.ask(wire.post("/jobs", token, insertion(cluster, invocation)))
        if status != 201:
            raise BenchFailed(f"POST /jobs answered {status}: {body[:300]!r}")
    client.close()
    return inserted


def path(invocation: str) -> str:
    """Give the path that tells the last status of a job."""
    return f"/last-events/{invocation}"
