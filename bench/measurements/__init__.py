"""The measurements, by the names that ``python -m bench`` knows them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.figures import Result
from bench.measurements import (
    containers,
    depth,
    executions,
    hooks,
    http,
    ingest,
    latency,
    memory,
    pages,
    pair,
    quiet,
    reading,
)
from bench.stage import Bench

# In the order in which they are run and told.
MEASUREMENTS: Mapping[str, Callable[[Bench], Result]] = {
    "ingest": ingest.measure,
    "pair": pair.measure,
    "depth": depth.measure,
    "latency": latency.measure,
    "quiet": quiet.measure,
    "reading": reading.measure,
    "http": http.measure,
    "pages": pages.measure,
    "hooks": hooks.measure,
    "executions": executions.measure,
    "containers": containers.measure,
    "memory": memory.measure,
}
