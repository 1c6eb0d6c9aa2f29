"""Bodies of the events about files (031, 032, 040 to 045, 047), of Globus, and of no known kind.

Each reader takes the rest of the header line, the lines below it and the ad to fill.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jexevents.sources.condor.classad import read_line
from jexevents.sources.condor.event import is_id
from jexevents.sources.condor.lines import (
    Ad,
    keep_all_unread,
    keep_head,
    keep_unread,
    read_attributes,
    read_integer,
    spelling,
)

_TRANSFERS = {
    "Entered queue to transfer input files": 1,
    "Started transferring input files": 2,
    "Finished transferring input files": 3,
    "Entered queue to transfer output files": 4,
    "Started transferring output files": 5,
    "Finished transferring output files": 6,
}
_QUEUED = re.compile(r"\s*Seconds spent in queue: (-?\d{1,18})\s*", re.ASCII)
_TO_HOST = re.compile(r"\s*Transferring to host: (.*)", re.DOTALL)
_COMMON = "Common files event: "
_COMMON_SENTENCES = frozenset(
    (
        "Entered queue to transfer common files",
        "Started transferring common files",
        "Finished transferring common files",
        "Started waiting for previous job to transfer common files",
        "Finished waitiing for previous job to transfer common files",
        "Finished waiting for previous job to transfer common files",
    )
)


def read_file_transfer(head: str, lines: list[str], ad: Ad) -> None:
    """Read 040: which step of which transfer, seconds in the queue, the host."""
    kind = _TRANSFERS.get(head)
    if kind is None:
        keep_head(ad, head)
    else:
        ad["Type"] = kind
    for line in lines:
        if match := _TO_HOST.fullmatch(line):
            ad["Host"] = match[1]
        elif match := _QUEUED.fullmatch(line):
            ad["QueueingDelay"] = int(match[1])
        else:
            keep_unread(ad, line)


def read_common_files(head: str, lines: list[str], ad: Ad) -> None:
    """Read 047: the type; the sentence below it says the same in words."""
    if head.startswith(_COMMON):
        ad["Type"] = head[len(_COMMON) :]
    else:
        keep_head(ad, head)
    keep_all_unread(ad, [line for line in lines if line.strip() not in _COMMON_SENTENCES])


_Fields = dict[str, tuple[str, Callable[[str], Any]]]

_CHECKSUM: _Fields = {"Checksum Value": ("Checksum", str), "Checksum Type": ("ChecksumType", str)}
_TAG: _Fields = {"Tag": ("Tag", str)}
_SIZE: _Fields = {"Bytes": ("Size", read_integer)}
_RESERVATION: _Fields = {"Reservation UUID": ("UUID", str)}


def _field_reader(fields: _Fields):
    """Make a reader for ``Label: value`` in any line.

    HTCondor writes the first of these on the line below the header and its own reader wants
    it in the header line; both are read.
    """

    def read(head: str, lines: list[str], ad: Ad) -> None:
        for line in (head, *lines):
            label, separator, text = line.strip().partition(":")
            name, convert = fields.get(label, ("", str))
            value = convert(text.strip()) if separator and name else None
            if value is None:
                keep_unread(ad, line)
            else:
                ad[name] = value

    return read


read_reserve_space = _field_reader(
    {
        "Bytes reserved": ("ReservedSpace", read_integer),
        "Reservation Expiration": ("ExpirationTime", read_integer),
        **_RESERVATION,
        **_TAG,
    }
)
read_release_space = _field_reader(_RESERVATION)
read_file_complete = _field_reader({**_SIZE, **_CHECKSUM, "UUID": ("UUID", str)})
read_file_used = _field_reader({**_CHECKSUM, **_TAG})
read_file_removed = _field_reader({**_SIZE, **_CHECKSUM, **_TAG})


_NEVER_AN_ATTRIBUTE = frozenset(("eventtime", "eventtypenumber", "mytype"))
_IDS = {"cluster": "Cluster", "proc": "Proc", "subproc": "Subproc"}
_RESERVED = _NEVER_AN_ATTRIBUTE | _IDS.keys()


def read_future(head: str, lines: list[str], ad: Ad) -> None:
    """Read an event of no known kind: its header's rest, and lines that are attributes."""
    ad["EventHead"] = head
    for line in lines:
        pair = read_line(line)
        if pair is None or pair[0].lower() in _RESERVED:
            keep_unread(ad, line)
        else:
            ad[spelling(ad, pair[0])] = pair[1]


def read_execute_point(head: str, lines: list[str], ad: Ad) -> None:
    """Read an event of an execute point's log; ``text`` takes the ids of a job out of it."""
    attributes: Ad = {}
    read_attributes(lines, attributes, ad)
    ad["EventHead"] = head
    for name, value in attributes.items():
        folded = name.lower()
        if folded in _NEVER_AN_ATTRIBUTE or (folded in _IDS and not is_id(value)):
            keep_unread(ad, f"{name} = {value}")
        else:
            ad[_IDS.get(folded, name)] = value


def _flag(text: str) -> bool:
    """Read 0 or 1."""
    return text.strip() != "0"


_GLOBUS: _Fields = {
    "RM-Contact": ("RMContact", str),
    "JM-Contact": ("JMContact", str),
    "Can-Restart-JM": ("RestartableJM", _flag),
    "Reason": ("Reason", str),
}


def read_globus(head: str, lines: list[str], ad: Ad) -> None:
    """Read 017 to 020, gone since 9.0: as unknown events, and their fields by their old names."""
    rest = []
    for line in lines:
        label, separator, text = line.strip().partition(":")
        if separator and label in _GLOBUS:
            name, convert = _GLOBUS[label]
            ad[name] = convert(text.strip())
        else:
            rest.append(line)
    read_future(head, rest, ad)
