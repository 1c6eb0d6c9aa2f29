"""The table of options as text: for docs/configuration.md and for ``--help``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

from jexevents.config.hook_members import MEMBERS
from jexevents.config.option import Derived, Option
from jexevents.config.options import OPTIONS

_HEAD = ("| Key | Type | Default | Meaning |", "|---|---|---|---|")


def markdown_table() -> str:
    """Give all options as Markdown: a heading and a table for each group, a newline at the end."""
    return "\n\n".join(_markdown_group(name, group) for name, group in _groups()) + "\n"


def hook_members_table() -> str:
    """Give the members of a hook as a Markdown table, a newline at the end."""
    rows = [_row(f"`{member.name}`", member.default, member.help) for member in MEMBERS]
    return "\n".join(("| Member | Default | Meaning |", "|---|---|---|", *rows)) + "\n"


def help_text(width: int = 79) -> str:
    """Give all options as plain text of at most ``width`` columns, for a terminal."""
    parts = []
    for name, group in _groups():
        parts.append(f"{name}:")
        parts.extend(_help_lines(option, width) for option in group)
    return "\n".join(parts)


def _groups() -> Iterator[tuple[str, Iterable[Option]]]:
    return groupby(OPTIONS.values(), key=lambda option: option.group)


def _markdown_group(name: str, group: Iterable[Option]) -> str:
    return "\n".join((f"### {name}", "", *_HEAD, *map(_markdown_row, group)))


def _markdown_row(option: Option) -> str:
    derived = isinstance(option.default, Derived)
    default = option.default.text if derived else f"`{json.dumps(option.default)}`"
    return _row(f"`{option.name}`", option.type.name, default, _meaning(option))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _help_lines(option: Option, width: int) -> str:
    derived = isinstance(option.default, Derived)
    default = option.default.text if derived else json.dumps(option.default)
    meaning = _meaning(option).replace("`", "")
    text = textwrap.fill(meaning, width, initial_indent="      ", subsequent_indent="      ")
    return f"  {option.name} ({option.type.name}, default: {default})\n{text}"


def _meaning(option: Option) -> str:
    return option.help if option.effect else f"Accepted, without effect. {option.help}"
