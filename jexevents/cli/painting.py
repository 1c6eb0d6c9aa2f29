"""What commands print: tables and colours on a terminal, tab-separated text in a pipe, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jexevents.cli.readable import safe
from jexevents.model import Phase

STYLES: Mapping[str, str] = {
    Phase.QUEUED.value: "yellow",
    Phase.RUNNING.value: "cyan",
    Phase.COMPLETE.value: "green",
    Phase.ERROR.value: "bold red",
    Phase.CANCELLED.value: "magenta",
}
# A table is asked how wide it would be in a terminal as wide as this.
_WIDEST = 10_000
Cell = tuple[str, str] | str


def is_terminal() -> bool:
    """Whether the output is read by a person now."""
    return sys.stdout.isatty()


def print_json(value: Any) -> None:
    """Print a JSON value in one line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_rows(
    heads: Sequence[str], rows: Iterable[Sequence[Any]], spare: Sequence[str] = ()
) -> None:
    """Print rows under ``heads``: as a table on a terminal, else a line each with tabs between.

    A cell is a value, or a text and its style; whatever is in it, it is shown and does nothing.
    A terminal that is too narrow is spared the columns ``spare``, one after the other till it is
    not: what is left is not cut.
    """
    if not is_terminal():
        for row in [heads, *rows]:
            print("\t".join(_plain(cell) for cell in row))
        return
    console, shown = Console(), [[painted(cell) for cell in row] for row in rows]
    left = list(heads)
    for name in ("", *spare):
        left = [head for head in left if head != name]
        table = Table(*left, box=None, pad_edge=False, header_style="bold")
        for row in shown:
            table.add_row(*(cell for head, cell in zip(heads, row, strict=True) if head in left))
        whole = console.measure(table, options=console.options.update(width=_WIDEST))
        if whole.maximum <= console.width:
            break
    console.print(table)


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Print names and what they are of one thing, those that are nothing left out."""
    known = [(name, value) for name, value in facts if value not in (None, "")]
    if not is_terminal():
        for name, value in known:
            print(f"{name}\t{_plain(value)}")
        return
    table = Table.grid(padding=(0, 2))
    for name, value in known:
        table.add_row(Text(name, "bold"), painted(value))
    Console().print(table)


def print_line(*cells: Any) -> None:
    """Print the cells of one line at once: coloured on a terminal, else with tabs between."""
    if not is_terminal():
        print("\t".join(map(_plain, cells)), flush=True)
        return
    line = Text("  ").join(painted(cell) for cell in cells if _plain(cell))
    Console(soft_wrap=True).print(line)


def phase_of(job: Mapping[str, Any], word: str) -> Cell:
    """Give a word of a job in the colour of its phase."""
    return (str(job.get(word) or ""), STYLES.get(str(job.get("phase")), ""))


def painted(cell: Any) -> Text:
    """Give a cell as rich shows it."""
    text, style = cell if isinstance(cell, tuple) else (cell, "")
    return Text(_shown(text), style)


def _plain(cell: Any) -> str:
    return _shown(cell[0] if isinstance(cell, tuple) else cell)


def _shown(value: Any) -> str:
    return "" if value is None else safe(word(value))


def word(value: Any) -> str:
    """Give a text as it is, and any other JSON value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
