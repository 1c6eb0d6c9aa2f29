"""``jexevents rejects``: look at what could not be accepted, try it again, drop it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from jexevents import wiring
from jexevents.cli import rejects_work
from jexevents.cli.choosing import add_choice, add_filters, chosen, filtered, number
from jexevents.cli.painting import print_rows
from jexevents.cli.progress import Meter
from jexevents.cli.readable import exported, facts, fault_line, lines
from jexevents.cli.words import counted
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.rfc3339 import format_utc
from jexevents.store.reading import Reading, Row
from jexevents.store.reject_list import Count, RejectList

_DEFAULT_LIMIT = 20


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser("rejects", help="list, show, export, retry and drop rejects")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    return [
        _add_list(actions),
        _add_show(actions),
        _add_export(actions),
        *rejects_work.add_to(actions),
    ]


def _add_list(actions: Any) -> argparse.ArgumentParser:
    listed = actions.add_parser("list", help="count the rejects by reason, list the newest")
    add_filters(listed)
    listed.add_argument(
        "--limit", type=number, default=_DEFAULT_LIMIT, help="how many (default: %(default)s)"
    )
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=_list)
    return listed


def _add_show(actions: Any) -> argparse.ArgumentParser:
    show = actions.add_parser("show", help="show all that is known of one reject")
    show.add_argument("id", type=number, help="its number, as `rejects list` shows it")
    show.set_defaults(run=_show)
    return show


def _add_export(actions: Any) -> argparse.ArgumentParser:
    export = actions.add_parser("export", help="write bodies and facts as JSON lines")
    add_choice(export)
    export.add_argument("--output", type=Path, metavar="FILE", help="write to this file")
    export.set_defaults(run=_export)
    return export


def _list(options: argparse.Namespace, config: Config) -> Exit:
    choice = filtered(options)
    with wiring.ledger_database(config) as database:
        rejects = RejectList(database)
        counts = rejects.counts(choice)
        rows = rejects.newest(choice, options.limit)
    if options.json:
        print(json.dumps(_document(counts, rows), indent=2))
    else:
        _print_counts(counts)
        _print_table(rows)
    return Exit.OK


def _show(options: argparse.Namespace, config: Config) -> Exit:
    with wiring.ledger_database(config) as database:
        row = Reading(database).reject(options.id)
    if row is None:
        print(f"jexevents: there is no reject {options.id}.", file=sys.stderr)
        return Exit.USAGE
    for line in lines(row):
        print(line.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))
    return Exit.OK


def _export(options: argparse.Namespace, config: Config) -> Exit:
    choice = chosen(options)
    if choice is None:
        return rejects_work.refuse_choice()
    with wiring.ledger_database(config) as database:
        rejects = RejectList(database)
        code = rejects_work.say_missing(rejects, choice)
        counts = rejects.counts(choice)
        rejects_work.say_matches(counts)
        with _output(options.output) as file, Meter("exported", _sum(counts)) as progress:
            for rows in rejects.walk(choice, rejects_work.last_id(counts)):
                file.writelines(json.dumps(exported(row)) + "\n" for row in rows)
                progress.advance(len(rows))
    return code


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """Give where to write to: the standard output, or a file that is there once it is whole."""
    if path is None:
        yield sys.stdout
        return
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="ascii", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise rejects_work.CannotWrite(f"{path} cannot be written: {error.strerror}.") from error


def _document(counts: Sequence[Count], rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "counts": [
            {"reason": one.reason, "rejects": one.rejects, "cut": one.cut, "times": one.times}
            for one in counts
        ],
        "items": [facts(row) for row in rows],
    }


def _print_counts(counts: Sequence[Count]) -> None:
    if not counts:
        print("No reject matches.")
        return
    print_rows(
        ("reason", "rejects", "of them cut", "came"),
        [
            (one.reason, str(one.rejects), str(one.cut), counted(one.times, "time"))
            for one in counts
        ],
    )


def _print_table(rows: Sequence[Row]) -> None:
    if not rows:
        return
    print()
    heads = ("id", "reason", "first came", "times", "tried", "origin", "bytes", "fault")
    print_rows(heads, map(_cells, rows))


def _cells(row: Row) -> Sequence[str]:
    return (
        str(row["id"]),
        row["reason"],
        format_utc(row["received_at"]),
        str(row["times"]),
        format_utc(row["tried_at"]) if row["tried_at"] else "",
        row["origin"],
        f"{row['size']}{' (cut)' if row['cut'] else ''}",
        fault_line(row),
    )


def _sum(counts: Sequence[Count]) -> int:
    return sum(one.rejects for one in counts)
