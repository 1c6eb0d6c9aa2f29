"""``jexevents jobs`` and ``jexevents show``: what the ledger knows of jobs, over HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from jexevents.cli.choosing import moment
from jexevents.cli.naming import job_named
from jexevents.cli.offering import add_id
from jexevents.cli.painting import (
    STYLES,
    is_terminal,
    phase_of,
    print_facts,
    print_json,
    print_line,
    print_rows,
    word,
)
from jexevents.cli.server import add_server, asking
from jexevents.client.following import query_of
from jexevents.exits import Exit
from jexevents.model import Kind, Phase
from jexevents.rfc3339 import format_utc

if TYPE_CHECKING:
    from jexevents.client.poster import Poster

_HEADS = ("id", "kind", "key", "source", "state", "submitter", "submitted", "finished")
_SPARE = ("source", "id", "submitter", "finished")
_FILTERS = ("kind", "phase", "state", "key", "source", "submitter", "since", "until")
_FACTS = (
    "id", "kind", "key", "source", "state", "phase", "reason", "exit_code", "submitter",
    "submitted_at", "started_at", "finished_at", "created_at", "updated_at", "sealed",
)  # fmt: skip
_EVENT_HEADS = ("seq", "occurred", "name", "says")
_PAGE = 1000
Row = Mapping[str, Any]


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the commands; give the parsers that take --config."""
    return [_add_jobs(commands), _add_show(commands)]


def _add_jobs(commands: Any) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        "jobs",
        help="list jobs of the ledger, the newest first",
        description="Lists jobs of all kinds, those that the ledger heard of last first.",
    )
    parser.add_argument("--kind", choices=[kind.value for kind in Kind], help="of this kind")
    parser.add_argument(
        "--phase", type=str.upper, choices=[phase.value for phase in Phase], help="in this phase"
    )
    parser.add_argument("--state", help="in this state, in the kind's own word")
    parser.add_argument("--key", help="with this key, such as an HTCondor id")
    parser.add_argument("--source", help="of this source; of executions, the name of their job")
    parser.add_argument("--submitter", help="of this submitter")
    for name, help_text in (
        ("--since", "submitted at or after this time: RFC 3339, or 12h for 12 hours ago"),
        ("--until", "submitted before this time"),
    ):
        parser.add_argument(name, type=moment, metavar="TIME", help=help_text)
    parser.add_argument(
        "-n", "--limit", type=_count, default=50, metavar="N", help="so many at most (default: 50)"
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each")
    add_server(parser)
    parser.set_defaults(run=_jobs)
    return parser


def _add_show(commands: Any) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        "show",
        help="show a job with its events",
        description="Shows all that the ledger knows of a job, and its last events in order.",
    )
    add_id(parser)
    parser.add_argument(
        "-n", "--events", type=_count, default=100, metavar="N",
        help="so many of the last events at most (default: 100)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_server(parser)
    parser.set_defaults(run=_show)
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")
    return int(text)


# --- the list


def _jobs(options: argparse.Namespace, _config: None) -> Exit | int:
    return asking(options, lambda poster: _list(poster, options))


def _list(poster: Poster, options: argparse.Namespace) -> Exit:
    filters = {name: _text(getattr(options, name)) for name in _FILTERS}
    found = islice(pages(poster, "/ledger/jobs", filters, options.limit), options.limit)
    if options.json:
        for job in found:
            print_json(job)
        return Exit.OK
    row = _row_for_people if is_terminal() else _row
    print_rows(_HEADS, map(row, found), _SPARE)
    return Exit.OK


def pages(poster: Poster, path: str, parameters: Mapping[str, Any], limit: int) -> Iterator[Row]:
    """Give the entries of a list, page by page, as many as are asked for or there are."""
    following: str | None = path + query_of({**parameters, "limit": max(1, min(limit, _PAGE))})
    while following:
        page = poster.get(following)
        yield from page["items"]
        following = page["next"]


def _row(job: Row) -> list[Any]:
    return [
        job["id"],
        job["kind"],
        job["key"],
        job["source"],
        phase_of(job, "state"),
        job["submitter"],
        job["submitted_at"] or job["created_at"],
        job["finished_at"],
    ]


def _row_for_people(job: Row) -> list[Any]:
    """Give a row with an execution's key as ``show`` takes it, and times to the second."""
    cells = _row(job)
    if job["kind"] == Kind.COMMAND.value:
        cells[_HEADS.index("key")] = f"{job['source']}/{job['key']}"
    cells[-2:] = [time and f"{time[:10]} {time[11:19]}" for time in cells[-2:]]
    return cells


def _text(value: Any) -> Any:
    return format_utc(value) if hasattr(value, "tzinfo") else value


# --- one


def _show(options: argparse.Namespace, _config: None) -> Exit | int:
    return asking(options, lambda poster: _one(poster, options))


def _one(poster: Poster, options: argparse.Namespace) -> Exit:
    job = job_named(poster, options.id)
    path = f"/ledger/jobs/{job['id']}/events"
    events = list(islice(pages(poster, path, {}, options.events), options.events))[::-1]
    if options.json:
        print_json({"job": job, "events": events})
        return Exit.OK
    print_facts([*_facts(job), *sorted(_own(job).items())])
    if events:
        print_line("")
        print_rows(_EVENT_HEADS, (_event(event) for event in events))
    return Exit.OK


def _facts(job: Row) -> Iterator[tuple[str, Any]]:
    for name in _FACTS:
        if name in ("state", "phase"):
            yield name, (str(job[name]), STYLES.get(job["phase"], ""))
        elif job[name] is not False:
            yield name, job[name]


def _own(job: Row) -> Mapping[str, Any]:
    """Give what only jobs of its kind have."""
    own = job.get(job["kind"])
    return {name: value for name, value in (own or {}).items() if value not in (None, "", {}, [])}


def _event(event: Row) -> list[Any]:
    return [event["seq"], event["occurred_at"], (event["name"], "bold"), says(event)]


def says(event: Row) -> str:
    """Give what an event says, in one line that is not too long."""
    data = event.get("data")
    parts = [f"{name}={word(value)}" for name, value in (data or {}).items() if value is not None]
    text = " ".join(parts)
    return text if len(text) <= 200 else f"{text[:197]}..."
