"""``jexevents worker`` and ``jexevents workers``: run what waits, see who does, drain one."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from jexevents import logs, wiring
from jexevents.cli.credentials import opened
from jexevents.cli.painting import print_rows
from jexevents.cli.words import counted
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.sidecar.workers import shown_worker
from jexevents.store.workers import Workers

_LOOK_SECONDS = 0.5
_HEADS = ("name", "role", "state", "slots", "running", "kinds", "labels", "engine", "seen", "does")
_MOST_SHOWN = 3


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the commands; give the parsers that take --config."""
    parser = commands.add_parser(
        "worker",
        help="run what waits in the queue, on as many machines as you like; drain a worker",
        description="Runs executions till it is ended. TERM and INT finish what runs and claim "
        "nothing more; a second one, or QUIT, leaves what runs to the next start.",
    )
    parser.add_argument("--name", help="its name among all nodes (default: NodeName-worker)")
    parser.add_argument("--slots", type=int, metavar="N", help="instead of WorkerSlots")
    parser.add_argument(
        "--labels", type=_labels, metavar="A,B", help="what runs may ask of it, for WorkerLabels"
    )
    parser.add_argument("--listen", metavar="ADDRESS", help="instead of WorkerHTTPListenPort")
    parser.add_argument("--url", help="instead of WorkerURL")
    parser.set_defaults(run=_run)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    drained = actions.add_parser(
        "drain", help="have a worker finish what it runs, and claim nothing more"
    )
    drained.add_argument("worker", metavar="NAME", help="the worker's name")
    drained.add_argument("--undo", action="store_true", help="have it claim again")
    drained.add_argument("--wait", action="store_true", help="wait till it has nothing left")
    drained.set_defaults(run=_drain)
    listed = commands.add_parser("workers", help="list who runs executions, and what each does")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=_list)
    return [parser, drained, listed]


def _labels(text: str) -> list[str]:
    return [label.strip() for label in text.split(",") if label.strip()]


def _run(options: argparse.Namespace, config: Config) -> Exit:
    # As for the daemon: the other commands start faster without what this needs.
    from jexevents import workerdaemon

    logs.configure(config.log_level)
    choice = wiring.WorkerChoice(
        options.name, options.slots, options.labels, options.listen, options.url
    )
    return workerdaemon.run(config, choice)


def _drain(options: argparse.Namespace, config: Config) -> Exit:
    name = options.worker
    with opened(config, Workers) as workers:
        if not workers.drain(name, draining=not options.undo):
            return _not_alive(workers, name)
        if options.undo:
            print(f"The worker {name} claims again what waits.")
            return Exit.OK
        left = workers.held(name)
        print(f"The worker {name} claims nothing more; it has {counted(left, 'execution')}.")
        while options.wait and left:
            time.sleep(_LOOK_SECONDS)
            left = workers.held(name)
        if options.wait:
            print("It has nothing left.")
    return Exit.OK


def _not_alive(workers: Workers, name: str) -> Exit:
    """Say how it stands with a worker that cannot be told: where it has ended and has nothing left,
    it is as drained as can be, and it begins undrained."""
    row = workers.find(name)
    if row is None:
        print(f"jexevents: there is no worker {name}.", file=sys.stderr)
        return Exit.USAGE
    if row["ended_at"] is not None and not row["held"]:
        print(f"The worker {name} has ended and has nothing left. It begins undrained.")
        return Exit.OK
    left = counted(row["held"], "execution")
    print(
        f"jexevents: the worker {name} does not live; {left} wait for its next start. "
        "It begins undrained.",
        file=sys.stderr,
    )
    return Exit.USAGE


def _list(options: argparse.Namespace, config: Config) -> Exit:
    with opened(config, Workers) as workers:
        rows = [shown_worker(row) for row in workers.all()]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print_rows(_HEADS, map(_cells, rows))
    return Exit.OK


def _cells(row: Mapping[str, Any]) -> list[str]:
    engine = row["engine"] or {}
    return [
        row["name"],
        row["role"],
        _state(row),
        str(row["slots"]),
        str(row["held"]),
        ", ".join(row["kinds"]),
        ", ".join(row["labels"]),
        f"{engine['product']} {engine['version']}" if engine else "",
        row["seen_at"],
        _does(row),
    ]


def _state(row: Mapping[str, Any]) -> str:
    if not row["alive"]:
        return "away" if row["ended_at"] is None else "ended"
    return "draining" if row["draining"] else "alive"


def _does(row: Mapping[str, Any]) -> str:
    found = [_named(one) for one in row["executions"][:_MOST_SHOWN]]
    more = row["held"] - len(found)
    return ", ".join(found) + (f" and {more} more" if more > 0 else "")


def _named(one: Mapping[str, Any]) -> str:
    if "task" in one:
        return f"{one['task']} {one['result_id']}/{one['detail_id']}"
    return f"{one['job']} {one['id']}"
