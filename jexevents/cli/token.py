"""``jexevents token``: make, list and revoke the tokens that HTTP callers show."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from typing import Any

from jexevents.cli.credentials import (
    Row,
    add_list_and_revoke,
    end_of,
    opened,
    show,
    show_secret,
    tell_revoked,
)
from jexevents.cli.durations import duration
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.model import Role
from jexevents.store.tokens import Tokens
from jexevents.validation import is_uuid

_LONGEST_SHORT = timedelta(hours=24)
_OF_SYSTEMS = {Role.READ, Role.WRITE}
_FORGOTTEN = " A running daemon forgets it within seconds."


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
        "for --role admin, with a --ttl of 24 hours at most",
    )
    make.add_argument(
        "--system",
        metavar="UUID",
        type=_system,
        help="the one system of SMRT Link that it is good for, and for nothing else",
    )
    make.set_defaults(run=_make)
    return [make, *add_list_and_revoke(actions, "token", _list, _revoke)]


def _system(text: str) -> str:
    if not is_uuid(text):
        raise argparse.ArgumentTypeError(f"expected a UUID, got {text!r}")
    return text.lower()


def _make(options: argparse.Namespace, config: Config) -> Exit:
    if options.short and (options.ttl is None or options.ttl > _LONGEST_SHORT):
        print("jexevents: a short token can be guessed; give --ttl 24h or less.", file=sys.stderr)
        return Exit.USAGE
    roles = sorted(set(map(Role, options.role)))
    if options.short and Role.ADMIN not in roles:
        print("jexevents: a short token is for --role admin.", file=sys.stderr)
        return Exit.USAGE
    if options.system and not set(roles) <= _OF_SYSTEMS:
        print("jexevents: a token of one system is for --role read and write.", file=sys.stderr)
        return Exit.USAGE
    with opened(config, Tokens) as tokens:
        new = tokens.make(
            options.name,
            roles,
            end_of(options.ttl),
            short=options.short,
            system=options.system,
        )
    show_secret(f"Token {new.id}", new.secret)
    return Exit.OK


def _list(options: argparse.Namespace, config: Config) -> Exit:
    with opened(config, Tokens) as tokens:
        heads = ("id", "name", "roles", "system", "made", "expires", "revoked")
        show(tokens.all(), heads, _cells, as_json=options.json)
    return Exit.OK


def _cells(row: Row) -> list[str]:
    dates = (row["created_at"], row["expires_at"] or "never", row["revoked_at"] or "")
    return [row["id"], row["name"], ", ".join(row["roles"]), row["system"] or "every", *dates]


def _revoke(options: argparse.Namespace, config: Config) -> Exit:
    with opened(config, Tokens) as tokens:
        done = tokens.revoke(options.id)
    return tell_revoked("token", options.id, done=done, then=_FORGOTTEN)
