"""Which of several processes stores an event: the one for its job.

So the events of a job are stored in the order of the log, and no two processes wait for each other
at the same job. What is taken here for a job's number need not be it: any would do.
"""

from __future__ import annotations

import re

_TEXT = re.compile(rb"\d{3} \((-?\d{1,10})\.(-?\d{1,10})\.")
_JSON_CLUSTER = re.compile(rb'"Cluster"\s*:\s*(-?\d{1,10})')
_JSON_PROC = re.compile(rb'"Proc"\s*:\s*(-?\d{1,10})')
_XML_CLUSTER = re.compile(rb'"Cluster">\s*<i>\s*(-?\d{1,10})')
_XML_PROC = re.compile(rb'"Proc">\s*<i>\s*(-?\d{1,10})')


def part_of(raw: bytes, parts: int) -> int:
    """Give the number of the part, from 0, for an event of a log."""
    match = _TEXT.match(raw)
    if match is not None:
        return (int(match[1]) * 31 + int(match[2])) % parts
    first = raw[:1]
    if first == b"{":
        return (_number(_JSON_CLUSTER, raw) * 31 + _number(_JSON_PROC, raw)) % parts
    if first == b"<":
        return (_number(_XML_CLUSTER, raw) * 31 + _number(_XML_PROC, raw)) % parts
    return 0


def _number(pattern: re.Pattern[bytes], raw: bytes) -> int:
    match = pattern.search(raw)
    return 0 if match is None else int(match[1])
