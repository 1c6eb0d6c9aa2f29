"""When a job is due, and what becomes of each due time; pure, the clock is handed in.

``read_schedule`` makes a Schedule of what a definition says; docs/schedules.md has the language.
``settle`` is what a scheduler calls at each look. A due time has one ``identity`` within its
schedule, so that a unique row decides who fires it.
"""

from jexevents.schedules.deciding import (
    Decision,
    Outcome,
    Settlement,
    decide,
    settle,
    settle_found,
)
from jexevents.schedules.reading import MEMBERS, read_in_force, read_schedule
from jexevents.schedules.times import (
    Backlog,
    Span,
    backlog,
    due_between,
    first_look,
    next_after,
    next_look,
    turn,
    upcoming,
)
from jexevents.schedules.values import Due, Hour, Misfire, Schedule, by_clock

__all__ = [
    "MEMBERS",
    "Backlog",
    "Decision",
    "Due",
    "Hour",
    "Misfire",
    "Outcome",
    "Schedule",
    "Settlement",
    "Span",
    "backlog",
    "by_clock",
    "decide",
    "due_between",
    "first_look",
    "next_after",
    "next_look",
    "read_in_force",
    "read_schedule",
    "settle",
    "settle_found",
    "turn",
    "upcoming",
]
