"""``jexevents definitions next``: when jobs are due, and what became of their last due times."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jexevents import config as configuration
from jexevents.cli.painting import print_rows
from jexevents.cli.words import counted
from jexevents.errors import Invalid
from jexevents.exits import Exit
from jexevents.lifecycle.executionid import number, shortest
from jexevents.rfc3339 import plain

if TYPE_CHECKING:
    from jexevents.schedules import Schedule

_MOST = 1000
_HEADS = ("at", "by the clock", "job", "outcome of the last", "execution")


def add_next_to(actions: Any) -> argparse.ArgumentParser:
    """Add the action; give its parser, which takes --config."""
    parser = actions.add_parser("next", help="say when jobs are due, and what became of the last")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these jobs (default: all)")
    parser.add_argument(
        "--path",
        type=Path,
        metavar="PATH",
        help="the jobs of definitions in this folder or file, without a server and by this clock",
    )
    parser.add_argument(
        "--count", type=_count, default=1, metavar="N", help="so many of each schedule (1)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.set_defaults(run=_next, configured=False)
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {_MOST}, got {text[:40]!r}")
    return int(text)


def _next(options: argparse.Namespace, _config: None) -> Exit:
    """Print them in the order of their times: DATA where definitions have faults, else OK."""
    if options.path is None:
        known, rows = _of_ledger(options)
    elif not options.path.exists():
        print(f"jexevents: {options.path}: there is no such file or folder", file=sys.stderr)
        return Exit.USAGE
    else:
        found = _of_path(options)
        if isinstance(found, Exit):
            return found
        known, rows = found
    unknown = [name for name in options.names if name not in known]
    if unknown:
        return _unknown(unknown[0], known)
    rows = sorted(rows, key=lambda row: (row["at"] is None, row["at"] or "", row["job"]))
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        print_rows(_HEADS, map(_cells, rows))
    return Exit.OK


def _of_ledger(options: argparse.Namespace) -> tuple[set[str], list[dict[str, Any]]]:
    """Give the names of jobs with schedules in force, and the rows of those asked for."""
    from jexevents import wiring
    from jexevents.schedules import read_in_force
    from jexevents.store import schedules as store

    with (
        wiring.ledger_database(configuration.load(options.config, os.environ)) as database,
        database.look() as connection,
    ):
        now = store.clock(connection)
        lasts = store.with_last(connection)
    rows: list[dict[str, Any]] = []
    for last in lasts:
        row = last.row
        if not options.names or row.definition in options.names:
            shown = {"job": row.definition, "place": row.place, "active": last.active}
            shown["last"] = None if last.due_at is None else _last(last)
            rows += _rows_of(
                shown,
                lambda row=row: read_in_force(row.members, row.first_seen, row.since),
                now,
                options.count,
            )
    return {last.row.definition for last in lasts}, rows


def _of_path(options: argparse.Namespace) -> tuple[set[str], list[dict[str, Any]]] | Exit:
    """Give the names of all jobs of a folder or file, and the rows of those asked for."""
    from jexevents.definitions.definition import DefinitionsRefused
    from jexevents.definitions.loading import load
    from jexevents.schedules import read_schedule

    path: Path = options.path
    folder, names = (path, None) if path.is_dir() else (path.parent, [path.name])
    try:
        definitions = load(folder, None, names)
    except DefinitionsRefused as refused:
        for problem in refused.problems:
            print(problem)
        print(f"{counted(len(refused.problems), 'problem')}.", file=sys.stderr)
        return Exit.DATA
    now = datetime.now(timezone.utc)
    rows: list[dict[str, Any]] = []
    for name, definition in definitions.items():
        if options.names and name not in options.names:
            continue
        for place, members in enumerate(definition.schedules):
            shown = {"job": name, "place": place, "active": True, "last": None}
            rows += _rows_of(
                shown, lambda members=members: read_schedule(members, now), now, options.count
            )
    return set(definitions), rows


def _rows_of(
    shown: dict[str, Any], read: Callable[[], Schedule], now: datetime, count: int
) -> list[dict[str, Any]]:
    """Give a row for each of the next due times, or one that says that there is none."""
    from jexevents.schedules import by_clock, upcoming

    nothing = {**shown, "at": None, "by_clock": None, "runs": False, "fault": None}
    try:
        found = upcoming(read(), now, count)
    except Invalid as invalid:
        return [{**nothing, "fault": "; ".join(map(str, invalid.faults))}]
    return [
        {**nothing, "at": plain(due.at), "by_clock": by_clock(due.identity), "runs": due.runs}
        for due in found
    ] or [nothing]


def _last(last: Any) -> dict[str, Any]:
    return {
        "at": plain(last.due_at),
        "outcome": last.outcome,
        "reason": last.reason,
        "execution": None if last.execution is None else number(last.execution),
    }


def _cells(row: dict[str, Any]) -> Sequence[str]:
    last = row["last"]
    execution = last["execution"] if last else None
    told = f"{last['outcome']} ({last['at']})" if last else ""
    at = row["at"] or row["fault"] or "never"
    if row["at"] and not row["active"]:
        at += " (off the active list)"
    elif row["at"] and not row["runs"]:
        at += " (does not run)"
    clock = row["by_clock"] or ""
    return at, clock, row["job"], told, "" if execution is None else _id(execution)


def _id(execution: float) -> str:
    return shortest(round(execution * 1_000_000))


def _unknown(name: str, known: Iterable[str]) -> Exit:
    near = difflib.get_close_matches(name, known, n=1)
    remedy = f" Did you mean {near[0]}?" if near else ""
    print(f"jexevents: no schedule of a job {name} is in force.{remedy}", file=sys.stderr)
    return Exit.USAGE
