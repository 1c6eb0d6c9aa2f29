"""How far a long command is: a bar on a terminal, else a line every few seconds; on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

_LINE_SECONDS = 5.0


class Meter:
    """Counts up to ``total`` things (None: unknown); a context, inside of which ``advance`` is
    called."""

    def __init__(
        self,
        label: str,
        total: int | None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._label = label
        self._total = total
        self._done = 0
        self._stream = sys.stderr if stream is None else stream
        self._begun = self._told = clock()
        self._bar = self._make_bar() if self._stream.isatty() else None

    def __enter__(self) -> Meter:
        if self._bar is not None:
            self._task = self._bar.add_task(self._label, total=self._total)
            self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def done(self) -> int:
        """How many are done."""
        return self._done

    def advance(self, count: int) -> None:
        """Say that so many more are done."""
        self._done += count
        if self._bar is not None:
            self._bar.advance(self._task, count)
        elif self._clock() - self._told >= _LINE_SECONDS:
            self._told = self._clock()
            print(self._line(self._told - self._begun), file=self._stream, flush=True)

    def _line(self, seconds: float) -> str:
        rate = self._done / seconds
        return f"{self._label}: {self._done} of {self._total}, {rate:.0f} a second"

    def _counting(self) -> ProgressColumn:
        return MofNCompleteColumn()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let something else be printed, which may go to the same terminal."""
        if self._bar is None:
            yield
            return
        self._bar.stop()
        yield
        self._bar.start()

    def _make_bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            self._counting(),
            TimeRemainingColumn(),
            console=Console(file=self._stream),
            transient=True,
            # What is found goes to the standard output, also where that is a file.
            redirect_stdout=False,
        )


class ByteMeter(Meter):
    """Counts bytes up to a total, and events that they hold."""

    _events = 0

    def advance_by(self, size: int, events: int) -> None:
        """Say that so many more bytes and events are done."""
        self._events += events
        if self._bar is not None and events:
            seconds = max(self._clock() - self._begun, 1e-3)
            told = f"{self._label}: {self._events:,} events, {self._events / seconds:,.0f}/s"
            self._bar.update(self._task, description=told)
        self.advance(size)

    def _line(self, seconds: float) -> str:
        of = "" if self._total is None else f" of {self._total / 1e6:.1f}"
        return (
            f"{self._label}: {self._done / 1e6:.1f}{of} MB, {self._events} events, "
            f"{self._events / seconds:.0f} a second"
        )

    def _counting(self) -> ProgressColumn:
        return DownloadColumn()
