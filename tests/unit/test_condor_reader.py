"""Events that nobody wrote down, beside HTCondor's own reader as it is installed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jexevents.sources.condor.parse import parse
from jexevents.sources.condor.times import resolve
from tests.unit.condor_cases import CASES, TABLE, USAGE, text

pytest.importorskip("htcondor2", reason="HTCondor's reader (package htcondor) is not installed")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the reader needs a child")

READER = Path(__file__).parent / "condor_reader.py"
OWN = ("EventTypeNumber", "MyType", "EventTime", "Cluster", "Proc", "Subproc")
# The reader gives empty text, or the 32 bits that it keeps of a number.
MISREAD = {(33, "Attribute"), (33, "Value")}
ROUNDED = {
    (number, name)
    for number in (5, 15)
    for name in ("SentBytes", "ReceivedBytes", "TotalSentBytes", "TotalReceivedBytes")
}
BYTES = "".join(
    f"\t1234  -  {run} Bytes {way} By Job\n"
    for run in ("Run", "Total")
    for way in ("Sent", "Received")
)
TOTALS = USAGE.replace("Run ", "Total ")
ENDED = (
    f"Job terminated.\n\t(1) Normal termination (return value 12)\n{USAGE}{TOTALS}{BYTES}{TABLE}"
)
EVICTED = (
    f"Job was evicted. Code 6 Subcode 2\n\t(0) CPU times\n{USAGE}"
    "\t1  -  Run Bytes Sent By Job\n\t2  -  Run Bytes Received By Job\n\tReason: why\n"
)
BODIES = [
    *((number, body) for number, body, _ in CASES if number < 48),
    (4, EVICTED),
    (5, ENDED),
    (15, ENDED.replace("Job terminated", "Node 3 terminated").replace("By Job", "By Node")),
]


@st.composite
def _events(draw) -> bytes:
    """An event with other digits in the same places, and perhaps without its last lines."""
    number, body = draw(st.sampled_from(BODIES))
    lines = body.rstrip("\n").split("\n")
    lines = lines[: draw(st.integers(max(1, len(lines) - 3), len(lines)))]
    digits = draw(st.lists(st.sampled_from("0123456789"), min_size=40, max_size=40))
    body = "".join(
        digits[index % 40] if char.isdigit() and draw_all else char
        for draw_all in [draw(st.booleans())]
        for index, char in enumerate("\n".join(lines))
    )
    end = draw(st.sampled_from(["\n", "\r\n"]))
    header = draw(
        st.sampled_from(["(1.2.3) 2026-03-04 05:06:07", "(4711.0.0) 2026-03-04T05:06:07.5Z"])
    )
    return text(number, body, header).replace(b"\n", end.encode())


def _read(raws: list[bytes]) -> list[list[dict]]:
    """Give what the reader makes of each event; nothing for what it refuses or dies of."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{index}.log") for index in range(len(raws))]
        for path, raw in zip(paths, raws, strict=True):
            path.write_bytes(raw)
        command = [sys.executable, str(READER), *map(str, paths)]
        environment = {**os.environ, "TZ": "UTC"}
        subprocess.run(command, env=environment, capture_output=True, timeout=120, check=True)
        answers = [Path(f"{path}.json") for path in paths]
        return [json.loads(path.read_text()) if path.exists() else [] for path in answers]


def _check(raw: bytes, theirs: dict) -> None:
    ours = parse(raw)
    assert ours.number == theirs["EventTypeNumber"]
    assert (ours.cluster, ours.proc) == (theirs.get("Cluster", -1), theirs.get("Proc", -1))
    at = resolve(ours.stamp, timezone.utc, datetime(2026, 1, 1, tzinfo=timezone.utc)).at
    assert at.isoformat()[:19] == theirs["EventTime"][:19]
    for name, value in theirs.items():
        if name in OWN or (ours.number, name) in MISREAD:
            continue
        mine = ours.ad[name]
        assert type(mine) is type(value), name
        if (ours.number, name) in ROUNDED:
            mine = pytest.approx(mine, rel=1e-6)
        assert mine == value, name


@settings(
    max_examples=10,
    derandomize=True,  # what the reader makes of one more odd event is no news for CI
    deadline=None,
    # A smaller example is not worth minutes of the reader's sleep.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
)
@given(st.lists(_events(), min_size=20, max_size=60))
def test_all_that_the_reader_has_is_there(raws):
    for raw, theirs in zip(raws, _read(raws), strict=True):
        parse(raw)
        if theirs:
            _check(raw, theirs[0])
