"""Bodies of the events about a job's runs: 000 to 007, 014 to 016, 035.

Each reader takes the rest of the header line, the lines below it and the ad to fill.
"""

from __future__ import annotations

import re

from jexevents.sources.condor import resources
from jexevents.sources.condor.classad import read_ad
from jexevents.sources.condor.lines import (
    Ad,
    keep_all_unread,
    keep_head,
    keep_unread,
    read_attributes,
    read_codes,
    read_count,
    read_end,
    read_labelled,
    read_ticket,
    spelling,
)

_SUBMIT = re.compile(r"(?:Job|Cluster) submitted from host: ?(.*)", re.DOTALL)
_EXECUTE = "Job executing on host: "
_NODE_EXECUTE = re.compile(r"Node (-?\d{1,9}) executing on host:(.*)", re.DOTALL | re.ASCII)
_NODE_TERMINATED = re.compile(r"Node (-?\d{1,9}) terminated\.", re.ASCII)
_EXECUTABLE = re.compile(r"\((-?\d{1,9})\)", re.ASCII)
_IMAGE = "Image size of job updated: "
_CHECKPOINT = re.compile(r"\((-?\d{1,9})\)\s*([A-Za-z ]+)", re.ASCII)
_DAG_NODE = "DAG Node: "


def read_submit(head: str, lines: list[str], ad: Ad) -> None:
    """Read 000 and 035: the host, then notes.

    A line in brackets or ``DAG Node: X`` holds structured notes, ``WARNING: `` the warnings;
    of other lines the first is the log's notes and the second the user's.
    """
    match = _SUBMIT.fullmatch(head)
    if match is None:
        keep_head(ad, head)
    elif match[1]:
        ad["SubmitHost"] = match[1]
    for number, line in enumerate(lines):
        text = line.strip()
        if text and not _read_structured_note(text, ad):
            _read_note(number, line, text, ad)


def _read_structured_note(text: str, ad: Ad) -> bool:
    """Read a line of notes that says of itself what it is."""
    if text.startswith(_DAG_NODE):
        ad["LogNotes"] = text
        notes = ad.setdefault("StructuredNotes", {})
        notes[spelling(notes, "DAGNodeName")] = text[len(_DAG_NODE) :].strip()
    elif text[0] == "[":
        return "StructuredNotes" not in ad and _read_bracketed_note(text, ad)
    elif text.startswith("WARNING: "):
        ad["Warnings"] = text
    else:
        return False
    return True


def _read_bracketed_note(text: str, ad: Ad) -> bool:
    """Read structured notes in brackets; their text is kept as well, as HTCondor keeps it."""
    ad["LogNotes"] = text
    try:
        notes = read_ad(text)
    except ValueError:
        return True
    if notes:
        ad["StructuredNotes"] = notes
    return True


def _read_note(number: int, line: str, text: str, ad: Ad) -> None:
    """Read a line of notes by its position."""
    if number == 0:
        ad["LogNotes"] = text
    elif number == 1:
        ad["UserNotes"] = text
    else:
        keep_unread(ad, line)


def read_execute(head: str, lines: list[str], ad: Ad) -> None:
    """Read 001: host, slot and properties of the slot."""
    if head.startswith(_EXECUTE):
        if host := head[len(_EXECUTE) :]:
            ad["ExecuteHost"] = host
    elif head != _EXECUTE.rstrip():
        keep_head(ad, head)
    _read_slot(lines, ad)


def _read_slot(lines: list[str], ad: Ad) -> None:
    """Read the name and the properties of a slot."""
    if lines and lines[0].lstrip().startswith("SlotName:"):
        ad["SlotName"] = _unquoted(lines[0].partition(":")[2].strip())
        lines = lines[1:]
    if lines:
        properties: Ad = {}
        read_attributes(lines, properties, ad)
        if properties:
            ad["ExecuteProps"] = properties


def _unquoted(text: str) -> str:
    """Take a pair of quotation marks off."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def read_executable_error(head: str, lines: list[str], ad: Ad) -> None:
    """Read 002: the kind of error, -1 where the writer knew none."""
    match = _EXECUTABLE.match(head)
    if match is None:
        keep_head(ad, head)
    elif int(match[1]) >= 0:
        ad["ExecuteErrorType"] = int(match[1])
    keep_all_unread(ad, lines)


def read_checkpointed(head: str, lines: list[str], ad: Ad) -> None:
    """Read 003: usage, and what the checkpoint cost to send."""
    if not head.startswith("Job was checkpointed"):
        keep_head(ad, head)
    for line in lines:
        if not read_labelled(line, ad):
            keep_unread(ad, line)


def read_evicted(head: str, lines: list[str], ad: Ad) -> None:
    """Read 004: why, usage, whether it is queued again and how it ended then, resources."""
    if not head.startswith("Job was evicted."):
        keep_head(ad, head)
    elif codes := read_codes(head[len("Job was evicted.") :]):
        # HTCondor leaves a code of 0 out of this event.
        ad.update({n: c for n, c in zip(_REASON_CODES, codes, strict=True) if c})
    index = 0
    while index < len(lines):
        if resources.is_title(lines[index]):
            index = resources.read_table(lines, index, ad)
        else:
            _read_evicted_line(index, lines[index], ad)
            index += 1


_REASON_CODES = ("ReasonCode", "ReasonSubCode")


def _read_evicted_line(index: int, line: str, ad: Ad) -> None:
    """Read one line of 004; the first that has no label is the reason."""
    if index == 0 and _read_checkpointed_line(line, ad):
        return
    if read_labelled(line, ad) or read_end(line, ad):
        return
    text = line.strip()
    if "Reason" in ad:
        keep_unread(ad, line)
    elif text:
        ad["Reason"] = _prefixed(line)


def _prefixed(line: str) -> str:
    """Take ``Reason: `` off a line; behind it HTCondor keeps blanks, elsewhere not."""
    head, prefix, reason = line.partition("Reason: ")
    return reason if prefix and not head.strip() else line.strip()


def _read_checkpointed_line(line: str, ad: Ad) -> bool:
    """Read ``(N) Job was checkpointed.`` and its like."""
    match = _CHECKPOINT.match(line.strip())
    if not match:
        return False
    ad["Checkpointed"] = int(match[1]) != 0
    ad["TerminatedAndRequeued"] = match[2].startswith("Job terminated and was requeued")
    return True


def read_terminated(head: str, lines: list[str], ad: Ad) -> None:
    """Read 005: how it ended, usage, bytes, resources, who ended it."""
    if not head.startswith("Job terminated."):
        keep_head(ad, head)
    _read_termination(lines, ad)


def read_node_terminated(head: str, lines: list[str], ad: Ad) -> None:
    """Read 015: the node, then as 005."""
    match = _NODE_TERMINATED.match(head)
    if match is None:
        keep_head(ad, head)
    elif int(match[1]) >= 0:
        ad["Node"] = int(match[1])
    _read_termination(lines, ad)


def _read_termination(lines: list[str], ad: Ad) -> None:
    """Read the lines that 005 and 015 share."""
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if read_labelled(line, ad):
            continue
        if resources.is_title(line):
            index = resources.read_table(lines, index - 1, ad)
        elif not read_end(line, ad) and not read_ticket(line, ad):
            keep_unread(ad, line)


def read_image_size(head: str, lines: list[str], ad: Ad) -> None:
    """Read 006: sizes in KB and MB; -1 is how HTCondor writes an unknown one."""
    size = head[len(_IMAGE) :] if head.startswith(_IMAGE) else ""
    if size.isdecimal() and size.isascii() and len(size) < 19:
        ad["Size"] = int(size)
    elif (known := read_count(size.strip())) is not None:
        ad["Size"] = known
    elif size.strip() != "-1":
        keep_head(ad, head)
    for line in lines:
        if not read_labelled(line, ad):
            keep_unread(ad, line)


def read_shadow_exception(head: str, lines: list[str], ad: Ad) -> None:
    """Read 007: the message, then bytes."""
    if not head.startswith("Shadow exception!"):
        keep_head(ad, head)
    if lines and not read_labelled(lines[0], ad):
        ad["Message"] = lines[0].strip()
    for line in lines[1:]:
        if not read_labelled(line, ad):
            keep_unread(ad, line)


def read_node_execute(head: str, lines: list[str], ad: Ad) -> None:
    """Read 014: the node, then as 001."""
    match = _NODE_EXECUTE.fullmatch(head)
    if match is None:
        keep_head(ad, head)
    else:
        ad["Node"] = int(match[1])
        if host := match[2].strip():
            ad["ExecuteHost"] = host
    _read_slot(lines, ad)


def read_post_script(head: str, lines: list[str], ad: Ad) -> None:
    """Read 016: how DAGMan's POST script ended, and of which node it was."""
    if not head.startswith("POST Script terminated."):
        keep_head(ad, head)
    for line in lines:
        text = line.strip()
        if text.startswith(_DAG_NODE):
            ad["DAGNodeName"] = text[len(_DAG_NODE) :]
        elif not read_end(line, ad):
            keep_unread(ad, line)
