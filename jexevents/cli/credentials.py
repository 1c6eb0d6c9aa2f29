"""What the commands that make and list credentials share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from jexevents import wiring
from jexevents.cli.painting import print_rows
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.rfc3339 import plain
from jexevents.store.database import Database

T = TypeVar("T")
Row = Mapping[str, Any]
Run = Callable[[argparse.Namespace, Config], Exit]


@contextmanager
def opened(config: Config, make: Callable[[Database], T]) -> Iterator[T]:
    """Give what ``make`` makes of the configured database, its schema checked first."""
    with wiring.ledger_database(config) as database:
        yield make(database)


def add_list_and_revoke(
    actions: Any, what: str, listing: Run, revoke: Run
) -> list[argparse.ArgumentParser]:
    """Add the actions ``list`` and ``revoke`` of a command for ``what``; give their parsers."""
    listed = actions.add_parser("list", help=f"list the {what}s, without their secrets")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=listing)
    revoked = actions.add_parser("revoke", help=f"end a {what}")
    revoked.add_argument("id", help=f"the id that `{what} list` shows")
    revoked.set_defaults(run=revoke)
    return [listed, revoked]


def tell_revoked(what: str, asked: str, *, done: bool, then: str = "") -> Exit:
    """Say whether one was revoked, and what comes of it; give the exit code."""
    if done:
        print(f"{what.capitalize()} {asked} is revoked.{then}")
        return Exit.OK
    print(f"jexevents: there is no {what} {asked} that is in force.", file=sys.stderr)
    return Exit.USAGE


def end_of(ttl: timedelta | None) -> datetime | None:
    """Give when something ends that works so long from now."""
    return datetime.now(timezone.utc) + ttl if ttl else None


def show_secret(what: str, secret: str) -> None:
    """Print a secret alone on the standard output, so that a script can take it."""
    print(f"{what} is shown this once; only its hash is kept:", file=sys.stderr)
    print(secret)


def show(
    rows: Iterable[Row],
    heads: Sequence[str],
    cells: Callable[[Row], Sequence[str]],
    *,
    as_json: bool,
) -> None:
    """Print rows as JSON, or as a table of ``cells`` under ``heads``."""
    shown = [{name: plain(value) for name, value in row.items()} for row in rows]
    if as_json:
        print(json.dumps(shown, indent=2))
        return
    print_rows(heads, map(cells, shown))
