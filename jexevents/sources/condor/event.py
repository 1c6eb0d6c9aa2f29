"""One event of a job event log, as read and not yet interpreted."""

from __future__ import annotations

from typing import Any, NamedTuple

from jexevents.sources.condor.times import Stamp

ABSENT = -1
_INT32 = range(-(2**31), 2**31)


def is_id(value: Any) -> bool:
    """Tell whether ``value`` can be a cluster, proc or subproc: integers of 32 bits."""
    return type(value) is int and value in _INT32


class CondorEvent(NamedTuple):
    """What one event says.

    ``number``, ``name`` and ``my_type`` are those of ``events.EVENT_TYPES``. ``cluster``,
    ``proc`` and ``subproc`` are as written, ``-1`` (``ABSENT``) where a JSON or XML event has
    none. ``stamp`` is the time as written; ``times.resolve`` makes an instant of it. ``ad``
    holds all else under HTCondor's own ClassAd attribute names; its values pass
    ``json.dumps(allow_nan=False)`` and PostgreSQL's jsonb (no NUL, no lone surrogate).
    Lines that were not understood stand whole in ``ad["UnreadLines"]``. ``form`` is
    ``text``, ``json`` or ``xml``.
    """

    number: int
    name: str
    my_type: str
    cluster: int
    proc: int
    subproc: int
    stamp: Stamp
    ad: dict[str, Any]
    form: str
