"""Several processes that store entries, each with a connection of its own, each jobs of its own.

A process has the interpreter's lock to itself, so two of them read and fold on two processors. Each
has one batch at a time, and says what became of it before it gets the next. If this process dies,
their pipes end, and so do they when the batch in hand is stored.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from jexevents import logs
from jexevents.errors import JexError, ServiceEnded
from jexevents.imports.entry import Entry
from jexevents.imports.parting import part_of
from jexevents.imports.sinks import Gathering
from jexevents.imports.storing import Counts, LogStore

# Gives a store, in a process of its own; what it is called with must be fit to be pickled.
OpenStore = Callable[..., contextlib.AbstractContextManager[LogStore]]

_END_SECONDS = 30.0
# See composing: a batch makes thousands of values, and none of them in a circle.
_GC_THRESHOLDS = (50_000, 20, 20)


class Crew:
    """A sink; ``open_store`` is called with ``arguments`` in each of ``size`` processes."""

    sent = 0

    def __init__(self, size: int, open_store: OpenStore, *arguments: Any) -> None:
        self.counts = Counts()
        self._members = [_Member(number, open_store, arguments) for number in range(size)]

    def put(self, entries: Sequence[Entry]) -> None:
        """Give each to the process for its job, and wait while that has enough."""
        size = len(self._members)
        for entry in entries:
            member = self._members[part_of(entry.raw, size)]
            batch = member.gathering.add(entry)
            if batch is not None:
                self.counts.add(member.give(batch))

    def finish(self) -> None:
        """Have stored what is left, and end the processes."""
        for member in self._members:
            batch = member.gathering.take()
            if batch:
                self.counts.add(member.give(batch))
        for member in self._members:
            self.counts.add(member.answer())
        self.end()

    def end(self) -> None:
        """Count what is being stored, leave what is not, and end the processes."""
        for member in self._members:
            with contextlib.suppress(JexError):
                self.counts.add(member.answer())
            member.end()
        self._members = []


class _Member:
    def __init__(self, number: int, open_store: OpenStore, arguments: tuple[Any, ...]) -> None:
        # A fork would take along threads' locks, and connections that are not its own.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work,
            args=(theirs, open_store, arguments),
            name=f"jexevents import {number + 1}",
            daemon=True,
        )
        self._process.start()
        theirs.close()
        self._is_busy = False
        self.gathering = Gathering()

    def give(self, batch: list[Entry]) -> Counts:
        """Hand over a batch once the one before it is stored; give what became of that."""
        counts = self.answer()
        self._is_busy = True
        try:
            # As columns: to pickle thousands of named tuples takes several times as long.
            self._pipe.send(tuple(zip(*batch, strict=True)))
        except OSError:
            # It has ended: what it said last tells why.
            counts.add(self.answer())
        return counts

    def answer(self) -> Counts:
        """Give what became of the batch under way, if there is one. Raises what it failed with."""
        if not self._is_busy:
            return Counts()
        self._is_busy = False
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        """Let it end, and see to it that it does."""
        self._pipe.close()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def _died(self) -> ServiceEnded:
        self._process.join(_END_SECONDS)
        code = self._process.exitcode
        return ServiceEnded(
            f"A process that stores events died (exit code {code}).",
            remedy="What it had not stored, the same import stores when it is run again.",
        )


def _work(pipe: Connection, open_store: OpenStore, arguments: tuple[Any, ...]) -> None:
    """Store batches until the pipe ends; the process that gave them decides when that is."""
    # A terminal sends it to all of its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure("error", sys.stderr)
    gc.set_threshold(*_GC_THRESHOLDS)
    with contextlib.suppress(EOFError, OSError):
        try:
            with open_store(*arguments) as store:
                while True:
                    batch = list(map(Entry, *pipe.recv()))
                    pipe.send(store.store(batch))
        except JexError as error:
            # The one who waits for an answer gets this one.
            pipe.send(error)
