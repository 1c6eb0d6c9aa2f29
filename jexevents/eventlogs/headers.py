"""The header of a rotated log's file; it is read where identity is made (sources.condor)."""

from __future__ import annotations

from jexevents.sources.condor.rotation import RotationHeader, rotation_header
from jexevents.sources.condor.split import Splitter

__all__ = ["RotationHeader", "header_of_file", "rotation_header"]


def header_of_file(head: bytes) -> RotationHeader | None:
    """Read the header of the file that begins with ``head``; None if it begins with none, or
    with less than the whole of one."""
    pieces = Splitter().feed(head)
    return rotation_header(pieces[0].raw) if pieces else None
