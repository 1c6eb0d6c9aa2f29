"""Bodies of the events about a job's place in the queue and on a grid: 008 to 013, 021 to 038.

Each reader takes the rest of the header line, the lines below it and the ad to fill.
"""

from __future__ import annotations

import re

from jexevents.sources.condor.lines import (
    Ad,
    keep_all_unread,
    keep_head,
    keep_unread,
    read_attributes,
    read_codes,
    read_ticket,
)

_SUSPENDED = re.compile(r"\s*Number of processes actually suspended: (-?\d{1,18})", re.ASCII)
_REMOTE = re.compile(r"(.+?) from (?:(.+?) on )?(.*?):?", re.DOTALL)
_CHANGED = re.compile(r"Changing job attribute (\S+) from (.*) to (.*)", re.DOTALL)
_SET = re.compile(r"Setting job attribute (\S+) to (.*)", re.DOTALL)
_MATERIALIZED = re.compile(r"Materialized (-?\d{1,18}) jobs from (-?\d{1,18}) items\.\s*", re.ASCII)
_COMPLETION_ERROR = re.compile(r"error\s*(-?\d{1,18})?", re.ASCII | re.IGNORECASE)
_PAUSE_CODE = re.compile(r"(PauseCode|HoldCode) (-?\d{1,18})", re.ASCII)

_INCOMPLETE, _COMPLETE, _PAUSED, _ERROR = 0, 1, 2, -1


def read_generic(head: str, lines: list[str], ad: Ad) -> None:
    """Read 008: free text, from a job's own chirp or a log's rotation header."""
    if head:
        ad["Info"] = head
    keep_all_unread(ad, lines)


def _reason_reader(banner: str):
    """Make a reader for an event of one reason, with the banner its header line has."""

    def read(head: str, lines: list[str], ad: Ad) -> None:
        if not head.startswith(banner):
            keep_head(ad, head)
        _read_reason(lines, ad)

    return read


def _read_reason(lines: list[str], ad: Ad) -> None:
    """Read a reason, and in versions 8.9 to 23.x who ended the job."""
    for index, line in enumerate(lines):
        if read_ticket(line, ad):
            continue
        if index == 0 and line.strip():
            ad["Reason"] = line.strip()
        else:
            keep_unread(ad, line)


read_aborted = _reason_reader("Job was aborted")
read_released = _reason_reader("Job was released.")
read_dataflow_skipped = _reason_reader("Dataflow job was skipped.")
read_factory_resumed = _reason_reader("Job Materialization Resumed")


def _banner_reader(banner: str):
    """Make a reader for an event that says nothing but its banner."""

    def read(head: str, lines: list[str], ad: Ad) -> None:
        if not head.startswith(banner):
            keep_head(ad, head)
        keep_all_unread(ad, lines)

    return read


read_unsuspended = _banner_reader("Job was unsuspended.")
read_status_unknown = _banner_reader("The job's remote status is unknown")
read_status_known = _banner_reader("The job's remote status is known again")


def read_suspended(head: str, lines: list[str], ad: Ad) -> None:
    """Read 010: how many processes were suspended."""
    if not head.startswith("Job was suspended."):
        keep_head(ad, head)
    for line in lines:
        match = _SUSPENDED.match(line)
        if match:
            ad["NumberOfPIDs"] = int(match[1])
        else:
            keep_unread(ad, line)


def read_held(head: str, lines: list[str], ad: Ad) -> None:
    """Read 012: the reason and its codes. ``Reason unspecified`` is none."""
    if not head.startswith("Job was held."):
        keep_head(ad, head)
    for index, line in enumerate(lines):
        text = line.strip()
        codes = read_codes(text) if index else None
        if codes:
            ad["HoldReasonCode"], ad["HoldReasonSubCode"] = codes
        elif index:
            keep_unread(ad, line)
        elif text and text != "Reason unspecified":
            ad["HoldReason"] = text


def read_remote_error(head: str, lines: list[str], ad: Ad) -> None:
    """Read 021: which daemon on which host, its message, codes if the job was held for it.

    ``Warning from`` and ``Message from`` say that the error was not a critical one.
    """
    match = _REMOTE.fullmatch(head.strip())
    if match is None:
        keep_head(ad, head)
    else:
        _read_remote(match, ad)
    message: list[str] = []
    for index, line in enumerate(lines):
        codes = read_codes(line)
        if codes:
            if codes[0]:
                ad["HoldReasonCode"], ad["HoldReasonSubCode"] = codes
            keep_all_unread(ad, lines[index + 1 :])
            break
        if line or message:
            message.append(line[1:] if line[:1] == "\t" else line)
    if message:
        ad["ErrorMsg"] = "\n".join(message)


def _read_remote(match: re.Match[str], ad: Ad) -> None:
    """Read ``KIND from DAEMON on HOST:``."""
    kind, daemon, host = match[1], match[2], match[3]
    if daemon:
        ad["Daemon"] = daemon.strip()
    if host.strip():
        ad["ExecuteHost"] = host.strip()
    if kind.strip() != "Error":
        ad["CriticalError"] = 0


def read_disconnected(head: str, lines: list[str], ad: Ad) -> None:
    """Read 022: why, and whether a new connection to the same place is tried.

    Versions before 8.7 also write that none can be: the reason for that on a line of its
    own, ``Can not reconnect to NAME ADDRESS, rescheduling job`` below it.
    """
    if "can not reconnect" in head:
        ad["EventDescription"] = "Job disconnected, can not reconnect, rescheduling job"
    elif not head.startswith("Job disconnected"):
        keep_head(ad, head)
    for index, line in enumerate(lines):
        text = _unindented(line)
        if text.startswith("Trying to reconnect to "):
            _read_startd(text[len("Trying to reconnect to ") :], ad)
        elif text.startswith("Can not reconnect to "):
            place = text[len("Can not reconnect to ") :]
            _read_startd(place.removesuffix(", rescheduling job"), ad)
        elif index == 0 and text:
            ad["DisconnectReason"] = text
        elif index == 1 and "can not reconnect" in head:
            ad["NoReconnectReason"] = text
        else:
            keep_unread(ad, line)


def _unindented(line: str) -> str:
    """Take four blanks, or whatever a copy made of them, off a line."""
    return line[4:] if line.startswith("    ") else line.lstrip()


def _read_startd(text: str, ad: Ad) -> None:
    """Read ``NAME ADDRESS``."""
    name, _, address = text.partition(" ")
    ad["StartdName"] = name
    if address:
        ad["StartdAddr"] = address


def _prefix_reader(banner: str, prefixes: dict[str, str], head_attribute: str = ""):
    """Make a reader for lines ``PREFIX: value``; what is behind the banner may have a name."""

    def read(head: str, lines: list[str], ad: Ad) -> None:
        if not head.startswith(banner):
            keep_head(ad, head)
        elif head_attribute:
            ad[head_attribute] = head[len(banner) :]
        for line in lines:
            prefix, separator, value = _unindented(line).partition(": ")
            if separator and prefix in prefixes:
                ad[prefixes[prefix]] = value
            else:
                keep_unread(ad, line)

    return read


_GRID = {"GridResource": "GridResource", "GridJobId": "GridJobId"}
read_grid_up = _prefix_reader("Grid Resource Back Up", _GRID)
read_grid_down = _prefix_reader("Detected Down Grid Resource", _GRID)
read_grid_submit = _prefix_reader("Job submitted to grid resource", _GRID)
read_reconnected = _prefix_reader(
    "Job reconnected to ",
    {"startd address": "StartdAddr", "starter address": "StarterAddr"},
    "StartdName",
)


def read_reconnect_failed(head: str, lines: list[str], ad: Ad) -> None:
    """Read 024: why, and to where."""
    if not head.startswith("Job reconnection failed"):
        keep_head(ad, head)
    for index, line in enumerate(lines):
        text = _unindented(line)
        if text.startswith("Can not reconnect to "):
            ad["StartdName"] = text[len("Can not reconnect to ") :].partition(",")[0]
        elif index == 0 and text:
            ad["Reason"] = text
        else:
            keep_unread(ad, line)


_OF_THE_HEADER = frozenset(
    ("cluster", "proc", "subproc", "eventtime", "eventtypenumber", "mytype", "targettype")
)


def read_ad_information(head: str, lines: list[str], ad: Ad) -> None:
    """Read 028: a copy of the trigger's attributes and of some of the job's.

    What repeats the header is left out, as HTCondor's reader does.
    """
    if not head.startswith("Job ad information event triggered."):
        keep_head(ad, head)
    attributes: Ad = {}
    read_attributes(lines, attributes, ad)
    for name, value in attributes.items():
        if name.lower() not in _OF_THE_HEADER:
            ad[name] = value


def read_attribute_update(head: str, lines: list[str], ad: Ad) -> None:
    """Read 033: attribute, value and the value before.

    HTCondor's reader gives empty text for an attribute that was set for the first time and
    for values with blanks.
    """
    if match := _CHANGED.fullmatch(head):
        ad["Attribute"], ad["PriorValue"], ad["Value"] = match.groups()
    elif match := _SET.fullmatch(head):
        ad["Attribute"], ad["Value"] = match.groups()
    else:
        keep_head(ad, head)
    keep_all_unread(ad, lines)


def read_preskip(head: str, lines: list[str], ad: Ad) -> None:
    """Read 034: DAGMan's note on the node whose PRE script said skip."""
    if not head.startswith("PRE script return value is PRE_SKIP"):
        keep_head(ad, head)
    if lines and lines[0].strip():
        ad["SkipEventLogNotes"] = lines[0].strip()
    keep_all_unread(ad, lines[1:])


def read_cluster_removed(head: str, lines: list[str], ad: Ad) -> None:
    """Read 036: how far the factory of jobs had come, and how it ended."""
    if "remove" in head.lower():
        progress, notes = (lines[0] if lines else ""), lines[1:]
    else:
        progress, notes = head, lines
    _read_progress(progress.strip(), ad)
    if notes and notes[0].strip():
        ad["Notes"] = notes[0].lstrip()
    keep_all_unread(ad, notes[1:])


def _read_progress(text: str, ad: Ad) -> None:
    """Read ``Materialized N jobs from N items.`` and the word behind it."""
    match = _MATERIALIZED.match(text)
    if match:
        ad["NextProcId"], ad["NextRow"] = int(match[1]), int(match[2])
        text = text[match.end() :]
    error = _COMPLETION_ERROR.match(text)
    if error:
        code = int(error[1] or 0)
        ad["Completion"] = code if code < 0 else _ERROR
    elif text.lower().startswith("complete"):
        ad["Completion"] = _COMPLETE
    else:
        ad["Completion"] = _PAUSED if text.lower().startswith("paused") else _INCOMPLETE


def read_factory_paused(head: str, lines: list[str], ad: Ad) -> None:
    """Read 037: why, and codes."""
    if not head.startswith("Job Materialization Paused"):
        keep_head(ad, head)
    for index, line in enumerate(lines):
        codes = _PAUSE_CODE.findall(line)
        if index == 0:
            if line.strip():
                ad["Reason"] = line.lstrip()
        elif codes:
            ad.update({name: int(code) for name, code in codes})
        else:
            keep_unread(ad, line)
