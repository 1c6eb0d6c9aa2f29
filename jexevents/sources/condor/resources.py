"""The table of partitionable resources at the end of 004, 005 and 015.

    Partitionable Resources :    Usage  Request Allocated Assigned
       Cpus                 :     0.25        1         1
       Gpus (Average)       :     0.90        1         1 "GPU-1f"

A row ``Cpus`` gives CpusUsage, RequestCpus, Cpus and AssignedCpus. Columns end where their
titles end; Assigned begins where its title begins and takes the rest of the line.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from jexevents.sources.condor.classad import read_value
from jexevents.sources.condor.lines import Ad, insert, keep_unread

_TITLE = re.compile(r"\s*(?:Partitionable )?Resources\s*:")
_ROW = re.compile(r"\s*([^\s:]+)[^:]*:(.*)", re.DOTALL)


class _Columns(NamedTuple):
    """Where columns end, counted from behind the colon; 0 for one that is not there."""

    usage: int
    request: int
    allocated: int
    assigned: int


def is_title(line: str) -> bool:
    """Tell whether a table of resources starts with this line."""
    return "Resources" in line and _TITLE.match(line) is not None


def read_table(lines: list[str], start: int, ad: Ad) -> int:
    """Read the table whose title is ``lines[start]`` into ``ad``; give the line after it."""
    columns = _columns(lines[start].partition(":")[2])
    seen: set[str] = set()
    for index in range(start + 1, len(lines)):
        row = _ROW.fullmatch(lines[index])
        # A colon inside a later line (a ticket of execution, say) does not make it a row.
        if not row or not row[1][0].isalpha() or lines[index].lstrip().startswith("Job "):
            return index
        _read_row(row[1], row[2], columns, ad, seen)
    return len(lines)


def _columns(titles: str) -> _Columns:
    """Find the columns by their titles."""
    ends = [match.end() for match in re.finditer(r"\S+", titles)]
    usage = ends[0] + 1 if ends else 0
    request = ends[1] + 1 if len(ends) > 1 else usage
    allocated = titles.find("Allocated")
    return _Columns(
        usage,
        request,
        allocated + 9 if allocated >= 0 else 0,
        max(titles.find("Assigned"), 0),
    )


def _read_row(tag: str, cells: str, columns: _Columns, ad: Ad, seen: set[str]) -> None:
    """Read one row. Two tags that differ only in case are one resource (``GPUs``, ``Gpus``)."""
    values = _cut(cells, columns)
    names = (f"{tag}Usage", f"Request{tag}", tag, f"Assigned{tag}")
    doubled = tag.lower() in seen
    seen.add(tag.lower())
    for name, text in zip(names, values, strict=True):
        if text:
            _assign(ad, name, text, doubled)


def _assign(ad: Ad, name: str, text: str, doubled: bool) -> None:
    """Set one attribute of a resource from the text of its cell."""
    value: Any = int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else None
    try:
        value = read_value(text) if value is None else value
    except ValueError:
        keep_unread(ad, f"{name}: {text}")
        return
    if doubled:
        insert(ad, name, value)
    else:
        ad[name] = value


def _cut(cells: str, columns: _Columns) -> tuple[str, str, str, str]:
    """Cut a row at its columns, or by its words where a number is wider than its column."""
    usage, request, allocated, assigned = columns
    if any(_splits(cells, edge) for edge in (usage, request, allocated) if edge):
        return _cut_words(cells)
    middle = cells[request:allocated] if allocated else ""
    rest = cells[assigned:] if assigned else ""
    return cells[:usage].strip(), cells[usage:request].strip(), middle.strip(), rest.strip()


def _splits(cells: str, edge: int) -> bool:
    """Tell whether a cut at ``edge`` goes through a word."""
    return (
        not cells[edge - 1 : edge].isspace()
        and not cells[edge : edge + 1].isspace()
        and (0 < edge < len(cells))
    )


def _cut_words(cells: str) -> tuple[str, str, str, str]:
    """Take the words of a row from the right: allocated, requested, used."""
    words = cells.split(None, 3)
    rest = words[3].strip() if len(words) > 3 else ""
    numbers = [""] * (3 - len(words[:3])) + words[:3]
    return numbers[0], numbers[1], numbers[2], rest
