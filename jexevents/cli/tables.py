"""Tables on the standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jexevents.cli.readable import safe

_WIDTH = 200


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of texts under ``heads``; whatever is in them, it is shown and does nothing."""
    table = Table(*heads)
    for row in rows:
        table.add_row(*(Text(safe(cell)) for cell in row))
    # A file or a pipe has no width that lines would have to be folded to.
    width = None if sys.stdout.isatty() else _WIDTH
    Console(soft_wrap=True, width=width).print(table)
