"""The lines that the bodies of several events share.

Facts from HTCondor's event library. Its reader finds most lines by position and stops at the
first that it does not expect; here lines are found by their label, so that blanks for tabs,
missing lines and lines in between do no harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from jexevents.errors import Malformed
from jexevents.sources.condor.classad import MAX_DIGITS, read_line
from jexevents.sources.condor.times import UTC, read_event_time, resolve

Ad = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNREAD = "UnreadLines"
ZERO_USAGE = "Usr 0 00:00:00, Sys 0 00:00:00"

_SEPARATOR = re.compile(r"\s+-\s+")
_USAGE = re.compile(
    r"Usr (\d{1,9}) (\d{1,9}):(\d{1,9}):(\d{1,9}), Sys (\d{1,9}) (\d{1,9}):(\d{1,9}):(\d{1,9})",
    re.ASCII,
)
_TIDY_USAGE = re.compile(
    r"Usr \d{1,9} [01]\d:[0-5]\d:[0-5]\d, Sys \d{1,9} [01]\d:[0-5]\d:[0-5]\d", re.ASCII
)
_NUMBER = re.compile(r"[-+]?(?:\d{1,300}\.?\d{0,300}|\.\d{1,300})(?:[eE][-+]?\d{1,2})?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,400}", re.ASCII)
_CODES = re.compile(r"Code (-?\d{1,18}) Subcode (-?\d{1,18})", re.ASCII)
_END = re.compile(
    r"\(-?\d{1,9}\)\s+(?:Normal termination \(return value (-?\d{1,18})"
    r"|Abnormal termination \(signal (-?\d{1,18}))",
    re.ASCII,
)
_CORE = re.compile(r"\(1\) Corefile in: (.*)", re.DOTALL)
_OWN_ACCORD = re.compile(
    r"Job terminated of its own accord at (\S+?)(?: with (signal|exit-code) (-?\d{1,18}))?\.",
    re.ASCII,
)
_BY_OTHER = re.compile(
    r"Job terminated by (.+) at (\S+) \(using method (-?\d{1,18}): (.*)\)\.", re.DOTALL | re.ASCII
)


def keep_unread(ad: Ad, line: str) -> None:
    """Keep a line that nobody understood; blank ones say nothing."""
    if line and not line.isspace():
        ad.setdefault(UNREAD, []).append(line)


def keep_all_unread(ad: Ad, lines: Iterable[str]) -> None:
    """Keep lines that nobody understood."""
    for line in lines:
        keep_unread(ad, line)


def keep_head(ad: Ad, head: str) -> None:
    """Keep the rest of a header line that is not the one this number has."""
    if head.strip():
        ad["EventHead"] = head


def read_usage(text: str) -> str | None:
    """Give ``Usr D HH:MM:SS, Sys D HH:MM:SS`` with clocks below 24 hours; None if it is none."""
    if text == ZERO_USAGE or _TIDY_USAGE.fullmatch(text):
        return text
    match = _USAGE.fullmatch(text)
    if not match:
        return None
    numbers = [int(number) for number in match.groups()]
    return f"Usr {_days(*numbers[:4])}, Sys {_days(*numbers[4:])}"


def _days(days: int, hours: int, minutes: int, seconds: int) -> str:
    """Write a duration as days and a clock."""
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    minutes, seconds = divmod(total, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} {hours:02d}:{minutes:02d}:{seconds:02d}"


def read_real(text: str) -> float | None:
    """Read a count of bytes, a real for HTCondor; None if it is no number."""
    return float(text) if _NUMBER.fullmatch(text) else None


def read_integer(text: str) -> int | None:
    """Read an integer of any size up to ``MAX_DIGITS``; None if it is none."""
    return int(text) if len(text) <= MAX_DIGITS and _INTEGER.fullmatch(text) else None


def read_count(text: str) -> int | None:
    """Read an integer in which HTCondor writes ``-1`` for not known; None for that too."""
    number = read_integer(text)
    return None if number is None or number < 0 else number


_Labels = dict[str, tuple[str, Callable[[str], Any]]]

_BYTES: _Labels = {
    f"{run} Bytes {way} By {whom}": (f"{total}{way}Bytes", read_real)
    for run, total in (("Run", ""), ("Total", "Total"))
    for way in ("Sent", "Received")
    for whom in ("Job", "Node")
}
_LABELS: _Labels = {
    **_BYTES,
    "Run Bytes Sent By Job For Checkpoint": ("SentBytes", read_real),
    "Run Remote Usage": ("RunRemoteUsage", read_usage),
    "Run Local Usage": ("RunLocalUsage", read_usage),
    "Total Remote Usage": ("TotalRemoteUsage", read_usage),
    "Total Local Usage": ("TotalLocalUsage", read_usage),
    "MemoryUsage of job (MB)": ("MemoryUsage", read_count),
    "ResidentSetSize of job (KB)": ("ResidentSetSize", read_count),
    "ProportionalSetSize of job (KB)": ("ProportionalSetSize", read_count),
}


def read_labelled(line: str, ad: Ad) -> bool:
    """Read ``value  -  label`` into ``ad``; tell whether the line was one of these.

    ``-1`` and its like, which HTCondor writes for what it does not know, set nothing.
    """
    pair = _labelled(line) if len(line) > _MEMORABLE_CHARACTERS else _labelled_before(line)
    if pair is None:
        return False
    if pair[1] is not None:
        ad[pair[0]] = pair[1]
    return True


def _labelled(line: str) -> tuple[str, Any] | None:
    """Give attribute and value of a labelled line, None for another line."""
    value, _, label = line.strip().partition("  -  ")
    known = _LABELS.get(label)
    if known is None:
        parts = _SEPARATOR.split(line.strip(), maxsplit=1) if "-" in line else ()
        value, label = parts if len(parts) == 2 else ("", "")
        known = _LABELS.get(label)
        if known is None:
            return None
    read = known[1](value)
    return None if read is None and not value.startswith("-") else (known[0], read)


# A log says the same of most of its jobs: no time used, no byte sent. Remembering such lines
# makes 005 twice as fast; the bound on their length bounds the memory for it.
_MEMORABLE_CHARACTERS = 100
_labelled_before = lru_cache(maxsize=2048)(_labelled)


def read_codes(line: str) -> tuple[int, int] | None:
    """Read ``Code N Subcode N``."""
    match = _CODES.match(line.strip())
    return (int(match[1]), int(match[2])) if match else None


def read_end(line: str, ad: Ad) -> bool:
    """Read how a process ended, or where its core file is; tell whether the line says so.

    A negative return value, which Windows has, is kept; HTCondor's reader drops it. Signal
    -1 is how HTCondor writes that there is none.
    """
    line = line.strip()
    match = _END.match(line)
    if match is None:
        return _read_core(line, ad)
    ad["TerminatedNormally"] = match[1] is not None
    if match[1] is not None:
        ad["ReturnValue"] = int(match[1])
    elif match[2] != "-1":
        ad["TerminatedBySignal"] = int(match[2])
    return True


def _read_core(line: str, ad: Ad) -> bool:
    """Read the line on the core file."""
    if line.startswith("(0)") and "core" in line:
        return True
    match = _CORE.match(line)
    if match and match[1]:
        ad["CoreFile"] = match[1]
    return match is not None


def read_ticket(line: str, ad: Ad) -> bool:
    """Read the line on who ended the job, as versions 8.9 to 23.x write it, into ``ToE``.

    The attribute and its members are those of the same events in the JSON form.
    """
    line = line.strip()
    if not line.startswith("Job terminated "):
        return False
    toe = _own_accord(line) or _by_other(line)
    if toe:
        ad["ToE"] = toe
    return toe is not None


def _own_accord(line: str) -> Ad | None:
    """Read the line for a job that ended by itself."""
    match = _OWN_ACCORD.fullmatch(line)
    when = _epoch(match[1]) if match else None
    if match is None or when is None:
        return None
    toe: Ad = {"Who": "itself", "How": "OF_ITS_OWN_ACCORD", "When": when, "HowCode": 0}
    if match[2]:
        by_signal = match[2] == "signal"
        toe["ExitBySignal"] = by_signal
        toe["ExitSignal" if by_signal else "ExitCode"] = int(match[3])
    return toe


def _by_other(line: str) -> Ad | None:
    """Read the line for a job that somebody ended."""
    match = _BY_OTHER.fullmatch(line)
    when = _epoch(match[2]) if match else None
    if match is None or when is None:
        return None
    return {"Who": match[1], "How": match[4], "When": when, "HowCode": int(match[3])}


def _epoch(text: str) -> int | None:
    """Give the seconds since 1970 of a time in UTC; the line has no other zone."""
    try:
        stamp = read_event_time(text)
        return int(resolve(stamp, UTC, _EPOCH).at.timestamp())
    except Malformed:
        return None


def spelling(ad: Ad, name: str) -> str:
    """Give the spelling that ``ad`` has of ``name``; ClassAd names ignore case."""
    if name in ad:
        return name
    folded = name.lower()
    return next((known for known in ad if known.lower() == folded), name)


def read_attributes(lines: Iterable[str], attributes: Ad, ad: Ad) -> None:
    """Read lines ``Name = value`` into ``attributes``, and the others into ``ad`` as unread.

    Names that differ only in case are one, in its first spelling.
    """
    spellings: dict[str, str] = {}
    for line in lines:
        pair = read_line(line)
        if pair is None:
            keep_unread(ad, line)
        else:
            attributes[spellings.setdefault(pair[0].lower(), pair[0])] = pair[1]
