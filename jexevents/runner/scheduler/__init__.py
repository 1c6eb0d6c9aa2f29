"""Runs jobs when they are due, and says of every due time what became of it (docs/schedules.md).

Any number of daemons do it side by side. Each reads, decides, and writes in one transaction the
executions and the rows of the due times, if no other has written meanwhile.
"""

from jexevents.runner.scheduler.look import InForce, Looks, Request
from jexevents.runner.scheduler.service import Scheduler

__all__ = ["InForce", "Looks", "Request", "Scheduler"]
