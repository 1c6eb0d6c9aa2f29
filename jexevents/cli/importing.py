"""``jexevents import``: bring old logs of HTCondor into the ledger."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jexevents import logs, wiring
from jexevents.cli.progress import ByteMeter
from jexevents.cli.words import counted
from jexevents.config import Config
from jexevents.exits import Exit
from jexevents.imports import running
from jexevents.imports.chains import chains
from jexevents.imports.crew import Crew
from jexevents.imports.files import STDIN, NoInput, found
from jexevents.imports.reading import FileReport
from jexevents.imports.running import Summary
from jexevents.imports.sinks import Broker, Direct, Sink
from jexevents.imports.storing import Counts

_MOST_SOURCE = 255
_MOST_PROCESSES = 32
# More at a time help little: then PostgreSQL has all that the machine can give.
_USUAL_PROCESSES = 4
# What takes less than to start processes.
_SMALL_BYTES = 4 << 20
_READY_SECONDS = 10.0
_JOIN_SECONDS = 5.0


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser(
        "import",
        help="bring old logs of HTCondor into the ledger",
        description="Reads logs of HTCondor in the text, JSON or XML form, plain or packed by gzip "
        "or zstd, and stores each event once: what the ledger has already changes nothing. Files "
        "of one log (EventLog.1 EventLog) should be given together.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a log; - is the standard input")
    parser.add_argument("--source", type=_source, help="which pool or schedd; else SourceName")
    parser.add_argument(
        "--year", type=_year, metavar="YYYY", help="of the first date without one (MM/DD)"
    )
    parser.add_argument(
        "--one-log", action="store_true", help="all files are of one log, the oldest first"
    )
    parser.add_argument(
        "--through-broker", action="store_true", help="publish the events, as a monitor does"
    )
    parser.add_argument("--hooks", action="store_true", help="tell webhooks of what is new")
    parser.add_argument(
        "--processes", type=_processes, metavar="N", help="how many store at the same time"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)
    return [parser]


def _source(text: str) -> str:
    if len(text) > _MOST_SOURCE or not text.isprintable():
        expected = f"at most {_MOST_SOURCE} characters that can be printed"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text[:40]!r}")
    return text


def _year(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) == 4 and text > "0000"):
        raise argparse.ArgumentTypeError(f"expected a year like 2019, got {text!r}")
    return int(text)


def _processes(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if not 1 <= number <= _MOST_PROCESSES:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MOST_PROCESSES}, got {text!r}")
    return number


def run(options: argparse.Namespace, config: Config) -> Exit:
    """Import, and say what came of it: OK where all is stored, DATA where not, or NO_INPUT."""
    logs.configure("error", sys.stderr)
    try:
        files = found(options.files)
        parts = chains(files, one_log=options.one_log)
    except NoInput as error:
        print(f"jexevents: {error}", file=sys.stderr)
        return Exit.NO_INPUT
    source = config.source_name if options.source is None else options.source
    summary = Summary(counts=None if options.through_broker else Counts())
    sizes = [file.size for file in files]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    with _ended_by_term(), _sink(options, config, source, total) as sink:
        try:
            with ByteMeter("imported", total) as meter:
                running.run(
                    parts,
                    sink,
                    config.log_zone,
                    summary,
                    year=options.year,
                    advance=meter.advance_by,
                )
        finally:
            _tell(summary, as_json=options.json)
    return Exit.OK if summary.is_clean else Exit.DATA


@contextmanager
def _ended_by_term() -> Iterator[None]:
    """Let TERM end it as INT does: what is being stored is, and all is said."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _sink(
    options: argparse.Namespace, config: Config, source: str, size: int | None
) -> Iterator[Sink]:
    if options.through_broker:
        # Only here: the other way needs no broker's library.
        from jexevents.wiring.monitor import stream as made

        stream = made(config)
        stream.start()
        try:
            stream.wait_ready(_READY_SECONDS)
            yield Broker(stream, source)
        finally:
            stream.stop()
            stream.join(_JOIN_SECONDS)
        return
    with wiring.ledger_database(config) as database:
        processes = options.processes or _usual_processes(size)
        if processes == 1:
            yield Direct(wiring.log_store(config, database, source, hooks_told=options.hooks))
        else:
            yield Crew(processes, wiring.open_log_store, config, source, options.hooks)


def _usual_processes(size: int | None) -> int:
    if size is not None and size < _SMALL_BYTES:
        return 1
    return min(os.cpu_count() or 1, _USUAL_PROCESSES)


def _tell(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary.document()))
    else:
        print(_sum_of(summary))
    for line in (*summary.notes, *_faults(summary.files)):
        print(line, file=sys.stderr)
    if summary.stopped:
        print("Stopped before the end; run the same again for the rest.", file=sys.stderr)


def _sum_of(summary: Summary) -> str:
    read = f"{counted(summary.events, 'event')} of {counted(len(summary.files), 'file')}"
    pace = f"{summary.bytes} bytes in {summary.seconds:.1f} s, {summary.rate:.0f} events a second"
    garbage = f", {summary.garbage} that are no events" if summary.garbage else ""
    counts = summary.counts
    if counts is None:
        return f"Sent {summary.sent} of {read}{garbage} ({pace})."
    return (
        f"Read {read}{garbage}: {counts.new} new, {counts.duplicates} known, "
        f"{counts.rejected} rejected; {counted(counts.jobs_new, 'new job')} ({pace})."
    )


def _faults(files: Sequence[FileReport]) -> Iterator[str]:
    for file in files:
        name = "the standard input" if file.name == STDIN else file.name
        if file.years is not None:
            yield f"{name}: dates without a year; it was taken from {file.years}"
        if file.cut is not None:
            yield f"{name}: cut in the middle of an event, which begins at byte {file.cut}"
        if file.fault is not None:
            yield f"{name}: read up to byte {file.bytes} (unpacked), then: {file.fault}"
        if not file.bytes and file.fault is None:
            yield f"{name}: empty"
