"""Pages of long rows end early, so that no request takes more memory than a few of them."""

from __future__ import annotations

import pytest

from tests.ledger import TestLedger, message, submitted, text

MEBIBYTE = 1 << 20
COUNT = 12


def collect(ledger: TestLedger, path: str) -> list[int]:
    """Follow the pages from the first to the last; give how many items each has."""
    sizes = []
    query = "limit=1000"
    while True:
        page = ledger.get(path, query)
        sizes.append(len(page["items"]))
        if page["next"] is None:
            return sizes
        query = page["next"].partition("?")[2]


@pytest.mark.parametrize("limit", [1, 5, 1000])
def test_pages_of_short_rows_are_as_long_as_asked_for(ledger: TestLedger, limit: int) -> None:
    ledger.send(*(message(submitted(job=f"{n}.000.000")) for n in range(1, 11)), b"no event")
    page = ledger.get("/ledger/events", f"limit={limit}")
    assert len(page["items"]) == min(limit, 10)
    assert (page["next"] is None) == (limit >= 10)
    assert ledger.get("/ledger/rejects")["next"] is None


def test_pages_of_long_rejects_end_early(ledger: TestLedger) -> None:
    ledger.send(*(b"%d" % n + b"x" * (2 * MEBIBYTE) for n in range(COUNT)))
    assert collect(ledger, "/ledger/rejects") == [4, 4, 4]


def test_pages_of_long_events_end_early(ledger: TestLedger) -> None:
    long = "x" * (3 * MEBIBYTE)
    ledger.send(*(message(text(8, long, second=n)) for n in range(5)))
    assert collect(ledger, "/ledger/events") == [2, 2, 1]
    (job,) = ledger.jobs()
    assert collect(ledger, f"/ledger/jobs/{job['id']}/events") == [2, 2, 1]
