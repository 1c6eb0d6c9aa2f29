"""``make run``: all that jexevents needs on one machine, and a look at what it does.

Provides the servers, starts the daemon on the sample configuration, publishes a sample log of
HTCondor once, shows what the ledger makes of it, and stays until Ctrl-C. ``make watch-log`` does
the same with a log that grows, which the monitor follows.
"""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from jexevents.errors import JexError
from jexevents.exits import Exit
from jexevents.tryout import story, watching
from jexevents.tryout.place import Place

_RUN, _WATCH = "run", "watch-log"


def main() -> int:
    """Run the story; give the exit code."""
    options = _parser().parse_args()
    console = Console(highlight=False)
    # A shell that starts it in the background has it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with ExitStack() as stack:
        try:
            place = Place.of(Path.cwd())
            stack.enter_context(place.held())
            if options.story == _WATCH:
                watching.tell(console, place, stack, options.jobs)
            else:
                story.tell(console, place, stack)
        except KeyboardInterrupt:
            console.print("\nStopping; the data stays. `make run` goes on from here.")
        except JexError as error:
            console.print(f"[bold red]{error}[/]")
            return Exit.UNAVAILABLE
    return Exit.OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jexevents.tryout", description=__doc__)
    parser.add_argument("story", nargs="?", choices=(_RUN, _WATCH), default=_RUN)
    parser.add_argument(
        "--jobs", type=int, metavar="N", help=f"{_WATCH}: end after so many jobs (default: never)"
    )
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
