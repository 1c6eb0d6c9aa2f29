"""``jexevents nonce``: make, list and revoke what stands for a token in a URL."""

from __future__ import annotations

import argparse
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
    return [make, *add_list_and_revoke(actions, "nonce", _list, _revoke)]


def _uses(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:12]) <= _MOST_USES:
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, got {text!r}")
    return int(text)


def _make(options: argparse.Namespace, config: Config) -> Exit:
    with opened(config, Nonces) as nonces:
        new = nonces.make(note=options.note, max_uses=options.uses, expires_at=end_of(options.ttl))
    show_secret(f"Nonce {new.id}", new.secret)
    return Exit.OK


def _list(options: argparse.Namespace, config: Config) -> Exit:
    with opened(config, Nonces) as nonces:
        heads = ("id", "note", "job", "uses", "of", "made", "expires", "revoked")
        show(nonces.find(), heads, _cells, as_json=options.json)
    return Exit.OK


def _cells(row: Row) -> list[str]:
    counts = (str(row["uses"]), "any" if row["max_uses"] is None else str(row["max_uses"]))
    dates = (row["created_at"], row["expires_at"] or "never", row["revoked_at"] or "")
    return [row["id"], row["note"], row["job"] or "every", *counts, *dates]


def _revoke(options: argparse.Namespace, config: Config) -> Exit:
    with opened(config, Nonces) as nonces:
        done = nonces.revoke(options.id)
    return tell_revoked("nonce", options.id, done=done)
