"""``jexevents run``: run a job, see what it writes, and end as it does."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jexevents.backoff import Backoff
from jexevents.cli.naming import Target, execution, job_path
from jexevents.cli.offering import of_jobs, of_values
from jexevents.cli.outputs import Place, followed, sent, show
from jexevents.cli.painting import print_json
from jexevents.cli.server import add_server, asking, complain, told
from jexevents.client.bodies import form_body
from jexevents.errors import Refused
from jexevents.exits import Exit
from jexevents.model import AWAITED, Phase

if TYPE_CHECKING:
    from jexevents.client.poster import Poster

# As timeout(1) and the container engines have it.
TIMED_OUT_CODE, NO_CODE = 124, 125
_INTERRUPTED_CODE = 128 + 2
_LOOK_SECONDS = 1.0
# Most begin at once; of what has not in this time, it is said what it waits for.
_SOON_SECONDS = 1.5
_GOES_ON = (Phase.QUEUED.value, Phase.RUNNING.value)
_LEAVE, _TERMINATE = "leave", "terminate"
Row = Mapping[str, Any]


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser(
        "run",
        help="run a job, print what it writes, end as it does",
        description="Runs a job of the repository with values for its variables, and prints what "
        "it writes. The exit code is the job's; 128 and the signal's number if a signal ended it; "
        f"{TIMED_OUT_CODE} if it ran too long; {NO_CODE} if it was cancelled, lost, or could not "
        "begin. An interrupt (Ctrl-C) leaves the job running, says how to come back to it, and "
        f"ends with {_INTERRUPTED_CODE}.",
    )
    job = parser.add_argument("job", metavar="NAME", help="the name of the job")
    values = parser.add_argument(
        "values", nargs="*", type=_pair, metavar="VAR=VALUE",
        help="a value for a variable; one that takes a list may come more than once",
    )  # fmt: skip
    job.completer, values.completer = of_jobs, of_values  # type: ignore[attr-defined]
    parser.add_argument(
        "-d", "--detach", action="store_true", help="print its id and do not wait for it"
    )
    parser.add_argument(
        "--interrupt", choices=(_LEAVE, _TERMINATE), default=_LEAVE,
        help="what Ctrl-C does: leave the job running (default), or terminate it and see its end",
    )  # fmt: skip
    parser.add_argument(
        "--key", help="an Idempotency-Key of your own: the same key runs the job once"
    )
    parser.add_argument("--json", action="store_true", help="print lines of JSON, the last its end")
    add_server(parser)
    parser.set_defaults(run=_run)
    return [parser]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"expected VAR=VALUE, got {text!r}")
    return name, value


def _run(options: argparse.Namespace, _config: None) -> Exit | int:
    return asking(options, lambda poster: _start(poster, options))


def _start(poster: Poster, options: argparse.Namespace) -> Exit | int:
    made = poster.post(job_path(options.job), *form_body(options.values, options.key))
    target = execution(made["job"], repr(made["id"]))
    if options.detach:
        _print_made(made, target, as_json=options.json)
        return Exit.OK
    return Watched(poster, target, made, options).to_its_end()


def _print_made(made: Row, target: Target, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        print(target.name)


class Watched:
    """An execution that is watched to its end, over all of its attempts."""

    def __init__(
        self, poster: Poster, target: Target, made: Row, options: argparse.Namespace
    ) -> None:
        self._poster = poster
        self._target = target
        self._options = options
        self._last = made
        self._place = Place()
        self._ends = False

    def to_its_end(self) -> int:
        """Print what it writes; give the exit code."""
        while True:
            try:
                self._say_what_it_waits_for()
                self._watch()
            except KeyboardInterrupt:
                if self._options.interrupt == _LEAVE or self._ends or not self._terminated():
                    self._left()
                    return _INTERRUPTED_CODE
                self._ends = True
            else:
                return self._ended()

    def _say_what_it_waits_for(self) -> None:
        """Wait a moment for its begin, and say why where it does not come."""
        waits, until = Backoff(_LOOK_SECONDS, 0.05), time.monotonic() + _SOON_SECONDS
        # What is shown is the output of the attempt that was seen first, be it over by now.
        now = self._last

        def is_queued() -> bool:
            first = now["attempt"] == self._last["attempt"]
            return first and now["phase"] == Phase.QUEUED.value

        while is_queued() and time.monotonic() < until:
            time.sleep(waits.next())
            now = self._poster.get(self._target.path)
        waits_for = now.get("waits_for")
        if is_queued() and waits_for:
            why = f": {waits_for['reason']}" if waits_for["reason"] else ""
            complain(f"{self._target.name} waits for {AWAITED[waits_for['what']]}{why}")

    def _watch(self) -> None:
        """Print what comes, from where that was left, until it is over."""
        while True:
            attempt = self._last["attempt"]
            self._print(attempt)
            self._look()
            while self._last["phase"] in _GOES_ON and self._last["attempt"] == attempt:
                # The next attempt comes after its wait.
                time.sleep(_LOOK_SECONDS)
                self._look()
            if self._last["attempt"] == attempt:
                return
            self._place = Place()

    def _print(self, attempt: int) -> None:
        path = f"{self._target.path}/output"
        with self._waiting() as begun:
            for piece in followed(self._poster, path, {"attempt": attempt}, self._place):
                begun()
                show(piece, as_json=self._options.json)

    def _look(self) -> None:
        self._last = self._poster.get(self._target.path)

    @contextmanager
    def _waiting(self) -> Iterator[Any]:
        """Say on a terminal that it has not written anything yet, until it does."""
        if not sys.stderr.isatty() or self._options.json:
            yield lambda: None
            return
        from rich.console import Console

        status = Console(stderr=True).status(f"{self._target.name} ...")
        status.start()
        try:
            yield status.stop
        finally:
            status.stop()

    def _terminated(self) -> bool:
        try:
            sent(self._poster, self._target, _TERMINATE, "interrupted at the terminal")
        except Refused as refused:
            told(refused)
            return False
        complain(f"{self._target.name} was told to terminate")
        return True

    def _left(self) -> None:
        name = self._target.name
        complain(
            f"{name} goes on.\n  see it:  jexevents output --follow {name}\n"
            f"  end it:  jexevents signal {name} terminate"
        )

    def _ended(self) -> int:
        last = self._last
        if self._options.json:
            print_json(last)
        if last["phase"] == Phase.COMPLETE.value:
            return 0
        reason = f": {last['reason']}" if last["reason"] else ""
        complain(f"{self._target.name} is {last['state']}{reason}")
        return code_of(last)


def code_of(execution: Row) -> int:
    """Give the exit code that tells how an execution ended."""
    if execution["state"] == "TIMED-OUT":
        return TIMED_OUT_CODE
    if execution["exit_signal"]:
        return 128 + execution["exit_signal"]
    return execution["exit_code"] or NO_CODE
