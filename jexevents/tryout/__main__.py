"""``make run``: all that jexevents needs on one machine, and a look at what it does.

Provides the servers, starts the daemon on the sample configuration, publishes a sample log of
HTCondor once, shows what the ledger makes of it, and stays until Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from jexevents.errors import JexError
from jexevents.exits import Exit
from jexevents.tryout import story
from jexevents.tryout.place import Place


def main() -> int:
    """Run the story; give the exit code."""
    console = Console(highlight=False)
    # A shell that starts it in the background has it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with ExitStack() as stack:
        try:
            story.tell(console, Place.of(Path.cwd()), stack)
        except KeyboardInterrupt:
            console.print("\nStopping; the data stays. `make run` goes on from here.")
        except JexError as error:
            console.print(f"[bold red]{error}[/]")
            return Exit.UNAVAILABLE
    return Exit.OK


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
