"""``python -m bench [NAME...]``: measure, print the tables, write them down."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.console import Console

from bench import machine, servers
from bench.children.talk import ROOT
from bench.errors import BenchFailed
from bench.measurements import MEASUREMENTS
from bench.report import Report
from bench.sizes import Sizes
from bench.stage import opened
from jexevents.errors import JexError

_DOCUMENT = ROOT / "docs" / "performance.md"
_RAW = ROOT / "bench" / "results" / "latest.json"
_WIDTH = 130
_PLACE = ROOT / "var" / "bench"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; give the exit code: 0, or 1 if a measurement failed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    try:
        report = _measure(options)
        report.print(console)
        report.write(*_written(options))
        for path in _written(options):
            console.print(f"written to {path}", soft_wrap=True)
    except (BenchFailed, JexError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130
    return 0


def _measure(options: argparse.Namespace) -> Report:
    sizes = _sizes(options)
    with servers.provided(options.place, _say) as found, opened(found, sizes, _say) as bench:
        chosen = [name for name in MEASUREMENTS if not options.names or name in options.names]
        results = {name: MEASUREMENTS[name](bench) for name in chosen}
        earlier = json.loads(_RAW.read_text("utf-8")) if options.add else {}
        return Report(machine.describe(found), sizes, results, earlier)


def _sizes(options: argparse.Namespace) -> Sizes:
    named = {each.name: getattr(options, each.name) for each in fields(Sizes)}
    chosen = {name: size for name, size in named.items() if size is not None}
    return Sizes(**{**(Sizes.quick() if options.quick else {}), **chosen})


def _written(options: argparse.Namespace) -> tuple[Path, Path]:
    """Give document and JSON file: those of the repository for the whole alone."""
    place = options.out
    if place is None and (options.add or not (options.quick or options.names)):
        return _DOCUMENT, _RAW
    place = place or _PLACE
    return place / "performance.md", place / "latest.json"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures the daemon against real servers, and compares with the goals.",
        epilog="Measurements: " + ", ".join(MEASUREMENTS) + ". Without a name: all of them.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*MEASUREMENTS, []])
    parser.add_argument("--quick", action="store_true", help="small sizes, for a first look")
    parser.add_argument("--add", action="store_true", help=_ADD)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=_OUT)
    parser.add_argument("--place", type=Path, default=_PLACE, metavar="FOLDER", help=_WHERE)
    for each in fields(Sizes):
        said = f"{each.metadata['help']} ({each.default:,}; quick: {each.metadata['quick']:,})"
        flag = "--" + each.name.replace("_", "-")
        parser.add_argument(flag, type=int, metavar="N", help=said)
    return parser


_ADD = "add what is measured to the figures of the last whole run, in the repository"
_OUT = (
    "where to write performance.md, performance.svg and latest.json; else a whole run writes "
    "into docs and bench/results, any other into var/bench"
)
_WHERE = "where servers that are started keep their data, on the disk that counts; var/bench"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
