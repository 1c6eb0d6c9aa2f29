"""The thread of a monitor: reads the logs, publishes their events, notes how far it came."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from jexevents.errors import ConfigError, JexError
from jexevents.logs import get_logger
from jexevents.monitor.chain import Chain, Outgoing
from jexevents.monitor.outbox import Outbox, Sender
from jexevents.monitor.patterns import is_pattern, logs
from jexevents.monitor.positions import PositionFile, PositionsUnwritable
from jexevents.monitor.watching import Watcher
from jexevents.observers import NOBODY, MonitorObserver
from jexevents.service import Service

log = get_logger("monitor")

WINDOW = 1000
WINDOW_BYTES = 8 << 20
# Of what is confirmed, so much may wait for a position file that cannot be written. It takes
# little memory, and would be sent again after a crash.
UNNOTED = 100_000

_TURN_SECONDS = 0.2
_NOTE_SECONDS = 0.1
_TRY_AGAIN_SECONDS = 1.0
# Less than a process waits for the end of a service.
_END_SECONDS = 4.0
# A log that a pattern named, and whose files are gone for so long, will not come back.
_FORGET_SECONDS = 86_400.0


class _Stopping(Exception):
    """The service is to end."""


class MonitorService(Service):
    """Follows the logs that ``names`` (paths and patterns) name; ``sender`` is for it alone.

    No more than ``window`` messages and ``window_bytes`` are under way; the sender has to take so
    many without waiting. When it stops it waits a few seconds for what is
    under way. It dies of what the sender raises, but not while it stops.

    Raises ConfigError if the position file cannot be used, or another monitor has it.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        position_file: Path,
        sender: Sender,
        source: str | None = None,
        observer: MonitorObserver = NOBODY,
        poll_seconds: float = 1.0,
        window: int = WINDOW,
        window_bytes: int = WINDOW_BYTES,
        unnoted: int = UNNOTED,
    ) -> None:
        super().__init__("monitor")
        if not names:
            raise ConfigError("There is no log to follow.", remedy="Set EventLog to its path.")
        self._names = names
        self._positions = PositionFile(position_file)
        self._observer = observer
        self._outbox = Outbox(sender, self._positions, source, observer)
        self._poll_seconds = poll_seconds
        self._window, self._window_bytes, self._unnoted = window, window_bytes, unnoted
        self._watcher = Watcher()
        self._chains: dict[Path, Chain] = {}
        self._looked_at = self._noted_at = float("-inf")
        self._wants_look = False

    # --- what others may ask, from any thread

    @property
    def problems(self) -> list[str]:
        """What is wrong now: logs that cannot be read, a position file that cannot be written."""
        found = [chain.problem for chain in list(self._chains.values())]
        return [problem for problem in (*found, self._outbox.problem) if problem is not None]

    @property
    def logs(self) -> list[Path]:
        """The logs that are followed."""
        return list(self._chains)

    @property
    def bytes_behind(self) -> int:
        """How many bytes of the logs the broker has not taken over, as far as is known."""
        return sum(map(_behind, list(self._chains.values())))

    def look_again(self) -> None:
        """See at once which logs the patterns name now."""
        self._wants_look = True
        self._watcher.wake()

    def interrupt(self) -> None:
        """Wake the thread."""
        self._watcher.wake()

    def close(self) -> None:
        """Give back what it holds, if it never ran."""
        if not self.alive:
            self._positions.close()

    # --- the thread

    def run(self) -> None:
        """Work until it is stopped."""
        try:
            self._work()
        except _Stopping:
            pass
        except Exception:
            if not self.stopping.is_set():
                raise
        finally:
            self._finish()

    def _work(self) -> None:
        touched: set[Path] | None = None
        while not self.stopping.is_set():
            now = time.monotonic()
            is_due = now - self._looked_at >= self._poll_seconds or self._wants_look
            if is_due:
                self._wants_look = False
                self._looked_at = now
                self._choose(now)
            for path, chain in list(self._chains.items()):
                if is_due or touched is None or chain.more or _is_touched(path, touched):
                    self._follow(path, chain)
            self._settle()
            touched = self._watcher.wait(self._pause())

    def _pause(self) -> float:
        """Say how long there is nothing to do unless a log grows."""
        if any(chain.more for chain in self._chains.values()):
            return 0.0
        if self._outbox.is_empty:
            return self._poll_seconds
        return min(self._poll_seconds, _NOTE_SECONDS)

    def _choose(self, now: float) -> None:
        """Follow the logs that are named now, and forget those that are gone for good."""
        for path in logs(self._names, self._chains):
            if path not in self._chains:
                log.info("log_followed", path=str(path))
                self._chains[path] = Chain(path, *self._positions.load(path))
        for path, chain in list(self._chains.items()):
            gone = chain.gone_since
            if gone is not None and now - gone > _FORGET_SECONDS and self._outbox.is_empty:
                self._forget(path, chain)
        self._watcher.watch(_folders(self._chains))

    def _forget(self, path: Path, chain: Chain) -> None:
        if any(not is_pattern(name) and Path(name).absolute() == path for name in self._names):
            return
        try:
            self._positions.forget(path)
        except PositionsUnwritable:
            return
        chain.close()
        del self._chains[path]
        log.info("log_forgotten", path=str(path))

    def _follow(self, path: Path, chain: Chain) -> None:
        """Publish what a log has, for a short while; then it is another one's turn."""
        ends = time.monotonic() + _TURN_SECONDS
        while True:
            events = garbage = 0
            for out in chain.step(time.monotonic()):
                self._send(path, out)
                if out.event is not None and not out.gap:
                    events += out.event.fault is None
                    garbage += out.event.fault is not None
            if events or garbage:
                self._observer.events_read(events, garbage)
            if not chain.more or time.monotonic() >= ends:
                return
            self._settle()

    def _send(self, path: Path, out: Outgoing) -> None:
        if out.gap:
            self._observer.gap_found()
            self._drain()
        body = self._outbox.body(out)
        while self._is_full(len(body)):
            self._make_room()
        self._outbox.send(path, out, body)

    def _is_full(self, size: int) -> bool:
        outbox = self._outbox
        if not outbox.has_room(size, self._window, self._window_bytes):
            return True
        return outbox.unnoted + outbox.under_way >= self._unnoted

    def _make_room(self) -> None:
        if self.stopping.is_set():
            raise _Stopping
        if self._outbox.under_way:
            self._outbox.wait(_TURN_SECONDS, min(self._window, self._outbox.under_way) // 2)
        else:
            self.wait(_NOTE_SECONDS)  # for the position file
        self._settle()

    def _drain(self) -> None:
        """Wait until all that was sent is confirmed and noted."""
        while not self._outbox.is_empty:
            if self.stopping.is_set():
                raise _Stopping
            self._outbox.wait(_TURN_SECONDS)
            self._outbox.collect()
            if not self._outbox.note():
                self.wait(_TRY_AGAIN_SECONDS)

    def _settle(self) -> None:
        """Take notice of what was confirmed, and note it now and then."""
        self._outbox.collect()
        now = time.monotonic()
        pause = _NOTE_SECONDS if self._outbox.problem is None else _TRY_AGAIN_SECONDS
        if now - self._noted_at >= pause:
            self._outbox.note()
            self._noted_at = time.monotonic()

    def _finish(self) -> None:
        """Give what is under way a few seconds, note what was confirmed, and close all."""
        try:
            if self.stopping.is_set() and self._outbox.under_way:
                self._outbox.wait(_END_SECONDS)
        except JexError as error:
            log.warning("monitor_left_unconfirmed", reason=str(error))
        finally:
            self._outbox.collect()
            self._outbox.note()
            for chain in self._chains.values():
                chain.close()
            self._positions.close()
            self._watcher.close()


def _is_touched(path: Path, touched: set[Path]) -> bool:
    return path in touched or path.resolve() in touched


def _folders(paths: Sequence[Path] | dict[Path, Chain]) -> Iterator[Path]:
    """Give the folders in which something may happen to the logs."""
    for path in paths:
        yield path.parent
        yield path.resolve().parent


def _behind(chain: Chain) -> int:
    try:
        return chain.behind
    except (OSError, ValueError, RuntimeError):  # a file is just being closed
        return 0
