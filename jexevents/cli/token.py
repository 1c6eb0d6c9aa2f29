"""``jexevents token``: make, list and revoke the tokens that HTTP callers show."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from rich.console import Console
from rich.table import Table

from jexevents import wiring
from jexevents.cli.durations import duration
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.model import Role
from jexevents.rfc3339 import format_utc
from jexevents.store import migrate
from jexevents.store.tokens import Tokens

_LONGEST_SHORT = timedelta(hours=24)


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser("token", help="make, list and revoke tokens")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="make a token; it is shown this once")
    make.add_argument(
        "--role",
        action="append",
        choices=[role.value for role in Role],
        required=True,
        help="what it allows; give it several times for several",
    )
    make.add_argument("--name", default="", help="whom or what it is for")
    make.add_argument("--ttl", type=duration, help="how long it works, like 90m, 12h or 30d")
    make.add_argument(
        "--short",
        action="store_true",
        help="16 hexadecimal digits, to fit into the token of a PipelineJob's event; "
        "needs a --ttl of 24 hours at most",
    )
    make.set_defaults(run=_make)
    listed = actions.add_parser("list", help="list the tokens, without their secrets")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=_list)
    revoke = actions.add_parser("revoke", help="end a token")
    revoke.add_argument("id", help="the id that `token list` shows")
    revoke.set_defaults(run=_revoke)
    return [make, listed, revoke]


def _make(options: argparse.Namespace, config: Config) -> Exit:
    if options.short and (options.ttl is None or options.ttl > _LONGEST_SHORT):
        print("jexevents: a short token can be guessed; give --ttl 24h or less.", file=sys.stderr)
        return Exit.USAGE
    expires_at = datetime.now(timezone.utc) + options.ttl if options.ttl else None
    with _tokens(config) as tokens:
        roles = sorted(set(map(Role, options.role)))
        new = tokens.make(options.name, roles, expires_at, short=options.short)
    # The token alone on the standard output, so that a script can take it.
    print(f"Token {new.id} is shown this once; only its hash is kept:", file=sys.stderr)
    print(new.secret)
    return Exit.OK


def _list(options: argparse.Namespace, config: Config) -> Exit:
    with _tokens(config) as tokens:
        rows = [{name: _plain(value) for name, value in row.items()} for row in tokens.all()]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    return Exit.OK


def _revoke(options: argparse.Namespace, config: Config) -> Exit:
    with _tokens(config) as tokens:
        if tokens.revoke(options.id):
            print(f"Token {options.id} is revoked. A running daemon forgets it within seconds.")
            return Exit.OK
    print(f"jexevents: there is no token {options.id} that is in force.", file=sys.stderr)
    return Exit.USAGE


@contextmanager
def _tokens(config: Config) -> Iterator[Tokens]:
    """Give the tokens of the configured database, its schema checked first."""
    with wiring.database(config) as database:
        migrate.check(database)
        yield Tokens(database)


def _plain(value: Any) -> Any:
    return format_utc(value) if isinstance(value, datetime) else value


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table("id", "name", "roles", "made", "expires", "revoked")
    for row in rows:
        dates = (row["created_at"], row["expires_at"] or "never", row["revoked_at"] or "")
        table.add_row(row["id"], row["name"], ", ".join(row["roles"]), *dates)
    Console(soft_wrap=True).print(table)
