"""Logs: one JSON object a line on the standard output, without secrets.

Each line has ``time`` (RFC 3339, UTC, milliseconds), ``level`` and ``event``, a stable key in
snake case; ids and the rest are fields of their own. What libraries log through ``logging``
comes out the same way as ``library_message``, from WARNING up. No fault of the output, and no
value, makes a call to a logger raise.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from datetime import datetime, timezone
from typing import Any, TextIO

from jexevents.redaction import redact

_RICH = sys.modules.setdefault("rich", None)
# structlog loads rich, where it is installed, for tracebacks on a terminal that nobody sees here.
# Without it there is less to load at each start.
import structlog  # noqa: E402

if _RICH is None:
    del sys.modules["rich"]

_MAX_FIELD_CHARACTERS = 32_768


class LineWriter:
    """Writes lines to a stream; lines that cannot be written are counted, never raised.

    The file descriptor is written to, past the stream's buffer: Python would flush what a
    closed pipe left there when the process ends, fail, and exit with status 120.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._descriptor = _descriptor_of(stream)
        # Reentrant, since collecting garbage while a line is written can log another one.
        self._lock = threading.RLock()
        self._lost = 0
        self._torn = False

    def write(self, line: str) -> None:
        """Write one line; when writing works again, say first how many were lost."""
        with self._lock:
            try:
                if self._lost:
                    self._put(_lost_line(self._lost))
                    self._lost = 0
                self._put(line)
            except (OSError, ValueError):
                self._lost += 1

    def _put(self, line: str) -> None:
        if self._stream is None:
            raise ValueError("there is no standard output")
        if self._descriptor is None:
            self._stream.write(line + "\n")
            self._stream.flush()
        else:
            self._put_bytes(self._descriptor, line.encode() + b"\n")

    def _put_bytes(self, descriptor: int, content: bytes) -> None:
        # A line that was cut off by a full disk must not swallow the next one.
        content = b"\n" + content if self._torn else content
        while content:
            written = os.write(descriptor, content)
            content = content[written:]
            self._torn = bool(content)


class _LibraryHandler(logging.Handler):
    """Takes what libraries log through the standard module into our lines."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "event": "library_message",
            "logger": record.name,
            "message": _message_of(record),
            "exc_info": record.exc_info,
        }
        self._writer.write(render(None, record.levelname.lower(), fields))


class _Threshold:
    """The level that was configured last."""

    level = logging.DEBUG


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logs from ``level`` (debug ... critical) up to ``stream``, or standard output.

    Can be called again; loggers that exist follow. Libraries' logs have WARNING at least.
    """
    writer = LineWriter(sys.stdout if stream is None else stream)
    threshold = _Threshold.level = logging.getLevelName(level.upper())
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_args: _Output(writer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _LibraryHandler)]:
        root.removeHandler(handler)
    root.addHandler(_LibraryHandler(writer))
    root.setLevel(max(threshold, logging.WARNING))
    logging.captureWarnings(True)


def shows(level: str) -> bool:
    """Whether lines of this level are written; saves the making of those that are not."""
    return logging.getLevelName(level.upper()) >= _Threshold.level


def get_logger(component: str) -> Any:
    """Give the logger of a part of the program; its lines have the field ``component``."""
    return structlog.get_logger(component=component)


def render(_logger: Any, level: str, fields: MutableMapping[str, Any]) -> str:
    """Make the line of a log call: a structlog processor, the last one. Never raises."""
    head = {"time": _now(), "level": "error" if level == "exception" else level}
    try:
        event = str(fields.pop("event", ""))
        _add_exception(fields)
        body = {name: _shorten(value) for name, value in redact(dict(fields)).items()}
        return json.dumps({**head, "event": redact(event), **body, **head})
    except Exception as exc:  # noqa: BLE001 - a value that cannot be shown must not end the caller
        fault = type(exc).__name__
        return json.dumps({**head, "event": "log_line_unprintable", "exception": fault})


class _Output:
    """What structlog calls with the rendered line, whatever the level."""

    def __init__(self, writer: LineWriter) -> None:
        self._write = writer.write

    def __getattr__(self, _level: str) -> Any:
        return self._write


def _add_exception(fields: MutableMapping[str, Any]) -> None:
    # structlog's own processor, so that exc_info can be True, an exception or a triple.
    if fields.get("exc_info"):
        structlog.processors.format_exc_info(None, "", fields)
    fields.pop("exc_info", None)


def _shorten(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MAX_FIELD_CHARACTERS:
        # Of a traceback the end says most.
        return "... " + value[-_MAX_FIELD_CHARACTERS:]
    return value


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit the library's own message
        return str(record.msg)


def _now() -> str:
    now = datetime.now(timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _lost_line(count: int) -> str:
    fields = {"time": _now(), "level": "warning", "event": "log_lines_lost", "count": count}
    return json.dumps(fields)


def _descriptor_of(stream: TextIO | None) -> int | None:
    try:
        return stream.fileno() if stream is not None else None
    except (OSError, ValueError, AttributeError):
        return None
