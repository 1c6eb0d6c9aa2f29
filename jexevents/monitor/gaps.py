"""Parts of a log that were lost before they could be read: found, and told in one text.

The text is an event of HTCondor's own kind (008, of no job), so that it is stored and seen
wherever events are. It is made of nothing but what stands in the log and in the position file,
so that a gap that is told twice is one event.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

from jexevents.eventlogs.headers import RotationHeader
from jexevents.eventlogs.reading import LogEvent
from jexevents.monitor.logfile import LogFile

MARK = "jexevents log gap:"

# Between the last event of a JSON or XML log and the file's end stands a newline.
_NEWLINE_BYTES = 2
_TIME = re.compile(
    rb"(?:\d{4}-\d\d-\d\d|\d\d/\d\d)[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?"
)
_EPOCH = "1970-01-01 00:00:00Z"
UNKNOWN = "unknown"


def lost_between(before: LogFile, header: RotationHeader | None, missing: str) -> str | None:
    """Say what was lost between a file and the next one, whose ``header`` this is, if anything.

    ``missing`` says why the end of the file before may not have been read, "" if it was. Gives
    None, or the words of ``gap_text``.
    """
    known = before.header
    if known is None or header is None or header.sequence <= known.sequence:
        return _words(missing, UNKNOWN, UNKNOWN) if missing else None
    files = header.sequence - known.sequence - 1
    lost = header.offset - known.offset - before.read if header.offset else None
    if files == 0 and (not missing or (lost is not None and lost <= _NEWLINE_BYTES)):
        return None
    return _words(missing or "files", files, UNKNOWN if lost is None else max(0, lost))


def _words(reason: str, files: int | str, lost: int | str) -> str:
    return f"reason={reason} lost_files={files} lost_bytes={lost}"


def gap_event(
    log: str, before: LogFile | None, first: LogEvent, file: LogFile, words: str
) -> LogEvent:
    """Make the event that tells of a gap in ``log`` (its path).

    ``first`` is the first event of ``file``, with which the log goes on.
    """
    info = f"{MARK} log={log} {words}{_of('last', before)}{_of('next', file)}"
    # A control character would end the line, or the event.
    info = re.sub(r"[\x00-\x1f\x7f]", "?", info)
    raw = f"008 (-01.-01.-01) {_time(first, file)} {info}\n...\n".encode("utf-8", "surrogateescape")
    return LogEvent(first.offset, first.offset, raw, 0, None)


def _of(which: str, file: LogFile | None) -> str:
    if file is None:
        return ""
    words = (
        f" {which}_log={file.name or UNKNOWN} {which}_offset={file.read if which == 'last' else 0}"
    )
    if file.header is not None:
        words += f" {which}_sequence={file.header.sequence}"
    return words


def _time(first: LogEvent, file: LogFile) -> str:
    """Give the time at which the log goes on, as a header shows it."""
    if file.header is not None:
        try:
            begun = datetime.fromtimestamp(file.header.ctime, timezone.utc)
        except (ValueError, OverflowError, OSError):
            return _EPOCH
        return begun.strftime("%Y-%m-%d %H:%M:%SZ")
    match = _TIME.search(first.raw)
    return match[0].decode("ascii") if match else _EPOCH
