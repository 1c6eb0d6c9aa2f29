"""``jexevents migrate``: bring the database to the schema of this version."""

from __future__ import annotations

import argparse
from typing import Any

from jexevents import wiring
from jexevents.cli.words import counted
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.store.migrate import migrate


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser("migrate", help="bring the database to this version's schema")
    parser.set_defaults(run=run)
    return [parser]


def run(_options: argparse.Namespace, config: Config) -> Exit:
    """Apply what is missing, and say so."""
    with wiring.database(config) as database:
        count = migrate(database, say=print)
    print(f"{counted(count, 'migration')} applied." if count else "The schema is current.")
    return Exit.OK
