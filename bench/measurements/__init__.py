"""The measurements, by the names that ``python -m bench`` knows them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.figures import Result
from bench.measurements import ingest
from bench.stage import Bench

MEASUREMENTS: Mapping[str, Callable[[Bench], Result]] = {
    "ingest": ingest.measure,
}
