"""What waits, who has it, and what became of it: one queue for all nodes of a ledger."""

from __future__ import annotations

from jexevents.executions.claims import Claimed, Claims, Unsettled
from jexevents.executions.judging import Judging
from jexevents.executions.refusals import Refusals
from jexevents.executions.reports import Report
from jexevents.executions.writing import LEASE_SECONDS

__all__ = ["LEASE_SECONDS", "Claimed", "Queue", "Report", "Unsettled"]


class Queue(Claims, Refusals, Judging):
    """The queue of one ledger, as one node sees it; see ``QueueWriter`` for how it is made.

    Each method is one transaction, and raises StoreUnavailable while PostgreSQL does not answer.
    """
