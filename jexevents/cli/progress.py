"""Progress of a command that takes a while: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType

from rich import progress as bars
from rich.console import Console

_PARTS = 10  # of the whole, for each a line


class Progress:
    """Shows on the standard error how many of ``total`` are done; ``verb`` says what that is."""

    def __init__(self, verb: str, total: int) -> None:
        self._verb = verb
        self._total = total
        self._done = 0
        self._said = 0
        console = Console(stderr=True)
        self._bar = _bar(console) if console.is_terminal else None

    @property
    def done(self) -> int:
        """How many are done."""
        return self._done

    def advance(self, count: int) -> None:
        """Say that so many more are done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done)
        elif self._done * _PARTS // self._total > self._said < _PARTS - 1:
            self._said = self._done * _PARTS // self._total
            print(f"{self._verb} {self._done} of {self._total}", file=sys.stderr)

    def __enter__(self) -> Progress:
        """Begin to show."""
        if self._bar is not None:
            self._bar.add_task(self._verb, total=self._total)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar(console: Console) -> bars.Progress:
    return bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
        console=console,
    )
