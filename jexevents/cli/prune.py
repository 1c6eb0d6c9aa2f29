"""``jexevents prune``: seal jobs that ended long ago, remove their events and what else is old."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

from jexevents import wiring
from jexevents.cli.durations import duration
from jexevents.cli.progress import Meter
from jexevents.cli.words import counted
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.rfc3339 import format_utc
from jexevents.store.prune import JOBS, Prune
from jexevents.uploads.prune import UploadPrune

_SHORTEST = timedelta(days=1)
_WHY = (
    " (1h is the least: of what has ended since, events may still be on their way, and a sealed job"
    " takes none; m could mean months)"
)


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser("prune", help="seal jobs that ended long ago, drop what is old")
    parser.add_argument(
        "--older-than",
        type=age,
        required=True,
        metavar="AGE",
        help="how old: like 180d, 26w or 1y (365 days)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say how much there is")
    parser.add_argument("--force", action="store_true", help="also with less than a day")
    parser.set_defaults(run=run)
    return [parser]


def age(text: str) -> timedelta:
    """Read how old things must be; raises argparse's error for less than an hour.

    Minutes are none, for months may be meant.
    """
    try:
        return duration(text, units="hdwy")
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}{_WHY}") from error


def run(options: argparse.Namespace, config: Config) -> Exit:
    """Say how much there is, then do it: DATA where jobs could not be sealed, else OK."""
    if options.older_than < _SHORTEST and not options.force:
        print("jexevents: less than a day needs --force.", file=sys.stderr)
        return Exit.USAGE
    before = datetime.now(timezone.utc) - options.older_than
    with wiring.ledger_database(config) as database:
        prune = Prune(database, before, wiring.recognise)
        uploads = wiring.upload_prune(config, database, before)
        own, elsewhere = uploads.counts()
        counts = prune.counts() | {_UPLOADS: own}
        print(f"Older than {format_utc(before)}: {_listed(counts)}.", flush=True)
        if elsewhere:
            print(_ELSEWHERE.format(counted(elsewhere, "upload")), flush=True)
        return Exit.OK if options.dry_run else _prune(prune, uploads, counts)


def _prune(prune: Prune, uploads: UploadPrune, counts: dict[str, int]) -> Exit:
    done = dict.fromkeys(counts, 0)
    events, left = 0, set()
    with Meter("pruned", sum(counts.values())) as meter:
        for step in prune.steps():
            done[step.thing] += step.done
            events += step.events
            left |= {difference.job_id for difference in step.differences}
            meter.advance(step.done)
        for removed in uploads.steps():
            done[_UPLOADS] += removed
            meter.advance(removed)
    swept = uploads.sweep()
    jobs = counted(done.pop(JOBS), "job")
    print(f"Sealed {jobs}, removed {counted(events, 'event')} of theirs; {_listed(done)}.")
    if swept:
        print(f"Removed {counted(swept, 'file')} that no upload is known of.")
    if uploads.stuck:
        print(_STUCK.format(counted(uploads.stuck, "file")), file=sys.stderr)
    if left:
        print(_LEFT.format(counted(len(left), "job")), file=sys.stderr)
    return Exit.DATA if left or uploads.stuck else Exit.OK


_UPLOADS = "uploads"
_ELSEWHERE = "Left where they are: {} of other nodes. Run jexevents prune there, too."
_STUCK = "jexevents: {} could not be removed. Look at the permissions of UploadDir."
_LEFT = "jexevents: {} left as before: not what the events say. Run: jexevents verify"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {thing}" for thing, count in counts.items())
