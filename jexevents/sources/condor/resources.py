"""The table of partitionable resources at the end of 004, 005 and 015.

    Partitionable Resources :    Usage  Request Allocated Assigned
       Cpus                 :     0.25        1         1
       Gpus (Average)       :     0.90        1         1 "GPU-1f"

A row ``Cpus`` gives CpusUsage, RequestCpus, Cpus and AssignedCpus. Columns end where their
titles end; Assigned begins where its title begins and takes the rest of the line.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from jexevents.sources.condor.classad import read_value
from jexevents.sources.condor.lines import Ad, keep_unread, spelling

_TITLE = re.compile(r"\s*(?:Partitionable )?Resources\s*:")
_NUMBERS = re.compile(r"(-?\d{1,18}(?:\.\d{1,18})?)\s", re.ASCII)
_DIGITS = 18


class _Columns(NamedTuple):
    """Where columns end, counted from behind the colon; 0 for one that is not there."""

    usage: int
    request: int
    allocated: int
    assigned: int


class _Row(NamedTuple):
    """A row: its tag without case, names and texts of the cells that are filled.

    ``shifted`` says that a cut went through a word.
    """

    folded: str
    cells: tuple[tuple[str, str], ...]
    shifted: bool


def is_title(line: str) -> bool:
    """Tell whether a table of resources starts with this line."""
    return "Resources" in line and _TITLE.match(line) is not None


def read_table(lines: list[str], start: int, ad: Ad) -> int:
    """Read the table whose title is ``lines[start]`` into ``ad``; give the line after it."""
    columns = _columns(lines[start].partition(":")[2])
    seen: set[str] = set()
    for index in range(start + 1, len(lines)):
        line = lines[index]
        cut = _cut if len(line) > _MEMORABLE_CHARACTERS else _cut_before
        row = cut(line, columns)
        if row is None:
            return index
        if row.shifted:
            keep_unread(ad, line)
        _read_row(row, ad, row.folded in seen)
        seen.add(row.folded)
    return len(lines)


def _cut(line: str, columns: _Columns) -> _Row | None:
    """Cut a row at its columns, as HTCondor's reader does; None for a line that is no row."""
    label, colon, cells = line.partition(":")
    words = label.split(None, 1)
    # A colon inside a later line (who ended the job, at what time) does not make it a row.
    if not colon or not words or label.lstrip().startswith("Job terminated"):
        return None
    tag = words[0]
    names = (f"{tag}Usage", f"Request{tag}", tag, f"Assigned{tag}")
    texts = _cells(cells, columns)
    pairs = tuple((name, text) for name, text in zip(names, texts, strict=True) if text)
    return _Row(tag.lower(), pairs, _cuts_a_word(cells, columns))


# Rows repeat as other lines do, see ``lines``.
_MEMORABLE_CHARACTERS = 200
_cut_before = lru_cache(maxsize=2048)(_cut)


@lru_cache(maxsize=64)
def _columns(titles: str) -> _Columns:
    """Find the columns by their titles."""
    ends = [match.end() for match in re.finditer(r"\S+", titles)]
    usage = ends[0] + 1 if ends else 0
    request = ends[1] + 1 if len(ends) > 1 else usage
    allocated = titles.find("Allocated")
    return _Columns(
        usage,
        request,
        allocated + len("Allocated") if allocated >= 0 else 0,
        max(titles.find("Assigned"), 0),
    )


def _cells(cells: str, columns: _Columns) -> tuple[str, str, str, str]:
    """Cut a row at its columns, as HTCondor's reader does."""
    usage, request, allocated, assigned = columns
    return (
        cells[:usage].strip(),
        cells[usage:request].strip(),
        cells[request:allocated].strip() if allocated else "",
        cells[assigned:].strip() if assigned else "",
    )


def _cuts_a_word(cells: str, columns: _Columns) -> bool:
    """Tell whether a cut goes through a word.

    HTCondor makes its columns as wide as what stands in them. In a row that somebody else
    has shifted the cut can go through a number; then the row is kept as unread, too.
    """
    for edge in columns[:3]:
        around = cells[edge - 1 : edge + 1] if edge else ""
        if len(around) == 2 and around[0] != " " and around[1] != " ":
            return not around.isspace()
    return False


def _read_row(row: _Row, ad: Ad, doubled: bool) -> None:
    """Set a row's values. Tags that differ only in case are one resource (GPUs, Gpus)."""
    for name, text in row.cells:
        if doubled:
            name = spelling(ad, name)
        if text.isdecimal() and len(text) <= _DIGITS:
            ad[name] = int(text)
        else:
            _assign(ad, name, text)


def _assign(ad: Ad, name: str, text: str) -> None:
    """Set one attribute of a resource from a cell that holds no plain integer."""
    try:
        ad[name] = read_value(_first_number(text))
    except ValueError:
        keep_unread(ad, f"{name}: {text}")


def _first_number(text: str) -> str:
    """Take a number, which can have a part of the next column behind it; or all."""
    match = _NUMBERS.match(text)
    return match[1] if match else text
