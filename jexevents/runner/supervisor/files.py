"""Files that are written whole or not at all, and appended to whole or not at all."""

from __future__ import annotations

import os

MODE = 0o600


def write_all(descriptor: int, data: object, offset: int) -> tuple[int, OSError | None]:
    """Write at ``offset``; give how many bytes were written, and what kept it from the rest."""
    view, done = memoryview(data), 0
    while done < len(view):
        try:
            done += os.pwrite(descriptor, view[done:], offset + done)
        except OSError as error:
            return done, error
    return done, None


def append_whole(descriptor: int, data: bytes, size: int) -> None:
    """Append to a file of ``size`` bytes; where that fails it is as it was, and OSError raised."""
    done, error = write_all(descriptor, data, size)
    if error is not None:
        if done:
            os.ftruncate(descriptor, size)
        raise error


def replace(name: str, text: str, *, durable: bool = True) -> None:
    """Put ``text`` in place of the file ``name`` of the current folder, in one step; raises
    OSError."""
    part = name + ".part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, MODE)
    try:
        append_whole(descriptor, text.encode(), 0)
        if durable:
            os.fsync(descriptor)
    except OSError:
        os.unlink(part)
        raise
    finally:
        os.close(descriptor)
    os.rename(part, name)
    if durable:
        sync_folder()


def sync_folder() -> None:
    """Have the names in the current folder outlive a loss of power."""
    descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder_is_gone() -> bool:
    """Whether the current folder was removed, so that nothing can be made in it any more."""
    try:
        return os.stat(".").st_nlink == 0
    except OSError:
        return False
