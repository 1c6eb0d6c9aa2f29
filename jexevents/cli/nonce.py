"""``jexevents nonce``: make, list and revoke what stands for a token in a URL."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from rich.console import Console
from rich.table import Table

from jexevents import wiring
from jexevents.cli.durations import duration
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.rfc3339 import format_utc
from jexevents.store import migrate
from jexevents.store.nonces import Nonces

_MOST_USES = 10**9


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser("nonce", help="make, list and revoke nonces for PipelineJobs")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="make a nonce; it is shown this once")
    make.add_argument("--uses", type=_uses, help="how often it works; without it, always")
    make.add_argument("--ttl", type=duration, help="how long it works, like 90m, 12h or 30d")
    make.add_argument("--note", default="", help="whom or what it is for")
    make.set_defaults(run=_make)
    listed = actions.add_parser("list", help="list the nonces, without their secrets")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=_list)
    revoke = actions.add_parser("revoke", help="end a nonce")
    revoke.add_argument("id", help="the id that `nonce list` shows")
    revoke.set_defaults(run=_revoke)
    return [make, listed, revoke]


def _uses(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:12]) <= _MOST_USES:
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, got {text!r}")
    return int(text)


def _make(options: argparse.Namespace, config: Config) -> Exit:
    expires_at = datetime.now(timezone.utc) + options.ttl if options.ttl else None
    with _nonces(config) as nonces:
        new = nonces.make(note=options.note, max_uses=options.uses, expires_at=expires_at)
    # The nonce alone on the standard output, so that a script can take it.
    print(f"Nonce {new.id} is shown this once; only its hash is kept:", file=sys.stderr)
    print(new.secret)
    return Exit.OK


def _list(options: argparse.Namespace, config: Config) -> Exit:
    with _nonces(config) as nonces:
        rows = [{name: _plain(value) for name, value in row.items()} for row in nonces.all()]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    return Exit.OK


def _revoke(options: argparse.Namespace, config: Config) -> Exit:
    with _nonces(config) as nonces:
        if nonces.revoke(options.id):
            print(f"Nonce {options.id} is revoked.")
            return Exit.OK
    print(f"jexevents: there is no nonce {options.id} that is in force.", file=sys.stderr)
    return Exit.USAGE


@contextmanager
def _nonces(config: Config) -> Iterator[Nonces]:
    """Give the nonces of the configured database, its schema checked first."""
    with wiring.database(config) as database:
        migrate.check(database)
        yield Nonces(database)


def _plain(value: Any) -> Any:
    return format_utc(value) if isinstance(value, datetime) else value


def _print_table(rows: list[Mapping[str, Any]]) -> None:
    table = Table("id", "note", "job", "uses", "of", "made", "expires", "revoked")
    for row in rows:
        counts = (str(row["uses"]), "any" if row["max_uses"] is None else str(row["max_uses"]))
        dates = (row["created_at"], row["expires_at"] or "never", row["revoked_at"] or "")
        table.add_row(row["id"], row["note"], row["job"] or "every", *counts, *dates)
    Console(soft_wrap=True).print(table)
