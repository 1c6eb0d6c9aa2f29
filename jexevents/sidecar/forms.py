"""multipart/form-data (RFC 7578) with one file in it, read piece by piece into a file of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from jexevents.errors import Invalid
from jexevents.faults import fit, shown
from jexevents.model import Fault
from jexevents.sidecar.problems import Problem, malformed
from jexevents.sidecar.requests import Request
from jexevents.uploads.folder import Incoming

_BOUNDARY = re.compile(r"[ -~]{0,69}[!-~]")  # RFC 2046, section 5.1.1, read generously
_MAX_SEGMENTS = 8
_PIECE_BYTES = 1 << 16
# What stands around the file in the body: its part's header, the boundaries.
ROOM_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class FormFile:
    """The file of a form: its field, its name as it came, its content."""

    field: str
    filename: str
    content: Incoming


def read_file(
    request: Request, fields: Sequence[str], begin: Callable[[], Incoming], bound_bytes: int
) -> FormFile:
    """Read the one file of a form, less than ``bound_bytes``, into what ``begin`` gives.

    Raises Problem (400 for what is no form, 413, 415), Invalid where the form has not exactly one
    file in one of ``fields``, StorageFull, FilesUnavailable. Nothing is left of the file then.
    """
    reader = _Reader(fields, begin, bound_bytes)
    try:
        for event in _events(request):
            reader.take(event)
        return reader.finished()
    except MultipartError as error:
        reader.discard()
        raise malformed(
            f"The body is no multipart/form-data: {fit(str(error))}.",
            "", "a form as RFC 7578 has it", "another body",
        ) from error  # fmt: skip
    except BaseException:
        reader.discard()
        raise


class _Reader:
    """Sorts the parts of a form, and writes the file's."""

    def __init__(
        self, fields: Sequence[str], begin: Callable[[], Incoming], bound_bytes: int
    ) -> None:
        self._fields = fields
        self._begin = begin
        self._bound_bytes = bound_bytes
        self._found: FormFile | None = None

    def take(self, event: MultipartSegment | bytes | None) -> None:
        """Take the begin of a part, a piece of it, or its end."""
        if isinstance(event, MultipartSegment):
            self._open(event)
        elif event is not None:
            content = self._found.content
            if content.size + len(event) >= self._bound_bytes:
                raise file_too_large(self._bound_bytes, self._found.field)
            content.write(event)

    def _open(self, segment: MultipartSegment) -> None:
        field = segment.name or ""
        if field not in self._fields:
            raise self._refused(field, f"an unknown field {shown(field)}")
        if segment.filename is None:
            raise self._refused(field, f"{field} without a file name")
        if self._found is not None:
            raise self._refused(field, "more than one file")
        self._found = FormFile(field, segment.filename, self._begin())

    def finished(self) -> FormFile:
        """Give the file, which is whole."""
        if self._found is None:
            raise self._refused("", "none")
        return self._found

    def discard(self) -> None:
        """Remove what was written."""
        if self._found is not None:
            self._found.content.discard()

    def _refused(self, field: str, got: str) -> Invalid:
        named = " or ".join(self._fields)
        return Invalid(
            f"The form cannot be taken: expected one file, in the field {named}, got {got}.",
            [Fault(fit(field), f"one file, in the field {named}", got)],
            remedy=f"As curl sends it: -F {self._fields[0]}=@example.tgz",
        )


def _events(request: Request) -> Iterator[MultipartSegment | bytes | None]:
    parser = PushMultipartParser(
        _boundary(request.headers.get("Content-Type", "")), max_segment_count=_MAX_SEGMENTS
    )
    with parser:
        while piece := request.stream.read(_PIECE_BYTES):
            yield from parser.parse(piece)


def _boundary(content_type: str) -> str:
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        fault = Fault("Content-Type", "multipart/form-data", shown(content_type))
        raise Problem(415, "The body is no form with a file.", [fault])
    boundary = options.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise malformed(
            "The form has no boundary.", "Content-Type", "a boundary of 1 to 70 characters",
            shown(boundary),
        )  # fmt: skip
    return boundary


def file_too_large(bound_bytes: int, field: str = "") -> Problem:
    """Give the 413 for a file; ``bound_bytes`` is UploadMaxBytes."""
    fault = Fault(field, f"a file of less than {bound_bytes} bytes", "a larger one")
    return Problem(
        413, f"The file is not smaller than {bound_bytes} bytes (UploadMaxBytes).", [fault]
    )
