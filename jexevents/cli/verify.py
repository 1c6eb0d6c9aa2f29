"""``jexevents verify``: recompute every job from its events, and print what differs."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

from jexevents import rfc3339, wiring
from jexevents.cli.progress import Meter
from jexevents.cli.words import counted
from jexevents.config import Config
from jexevents.errors import Unacceptable
from jexevents.exits import Exit
from jexevents.model import Kind
from jexevents.store.examination import Difference
from jexevents.store.verify import Scope, Verification


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser("verify", help="recompute every job, print what differs")
    parser.add_argument("--since", type=instant, metavar="T", help="submitted at T or later")
    parser.add_argument("--until", type=instant, metavar="T", help="submitted before T")
    parser.add_argument("--kind", choices=[kind.value for kind in Kind], help="of this kind")
    parser.add_argument(
        "--key", action="extend", nargs="+", default=[], help="with one of these keys"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=run)
    return [parser]


def instant(text: str) -> datetime:
    """Read a time stamp; raises argparse's error for what is none."""
    try:
        return rfc3339.parse(text).at
    except Unacceptable as error:
        expected = f"expected {rfc3339.EXPECTED}, got {text!r}"
        raise argparse.ArgumentTypeError(expected) from error


def run(options: argparse.Namespace, config: Config) -> Exit:
    """Print one line for each difference: OK without any, else DATA."""
    kind = None if options.kind is None else Kind(options.kind)
    scope = Scope(kind, tuple(options.key), options.since, options.until)
    shown = as_json if options.json else as_line
    with wiring.ledger_database(config) as database:
        verification = Verification(database, scope, wiring.recognise)
        return _verify(verification, shown)


def _verify(verification: Verification, shown: Any) -> Exit:
    jobs = events = differences = 0
    with Meter("jobs verified", verification.count()) as meter:
        for page in verification.pages():
            jobs, events = jobs + page.jobs, events + page.events
            differences += len(page.differences)
            if page.differences:
                with meter.aside():
                    print("\n".join(map(shown, page.differences)), flush=True)
            meter.advance(page.jobs)
    told = f"{counted(jobs, 'job')}, {counted(events, 'event')}"
    print(f"{told}: {counted(differences, 'difference')}.", file=sys.stderr)
    return Exit.DATA if differences else Exit.OK


def as_line(found: Difference) -> str:
    """Give a difference as one line: its fields with tabs between them, the values as JSON."""
    column = found.column if found.seq is None else f"{found.column}[{found.seq}]"
    names = (found.job_id, found.kind, found.key, column)
    values = (json.dumps(_plain(value)) for value in (found.stored, found.folded))
    return "\t".join([*("-" if name is None else _one_line(name) for name in names), *values])


def as_json(found: Difference) -> str:
    """Give a difference as a JSON object on one line."""
    return json.dumps({name: _plain(value) for name, value in asdict(found).items()})


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else rfc3339.plain(value)


def _one_line(text: str) -> str:
    # A source, which is part of the key, may hold any character.
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
