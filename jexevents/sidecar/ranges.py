"""Which part of a file a request asks for (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jexevents.model import Fault
from jexevents.sidecar.parameters import Parameter
from jexevents.sidecar.problems import Problem

RANGE = Parameter(
    name="Range",
    summary="A part of it, in bytes (RFC 9110).",
    expected="one range of bytes",
)
# More digits than any file has bytes are no range to us, and are ignored as RFC 9110 allows.
_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """``length`` bytes from ``first`` on, of a file of ``size``."""

    first: int
    length: int
    size: int

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the file."""
        return self.length == self.size

    @property
    def content_range(self) -> str:
        """The header Content-Range."""
        return f"bytes {self.first}-{self.first + self.length - 1}/{self.size}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A Range as it was sent: from ``first`` to ``last``, which may be missing (to the end); or,
    without ``first``, the ``last`` so many bytes."""

    first: int | None
    last: int | None
    text: str

    def unsatisfiable(self, size: int, detail: str = "The file has no such range.") -> Problem:
        """Give the 416 for something of ``size`` bytes."""
        fault = Fault("Range", f"a range within {size} bytes", self.text[:80])
        return Problem(416, detail, [fault], headers={"Content-Range": f"bytes */{size}"})


def asked_range(headers: Mapping[str, str], etag: str) -> Asked | None:
    """Give the Range of a request; None where all is asked for.

    That is so too where the Range cannot be read or names several, and where If-Range names
    another state than ``etag`` does; without an ``etag`` no If-Range names this one.
    """
    text = headers.get("Range", "")
    match = _RANGE.fullmatch(text)
    if match is None or match[1] == match[2] == "":
        return None
    if headers.get("If-Range", etag) != etag:
        return None
    first, last = (int(digits) if digits else None for digits in match.groups())
    if first is not None and last is not None and last < first:
        return None
    return Asked(first, last, text)


def asked_part(headers: Mapping[str, str], size: int, etag: str) -> tuple[Part, int]:
    """Give the part that is asked for, and the status: 200 for all of it, 206 for a range.

    Raises Problem (416) for a range behind the end.
    """
    asked = asked_range(headers, etag)
    if asked is None:
        return Part(0, size, size), 200
    if asked.first is None:
        length = min(asked.last, size)
        part = Part(size - length, length, size)
    else:
        last = size - 1 if asked.last is None else min(asked.last, size - 1)
        part = Part(asked.first, last - asked.first + 1, size)
    if part.length <= 0:
        raise asked.unsatisfiable(size)
    return part, 206
