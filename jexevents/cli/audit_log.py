"""``jexevents audit-log``: say what is incomplete in the ledger of HTCondor's jobs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from jexevents import wiring
from jexevents.auditing.audit import Audit, Bounds
from jexevents.auditing.finding import Finding
from jexevents.auditing.tally import Tally
from jexevents.cli.choosing import moment
from jexevents.cli.durations import duration
from jexevents.cli.painting import print_rows
from jexevents.cli.progress import Meter
from jexevents.cli.readable import safe
from jexevents.cli.words import counted
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.store.completeness import Completeness


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    usual = Bounds()
    parser = commands.add_parser(
        "audit-log",
        help="say what is incomplete: jobs without submit or end, gaps and leaps of logs, rejects",
    )
    for name, help_text in (
        ("--since", "what happened at or after this time: RFC 3339, or 12h for 12 hours ago"),
        ("--until", "what happened before this time"),
    ):
        parser.add_argument(name, type=moment, metavar="TIME", help=help_text)
    parser.add_argument("--source", help="of this source alone; '' for those without one")
    for name, default, help_text in (
        ("--silent", usual.silent, "a job without an end is told when silent for longer"),
        ("--back", usual.back, "a log's clock is told when it goes back by more"),
        ("--ahead", usual.ahead, "a log's clock is told when it leaps ahead by more"),
    ):
        told = f"{help_text}, like 12h or 90d (default: {_shown(default)})"
        parser.add_argument(name, type=duration, default=default, metavar="TIME", help=told)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--list", action="store_true", help="print each finding on a line")
    shown.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=run)
    return [parser]


def run(options: argparse.Namespace, config: Config) -> Exit:
    """Print what was found, by source and day or one by one: OK where nothing was, else DATA."""
    bounds = Bounds(options.silent, options.back, options.ahead, options.since, options.until)
    show = as_json if options.json else as_line if options.list else None
    with wiring.ledger_database(config) as database:
        completeness = Completeness(database, options.source)
        tally = Tally()
        with Meter("jobs audited", completeness.count_jobs()) as meter:
            audit = Audit(completeness, bounds, datetime.now(timezone.utc), meter.advance)
            for finding in audit.findings():
                tally.add(finding)
                if show is not None:
                    _print(show, finding, meter)
    if show is None and tally.total:
        _print_table(tally)
    print(f"{counted(tally.total, 'finding')}.", file=sys.stderr)
    return Exit.DATA if tally.total else Exit.OK


def _print(show: Callable[[Finding], str], finding: Finding, meter: Meter) -> None:
    with meter.aside():
        print(show(finding), flush=True)


def as_line(finding: Finding) -> str:
    """Give a finding as one line, its fields with tabs between them; the detail as JSON."""
    told = finding.document()
    detail = json.dumps({**told.pop("detail"), "count": told.pop("count")}, ensure_ascii=False)
    cells = ("-" if value in (None, "") else str(value) for value in told.values())
    return "\t".join(safe(cell) for cell in (*cells, detail))


def as_json(finding: Finding) -> str:
    """Give a finding as a JSON object on one line (schema audit_finding)."""
    return json.dumps(finding.document())


def _print_table(tally: Tally) -> None:
    lacks = tally.lacks()
    rows = [
        (source or "-", day, *(str(counts[lack] or "") for lack in lacks))
        for source, day, counts in tally.rows()
    ]
    print_rows(("source", "day", *(lack.value for lack in lacks)), rows)


def _shown(length: Any) -> str:
    seconds = int(length.total_seconds())
    return f"{seconds // 86400}d" if seconds % 86400 == 0 else f"{seconds // 60}m"
