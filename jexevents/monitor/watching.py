"""Waits until something happens in the folders of the logs.

The kernel tells at once where it has inotify and the file system is a local one. Where not, and
beside it, a look every so often does: file systems over a network tell nothing of what others
write.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from inotify_simple import INotify, flags

from jexevents.logs import get_logger

log = get_logger("monitor")

_CHANGES = (
    flags.MODIFY | flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE | flags.ATTRIB
)


class Watcher:
    """Watches folders; ``wake`` may be called from any thread, all else from one."""

    def __init__(self) -> None:
        self._woken, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self._watches: dict[Path, int] = {}
        self._said = False
        self._inotify = self._begin()

    @property
    def folders(self) -> int:
        """How many folders the kernel tells of; the others are looked at every so often."""
        return len(self._watches)

    def watch(self, folders: Iterable[Path]) -> None:
        """Watch these folders, and no others; those that are not there are left out."""
        wanted = set(folders)
        for folder in self._watches.keys() - wanted:
            self._drop(folder)
        for folder in wanted - self._watches.keys():
            self._add(folder)

    def wait(self, seconds: float) -> set[Path] | None:
        """Wait until something happens in a folder, for ``wake``, or that long.

        Gives the paths to which it happened, as far as the kernel tells; None if it lost count.
        """
        touched: set[Path] | None = set()
        for descriptor, _ in self._poll.poll(max(0, int(seconds * 1000))):
            if descriptor == self._woken:
                with suppress(BlockingIOError):
                    os.read(self._woken, 4096)
            elif self._inotify is not None:
                touched = self._hear(self._inotify)
        return touched

    def wake(self) -> None:
        """End the wait that is under way, or the next one."""
        with suppress(OSError):  # full: it is woken already; closed: nobody waits
            os.write(self._waker, b"\0")

    def close(self) -> None:
        """Give back what it holds; nothing of it may be used afterwards."""
        if self._inotify is not None:
            self._inotify.close()
        os.close(self._woken)
        os.close(self._waker)

    def _begin(self) -> INotify | None:
        try:
            inotify = INotify(nonblocking=True)
        except (OSError, AttributeError) as error:
            log.warning("logs_polled", reason=str(error))
            return None
        self._poll.register(inotify.fileno(), select.POLLIN)
        return inotify

    def _add(self, folder: Path) -> None:
        if self._inotify is None:
            return
        try:
            self._watches[folder] = self._inotify.add_watch(folder, _CHANGES | flags.ONLYDIR)
        except FileNotFoundError:
            return
        except OSError as error:
            if not self._said:
                log.warning("folder_polled", folder=str(folder), reason=str(error))
            self._said = True

    def _drop(self, folder: Path) -> None:
        number = self._watches.pop(folder)
        # The same folder under another name has the same number.
        if self._inotify is not None and number not in self._watches.values():
            with suppress(OSError):
                self._inotify.rm_watch(number)

    def _hear(self, inotify: INotify) -> set[Path] | None:
        """Take what the kernel told; a folder that is gone is watched anew when it is back."""
        touched: set[Path] = set()
        is_lost = False
        for event in inotify.read(timeout=0):
            folders = [at for at, number in self._watches.items() if number == event.wd]
            if event.mask & flags.Q_OVERFLOW:
                is_lost = True
            elif event.mask & flags.IGNORED:
                for folder in folders:
                    del self._watches[folder]
            touched.update(folder / event.name for folder in folders)
        return None if is_lost else touched
