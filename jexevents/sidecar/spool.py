"""Where the bodies of requests wait till they are there: in memory, then in files without names.

waitress would have those files in the system's folder for temporary files, which may be memory.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from waitress.buffers import OverflowableBuffer, TempfileBasedBuffer
from waitress.utilities import Error

from jexevents.uploads.folder import INCOMING, is_full


class NoRoom(Error):
    """What waitress is to answer where the disk is full."""

    code = 507
    reason = "Insufficient Storage"


class _FileBuffer(TempfileBasedBuffer):
    """A buffer in a file of a folder, or of the system's where that one cannot be used."""

    def __init__(self, folder: Path | None, from_buffer: Any = None) -> None:
        self._folder = folder
        super().__init__(from_buffer)

    def newfile(self) -> BinaryIO:
        """Make a file that goes with the process."""
        if self._folder is not None:
            try:
                # Where a file must have a name for a moment, it has one that is swept away.
                return TemporaryFile("w+b", prefix=INCOMING, dir=self._folder)
            except OSError as error:
                if is_full(error):
                    raise
        return TemporaryFile("w+b")


class Body(OverflowableBuffer):
    """A body: up to ``overflow`` bytes in memory, then in a file in ``folder``."""

    def __init__(self, overflow: int, folder: Path | None) -> None:
        super().__init__(overflow)
        self._folder = folder

    def _set_large_buffer(self) -> None:
        before = self.buf
        self.buf = _FileBuffer(self._folder, before)
        self.overflowed = True
        if before is not None:
            before.close()

    def close(self) -> None:
        """Close it; what was not written for want of room is not missed then."""
        with suppress(OSError):
            super().close()
