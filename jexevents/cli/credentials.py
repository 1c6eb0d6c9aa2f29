"""What the commands that make and list credentials share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from jexevents import wiring
from jexevents.cli.tables import print_table
from jexevents.config import Config
from jexevents.rfc3339 import format_utc
from jexevents.store import migrate
from jexevents.store.database import Database

T = TypeVar("T")
Row = Mapping[str, Any]


@contextmanager
def opened(config: Config, make: Callable[[Database], T]) -> Iterator[T]:
    """Give what ``make`` makes of the configured database, its schema checked first."""
    with wiring.database(config) as database:
        migrate.check(database)
        yield make(database)


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
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    if as_json:
        print(json.dumps(plain, indent=2))
        return
    print_table(heads, map(cells, plain))


def _plain(value: Any) -> Any:
    return format_utc(value) if isinstance(value, datetime) else value
