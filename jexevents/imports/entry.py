"""One event on its way from a log into the ledger."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """``raw`` stands at ``offset`` (bytes) in the file called ``log``; see eventlogs.naming.

    ``occurrence`` is which of the equal texts of the log it is, ``year`` that of its date, None
    where that has one. What is no event comes along too, for the ledger to reject it: ``fault``
    says so.
    """

    raw: bytes
    log: str
    offset: int
    occurrence: int
    year: int | None
    fault: str | None
