"""Which part of a file a request asks for (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jexevents.model import Fault
from jexevents.sidecar.problems import Problem

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


def asked_part(headers: Mapping[str, str], size: int, etag: str) -> tuple[Part, int]:
    """Give the part that is asked for, and the status: 200 for all of it, 206 for a range.

    All of it is given where the Range cannot be read or names several, and where If-Range names
    another state of the file. Raises Problem (416) for a range behind the end.
    """
    match = _RANGE.fullmatch(headers.get("Range", ""))
    whole = Part(0, size, size)
    if match is None or match[1] == match[2] == "":
        return whole, 200
    if headers.get("If-Range", etag) != etag:
        return whole, 200
    if match[1] == "":
        length = min(int(match[2]), size)
        part = Part(size - length, length, size)
    else:
        first = int(match[1])
        last = min(int(match[2]) if match[2] else size - 1, size - 1)
        if match[2] and int(match[2]) < first:
            return whole, 200
        part = Part(first, last - first + 1, size)
    if part.length <= 0:
        fault = Fault("Range", f"a range within {size} bytes", headers["Range"][:80])
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "The file has no such range.", [fault], headers=headers)
    return part, 206
