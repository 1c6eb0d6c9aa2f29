"""``jexevents tail``: events as they are stored, over HTTP."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from jexevents.cli.jobs import pages, says
from jexevents.cli.painting import print_json, print_line
from jexevents.cli.server import add_server, asking, complain
from jexevents.client.following import query_of
from jexevents.errors import Refused
from jexevents.exits import Exit
from jexevents.model import Kind

if TYPE_CHECKING:
    from jexevents.client.poster import Poster

_STREAM = "/ledger/stream"
_LIST = "/ledger/events"
_LOST = "lost"
# What the stream says of an event, and of its job.
_TOLD = ("seq", "name", "source", "occurred_at", "received_at", "data")
_OF_JOB = ("id", "kind", "key", "state", "phase")
_LOOK_SECONDS = 1.0
_LOOK_BACK = 200
_MOST_KNOWN = 2000
# Nothing of that name is there, or nothing that can be asked so.
_NO_STREAM = (404, 405)
_PATIENCE_SECONDS = 300.0
_MOODS = tuple(
    (style, re.compile(words, re.IGNORECASE))
    for style, words in (
        ("bold red", "fail|error|abort|lost|kill|evict|held|time-?out|cancel|exception"),
        ("bold green", "complete|success|terminated|finish"),
        ("bold cyan", "start|execut|running|submit|requested"),
    )
)
Row = Mapping[str, Any]


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser(
        "tail",
        help="print events as they are stored",
        description="Prints the last events of the ledger, then those that come, until it is "
        "interrupted. A connection that is cut is made again, and nothing is missed.",
    )
    parser.add_argument(
        "--kind", choices=[kind.value for kind in Kind], help="of jobs of this kind"
    )
    parser.add_argument("--key", help="of jobs with this key")
    parser.add_argument("--job", metavar="UUID", help="of the job with this id in the ledger")
    parser.add_argument("--name", help="events with this name")
    parser.add_argument("--source", help="events of this source")
    parser.add_argument(
        "-n", "--lines", type=int, default=10, metavar="N",
        help="so many of those that are stored already (default: 10)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each")
    add_server(parser)
    parser.set_defaults(run=_run)
    return [parser]


def _run(options: argparse.Namespace, _config: None) -> Exit | int:
    return asking(options, lambda poster: _tail(poster, options))


def _tail(poster: Poster, options: argparse.Namespace) -> Exit:
    shown = Shown(poster, options)
    newest = list(islice(pages(poster, _LIST, {}, _LOOK_BACK), _LOOK_BACK))
    for event in shown.last(newest, max(0, options.lines)):
        shown.print(event)
    try:
        for event in _streamed(poster, options, newest):
            shown.take(event)
    except Refused as refused:
        if refused.status not in _NO_STREAM:
            raise
        for event in polled(poster, newest):
            shown.take(event)
    return Exit.OK


def _streamed(poster: Poster, options: argparse.Namespace, newest: list[Row]) -> Iterator[Row]:
    """Give what is stored from now on, as the server says it."""
    from jexevents.client.following import Follower

    follower = Follower(poster, _PATIENCE_SECONDS, complain)
    asked = {name: getattr(options, name) for name in ("kind", "key", "job", "name")}
    last = str(newest[0]["seq"]) if newest else "0"
    seen: deque[int] = deque((event["seq"] for event in newest), _MOST_KNOWN)
    for event in follower.events(f"{_STREAM}{query_of(asked)}", last):
        said = json.loads(event.data)
        if event.name == _LOST:
            complain(f"events were passed over, there are too many of them: {event.data}")
        # Told again after a connection was cut, where some before it might have been missed.
        elif said.get("seq") not in seen:
            seen.append(said["seq"])
            yield said


def polled(
    poster: Poster, newest: list[Row], wait: Callable[[float], None] = time.sleep
) -> Iterator[Row]:
    """Give what is stored from now on, of a server that has no stream: looked at again and again.

    Numbers are given before events are stored, so one may come behind a higher one: what is told
    apart by what was seen, not by the highest number.
    """
    seen = {event["seq"] for event in newest}
    floor = min(seen, default=0)
    while True:
        wait(_LOOK_SECONDS)
        horizon = max(floor, max(seen, default=0) - _LOOK_BACK)
        found = _from(horizon, pages(poster, _LIST, {}, _LOOK_BACK))
        fresh = [event for event in reversed(found) if event["seq"] not in seen]
        seen = {seq for seq in seen if seq >= horizon} | {event["seq"] for event in fresh}
        yield from fresh


def _from(least: int, events: Iterator[Row]) -> list[Row]:
    """Give events, the newest first, down to a number."""
    return list(takewhile(lambda event: event["seq"] >= least, events))


class Shown:
    """Chooses events and prints them; the job of each is looked up once."""

    def __init__(self, poster: Poster, options: argparse.Namespace) -> None:
        self._poster = poster
        self._options = options
        self._jobs: dict[str, Row] = {}

    def last(self, newest: list[Row], count: int) -> list[Row]:
        """Give the last so many that are chosen, the first one first."""
        chosen = (event for event in newest if self._is_chosen(event))
        return list(islice(chosen, count))[::-1]

    def take(self, event: Row) -> None:
        """Print an event if it is one of those that are asked for."""
        if self._is_chosen(event):
            self.print(event)

    def print(self, event: Row) -> None:
        """Print an event, whoever told of it in the same form."""
        job = self._job(event)
        if self._options.json:
            print_json({name: event[name] for name in _TOLD} | {"job": job})
            return
        print_line(
            (event["occurred_at"], "dim"),
            (job["kind"] if job else "", "blue"),
            job["key"] if job else event["source"],
            (event["name"], _mood(event["name"])),
            says(event),
        )

    def _is_chosen(self, event: Row) -> bool:
        asked = self._options
        if asked.name not in (None, event["name"]) or asked.source not in (None, event["source"]):
            return False
        if (asked.job, asked.kind, asked.key) == (None, None, None):
            return True
        job = self._job(event) or {}
        of_job = asked.job is None or asked.job.lower() == job.get("id")
        return of_job and all(
            getattr(asked, name) in (None, job.get(name)) for name in ("kind", "key")
        )

    def _job(self, event: Row) -> Row | None:
        """Give the job of an event: what the stream says of it, else what the ledger does."""
        if "job" in event:
            return event["job"]
        job_id = event["job_id"]
        if job_id is None:
            return None
        if job_id not in self._jobs:
            if len(self._jobs) >= _MOST_KNOWN:
                self._jobs.clear()
            self._jobs[job_id] = self._asked(job_id)
        return self._jobs[job_id]

    def _asked(self, job_id: str) -> Row | None:
        try:
            job = self._poster.get(f"/ledger/jobs/{job_id}")
        except Refused:
            # Pruned meanwhile.
            return None
        return {name: job[name] for name in _OF_JOB}


def _mood(name: str) -> str:
    """Give the style of an event by its name."""
    return next((style for style, words in _MOODS if words.search(name)), "bold")
