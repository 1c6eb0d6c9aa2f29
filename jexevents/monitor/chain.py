"""One log, followed through all its files: the one that grows, and those it was rotated into.

The files are read one after the other, in the order in which they were written. One that a newer
one has followed is watched a while longer, since its writers may not have noticed yet. What was
lost is told before the first event that came after it.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jexevents.eventlogs.occurrences import Occurrences
from jexevents.eventlogs.reading import LogEvent
from jexevents.logs import get_logger
from jexevents.monitor.gaps import UNKNOWN, gap_event, lost_between
from jexevents.monitor.logfile import KEPT_FILES, Glimpse, LogFile
from jexevents.monitor.look import DAMAGED, candidates, compare
from jexevents.monitor.openfile import OpenFile, Truncated

log = get_logger("monitor")

TRAILING_SECONDS = 60.0
_TRAILING_FILES = 2
_LOOK_SECONDS = 30.0
_REMOVED_SECONDS = 3600.0


class Outgoing(NamedTuple):
    """An event on its way, of ``file``; None where only ``ends`` is to be noted: that nothing more
    is expected of the file. A ``gap`` waits until all before it is noted."""

    file: LogFile
    event: LogEvent | None
    gap: bool = False
    ends: bool = False


class Chain:
    """Follows the log at ``path``; ``files`` and ``counts`` are what is known of it.

    ``problem`` says why it cannot be read now, or is None. ``more`` says that the last step did
    not come to the end. ``gone_since`` is when its last file was gone, None while there is one.
    """

    def __init__(
        self,
        path: Path,
        files: list[LogFile],
        counts: Occurrences,
        *,
        trailing_seconds: float = TRAILING_SECONDS,
    ) -> None:
        self.path = path
        self.problem: str | None = None
        self.more = False
        self.gone_since: float | None = None
        self._files = files
        self._counts = counts
        self._trailing_seconds = trailing_seconds
        self._active: OpenFile | None = None
        self._trailing: list[OpenFile] = []
        self._queue: deque[Glimpse] = deque()
        self._missing = ""
        self._is_renamed = False
        self._looked_at = float("-inf")
        self._passed_over: set[Path] = set()

    @property
    def behind(self) -> int:
        """How many bytes of the log the broker has not taken over yet; those of a file that has its
        name and was not noticed yet are among them."""
        opened = [one for one in (self._active, *self._trailing) if one is not None]
        waiting = sum(one.unread + max(0, one.file.read - one.file.position) for one in opened)
        waiting += sum(one.size or 0 for one in self._queue)
        return waiting + self._unnoticed({one.inode for one in (*opened, *self._queue)})

    def _unnoticed(self, known: set[int]) -> int:
        try:
            found = os.stat(self.path)
        except OSError:
            return 0
        return 0 if found.st_ino in known else found.st_size

    def step(self, now: float) -> Iterator[Outgoing]:
        """Read a bit on; ``now`` is in seconds of any clock that only goes forward.

        What it gives has to be taken to the end.
        """
        self.more = False
        try:
            yield from self._step(now)
        except FileNotFoundError:
            # Renamed in between: the next look finds it, but not if a link leads nowhere.
            self.more = not self._is_renamed
            self._is_renamed = True
        except OSError as error:
            self._say(error)
        else:
            self._is_renamed = False
            self._clear()

    def close(self) -> None:
        """Close all files."""
        for one in (self._active, *self._trailing):
            if one is not None:
                one.close()
        self._active, self._trailing = None, []

    def _step(self, now: float) -> Iterator[Outgoing]:
        for trailing in list(self._trailing):
            yield from self._trail(trailing, now)
        if self._active is None:
            self._look(now)
        if self._active is None:
            self._go_on(now)
        if self._active is None:
            return
        yield from self._read(self._active, now)
        if self._active is None or self._active.more:
            self.more = True
            return
        if self._queue or self._has_changed(now):
            self._look(now)  # also if there is a queue: since then files may have been moved on
        if self._queue:
            # It was read to its end before the look; only now is it known that it was that.
            yield from self._read(self._active, now)
            if self._active is not None and not self._active.more:
                self._go_on(now)
            self.more = True
        elif self._active is not None and self._is_gone(self._active, now):
            yield from self._let_go(self._active)

    def _read(self, opened: OpenFile, now: float) -> Iterator[Outgoing]:
        """Read a bit of one file."""
        is_first = not opened.file.name
        try:
            events = opened.read()
        except Truncated:
            self._displace(opened)
            return
        except OSError as error:
            if error.errno != errno.EBADMSG:
                raise
            yield self._damaged(opened, error)
            return
        if opened.more:
            opened.quiet_since = now
        yield from self._told(opened, events, is_first=is_first)

    def _told(
        self, opened: OpenFile, events: list[LogEvent], *, is_first: bool
    ) -> Iterator[Outgoing]:
        """Give the events of a file, and before the first one what was lost before it."""
        if is_first and events:
            yield from self._lost(opened, events[0])
        for event in events:
            yield Outgoing(opened.file, event)

    def _lost(self, opened: OpenFile, first: LogEvent) -> Iterator[Outgoing]:
        file = opened.file
        place = self._files.index(file)
        if place == 0:
            return
        before = self._files[place - 1]
        words = lost_between(before, file.header, opened.missing)
        if words is not None:
            log.error(
                "log_gap", path=str(self.path), after=before.name, before=file.name, gap=words
            )
            yield Outgoing(file, gap_event(str(self.path), before, first, file, words), gap=True)

    def _damaged(self, opened: OpenFile, error: OSError) -> Outgoing:
        """Give up on a packed file that cannot be unpacked to its end."""
        file = opened.file
        log.error("log_damaged", path=str(opened.path), reason=error.strerror)
        words = f"reason={DAMAGED} lost_files=0 lost_bytes={UNKNOWN}"
        first = LogEvent(file.read, file.read, file.head, 0, None)
        self._end(opened)
        told = gap_event(str(self.path), file, first, file, words)
        return Outgoing(file, told, gap=True, ends=True)

    def _trail(self, opened: OpenFile, now: float) -> Iterator[Outgoing]:
        """Read what was added to a file that a newer one has followed; let it go in time."""
        yield from self._read(opened, now)
        if opened not in self._trailing:
            return
        if opened.more:
            self.more = True
            return
        is_recent = opened in self._trailing[-_TRAILING_FILES:]
        waits = now - opened.quiet_since < self._trailing_seconds
        if is_recent and waits and not opened.packed:
            return
        yield from self._let_go(opened)

    def _is_gone(self, opened: OpenFile, now: float) -> bool:
        """Tell whether a file was removed so long ago that nobody writes to it any more."""
        return opened.links == 0 and now - opened.quiet_since >= _REMOVED_SECONDS

    def _let_go(self, opened: OpenFile) -> Iterator[Outgoing]:
        """Give what is left of a file, and have it noted that this is its end."""
        is_first = not opened.file.name
        yield from self._told(opened, opened.abandon(), is_first=is_first)
        self._end(opened)
        if opened.file.name:
            yield Outgoing(opened.file, None, ends=True)
        else:
            self._files.remove(opened.file)

    def _end(self, opened: OpenFile) -> None:
        opened.file.retired = True
        self._drop(opened)

    def _drop(self, opened: OpenFile) -> None:
        opened.close()
        if opened is self._active:
            self._active = None
        else:
            self._trailing.remove(opened)

    def _displace(self, opened: OpenFile) -> None:
        """Let go of a file that something else was written over; a copy may have its end."""
        log.info("log_truncated", path=str(opened.path), read=opened.file.read)
        opened.file.inode = -abs(opened.file.inode)
        if not opened.file.name:
            self._files.remove(opened.file)  # nothing was read of it; a copy is a new file
        self._drop(opened)
        self._queue.clear()

    def _has_changed(self, now: float) -> bool:
        """Tell whether the log's path leads to another file than the one that is read."""
        if self._active is None:
            return False
        if self._active.packed or (len(self._files) > 1 and now - self._looked_at >= _LOOK_SECONDS):
            return True
        try:
            return os.stat(self.path).st_ino != self._active.inode
        except FileNotFoundError:
            return False

    def _look(self, now: float) -> None:
        """See what files there are; open those that are known and not done with."""
        self._looked_at = now
        opened = [one for one in (self._active, *self._trailing) if one is not None]
        held = {one.file.ordinal for one in opened}
        seen = candidates(self.path)
        view = compare(self.path, self._files, seen, held)
        self._say_passed_over(view.passed_over)
        if seen or opened:
            self.gone_since = None
        elif self.gone_since is None:
            self.gone_since = now
        for file, one in view.found:
            if file.ordinal not in held and one.error is None:
                self._resume(file, one, now)
        self._queue = deque(view.new)
        self._missing = view.missing

    def _resume(self, file: LogFile, seen: Glimpse, now: float) -> None:
        is_last = file is self._files[-1]
        has_grown = seen.size is not None and seen.size > file.read
        if file.retired and not has_grown:
            return
        opened = OpenFile(file, seen, self._counts, names=self._names())
        opened.quiet_since = now
        file.retired = False
        if is_last and self._active is None:
            self._active = opened
        else:
            self._trailing.append(opened)
            self.more = True

    def _go_on(self, now: float) -> None:
        """Begin with the next file, if there is one and the one before it is read."""
        if not self._queue or (self._active is not None and self._active.more):
            return
        if self._active is not None:
            self._active.quiet_since = now
            self._trailing.append(self._active)
            self._active = None
        seen = self._queue.popleft()
        ordinal = self._files[-1].ordinal + 1 if self._files else 1
        file = LogFile(ordinal, seen.inode)
        self._active = OpenFile(
            file, seen, self._counts, names=self._names(), missing=self._missing
        )
        self._active.quiet_since = now
        self._missing = ""
        self._files.append(file)
        del self._files[:-KEPT_FILES]

    def _names(self) -> set[str]:
        return {file.name for file in self._files}

    def _say(self, error: OSError) -> None:
        reason = f"{error.strerror or error}"
        problem = f"{error.filename or self.path}: {reason}"
        if problem != self.problem:
            log.warning("log_unreadable", path=str(error.filename or self.path), reason=reason)
        self.problem = problem

    def _clear(self) -> None:
        if self.problem is not None:
            log.info("log_readable", path=str(self.path))
        self.problem = None

    def _say_passed_over(self, paths: list[Path]) -> None:
        """Say once of each older file that it is not read: nothing tells what of it is known."""
        for path in paths:
            if path not in self._passed_over:
                log.warning("log_passed_over", path=str(path), remedy="jexevents import")
        self._passed_over.update(paths)
