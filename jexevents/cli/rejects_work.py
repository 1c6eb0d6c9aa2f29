"""``jexevents rejects retry`` and ``drop``: counts first, then the work, in small steps."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from jexevents import logs, wiring
from jexevents.cli.choosing import add_choice, chosen
from jexevents.cli.progress import Meter
from jexevents.cli.words import counted
from jexevents.config import Config
from jexevents.errors import JexError, Unavailable
from jexevents.exits import Exit
from jexevents.retry import Tally
from jexevents.rfc3339 import format_utc
from jexevents.store.database import Database
from jexevents.store.reject_list import Choice, Count, RejectList


class CannotWrite(JexError):
    """A file cannot be written."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be done: to which rejects, how many they are, up to which number."""

    config: Config
    database: Database
    rejects: RejectList
    choice: Choice
    total: int
    last: int


def add_to(actions: Any) -> list[argparse.ArgumentParser]:
    """Add both actions; give the parsers that take --config."""
    retry = actions.add_parser("retry", help="try rejects again")
    add_choice(retry)
    retry.set_defaults(run=_on_chosen(_retry))
    drop = actions.add_parser("drop", help="drop rejects for good")
    add_choice(drop)
    drop.add_argument("--yes", action="store_true", help="do not ask in a terminal either")
    drop.set_defaults(run=_on_chosen(_drop))
    return [retry, drop]


def refuse_choice() -> Exit:
    """Say what is missing where rejects must be chosen and are not, or twice."""
    needed = "Name rejects by their numbers, or give filters such as --reason, or --all."
    print(f"jexevents: {needed}", file=sys.stderr)
    return Exit.USAGE


def say_missing(rejects: RejectList, choice: Choice) -> Exit:
    """Say which of the numbers given no reject has; give the exit code of that."""
    missing = rejects.missing(choice.ids or ())
    for number in missing:
        print(f"jexevents: there is no reject {number}.", file=sys.stderr)
    return Exit.DATA if missing else Exit.OK


def say_matches(counts: Sequence[Count]) -> None:
    """Say how many rejects there are to work on, and why they were rejected."""
    total = sum(one.rejects for one in counts)
    if not total:
        print("No reject matches.", file=sys.stderr)
        return
    reasons = ", ".join(f"{one.rejects} {one.reason}" for one in counts)
    verb = "matches" if total == 1 else "match"
    print(f"{counted(total, 'reject')} {verb}: {reasons}.", file=sys.stderr)


def last_id(counts: Sequence[Count]) -> int:
    """Give the highest number among the chosen rejects."""
    return max((one.last_id for one in counts), default=0)


def _on_chosen(
    work: Callable[[_Task, argparse.Namespace], Exit],
) -> Callable[[argparse.Namespace, Config], Exit]:
    """Make a command of work on the rejects that the arguments choose."""

    def run(options: argparse.Namespace, config: Config) -> Exit:
        choice = chosen(options)
        if choice is None:
            return refuse_choice()
        logs.configure("error", sys.stderr)
        with wiring.ledger_database(config) as database:
            rejects = RejectList(database)
            code = say_missing(rejects, choice)
            counts = rejects.counts(choice)
            say_matches(counts)
            total = sum(one.rejects for one in counts)
            task = _Task(config, database, rejects, choice, total, last_id(counts))
            return max(code, work(task, options)) if total else code

    return run


def _retry(task: _Task, _options: argparse.Namespace) -> Exit:
    began = datetime.now(timezone.utc)
    tally = Tally()
    try:
        with Meter("tried", task.total) as progress:
            for tally in wiring.retry(task.config, task.database).run(task.choice, task.last):
                progress.advance(tally.total - progress.done)
    except (Unavailable, KeyboardInterrupt):
        _say_tally(tally)
        print(
            "Not all were tried. To go on with those that are left, add: "
            f"--tried-before {format_utc(began)}",
            file=sys.stderr,
        )
        raise
    _say_tally(tally)
    return Exit.DATA if tally.stayed else Exit.OK


def _say_tally(tally: Tally) -> None:
    print(
        f"{tally.stored} stored, {tally.known} known already, {tally.refused} refused again, "
        f"{tally.cut} cut, {tally.gone} gone meanwhile."
    )
    if tally.cut:
        print("What was cut is not whole any more and cannot be tried: export or drop it.")
    if tally.unknown_door:
        print(f"{counted(tally.unknown_door, 'reject')} came by a door that is not known here.")


def _drop(task: _Task, options: argparse.Namespace) -> Exit:
    if not options.yes and not _confirmed(task.total):
        print("Nothing was dropped.", file=sys.stderr)
        return Exit.OK
    number = task.rejects.begin("rejects.drop", task.choice)
    dropped = 0
    try:
        with Meter("dropped", task.total) as progress:
            for count in task.rejects.drop(task.choice, task.last, number):
                dropped += count
                progress.advance(count)
    finally:
        print(f"{counted(dropped, 'reject')} dropped.")
    return Exit.OK


def _confirmed(total: int) -> bool:
    """Ask who sits at a terminal; a script has said what it wants."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(f"Drop {counted(total, 'reject')} for good? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
