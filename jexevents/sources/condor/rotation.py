"""The header with which HTCondor begins each file of a log that it rotates itself.

It is an event of no job, number 008, whose Info begins with ``Global JobLog:``. When a file is
rotated, HTCondor writes its header anew in place, with the size, the number of events and the
time of then; what stays is ``ctime``, ``id`` and ``sequence``. So these alone say which header
it is, else the same file would be told twice, once as it was read live and once as it stands
in the rotated file.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# How the Info of such an event begins.
HEADER = "Global JobLog:"

_MARK = HEADER.encode("ascii")
# A job may write such a text too, but then under its own number.
_TEXT = re.compile(
    rb"008 \(-\d{1,10}\.-?\d{1,10}\.-?\d{1,10}\) [\d/-]{5,10}[ T]\S{8,40} Global JobLog:"
)
_JSON_INFO = re.compile(rb'"Info"\s*:\s*"Global JobLog:')
_JSON_JOB = re.compile(rb'"Cluster"\s*:\s*\d')
_XML_INFO = re.compile(rb'<a n="Info">\s*<s>Global JobLog:')
_XML_JOB = re.compile(rb'<a n="Cluster">\s*<i>\s*\d')

_MEMBERS = re.compile(
    rb"Global JobLog: ctime=(\d{1,19}) id=([!#-;=?-~]{1,255}) sequence=(\d{1,18})"
    rb"(?: size=(\d{1,18}))?(?: events=(\d{1,18}))?(?: offset=(\d{1,18}))?"
    rb"(?: event_off=(\d{1,18}))?(?: max_rotation=(\d{1,18}))?"
)


class RotationHeader(NamedTuple):
    """What a header says of its file.

    ``ctime`` (seconds since 1970) is when the file was begun, ``id`` names it among all,
    ``sequence`` counts the files of a log from 1. ``size`` (bytes) and ``events`` are 0 until
    the file is rotated. ``offset`` (bytes) and ``event_offset`` say how much all files before
    it held. ``max_rotation`` is how many rotated files HTCondor keeps, where it says so.
    """

    ctime: int
    id: str
    sequence: int
    size: int = 0
    events: int = 0
    offset: int = 0
    event_offset: int = 0
    max_rotation: int | None = None


def rotation_header(raw: bytes) -> RotationHeader | None:
    """Read the header of a log's file, in any of the three forms; None if ``raw`` is none."""
    if _MARK not in raw or not _is_of_no_job(raw.lstrip()):
        return None
    return _read(raw)


def header_said(info: str) -> RotationHeader | None:
    """Read what the Info of a header says, as the ledger has it; None if it says none."""
    return _read(info.encode("utf-8", "replace"))


def _read(raw: bytes) -> RotationHeader | None:
    match = _MEMBERS.search(raw)
    if match is None:
        return None
    ctime, name, *numbers, rotations = match.groups()
    return RotationHeader(
        int(ctime),
        name.decode("ascii"),
        *(int(number or 0) for number in numbers),
        None if rotations is None else int(rotations),
    )


def lasting(header: RotationHeader) -> bytes:
    """Give what never changes of a header; its identity is made of this."""
    return b"Global JobLog: ctime=%d id=%s sequence=%d" % (
        header.ctime,
        header.id.encode("ascii"),
        header.sequence,
    )


def _is_of_no_job(raw: bytes) -> bool:
    """Tell whether HTCondor wrote this itself; what a job says of itself has its number."""
    if raw.startswith(b"{"):
        return _JSON_INFO.search(raw) is not None and _JSON_JOB.search(raw) is None
    if raw.startswith(b"<"):
        return _XML_INFO.search(raw) is not None and _XML_JOB.search(raw) is None
    return _TEXT.match(raw) is not None
