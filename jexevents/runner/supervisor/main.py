"""Run as ``python -I -S main.py [FOLDER]`` with the folder, a zero byte, and what is to be run on
its standard input; the word on the command line is only for people to read. Where nothing comes
before the end of the input, it ends without a word: so one may be started before it is known for
what.

It ends as soon as the job has begun, or cannot (exit codes: layout.py); what stays is a process in
a session of its own, with no parent that knows it, which holds the job to its end.
"""

from __future__ import annotations

import os
import sys

_PACKAGES = os.path.abspath(__file__ + "/../../../..")
_FAILED = 70
_MOST_DESCRIPTORS = 1 << 20


def main() -> None:
    """Take the folder, start the job, and hold it; the parent only waits for the word."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        word = _read_to_end(reading)
        os.write(1, word[1:])
        os._exit(word[0] if word else _FAILED)
    os.close(reading)
    os.setsid()
    # Last on the path: nothing that is installed beside us takes the place of Python's own.
    sys.path.append(_PACKAGES)
    _hold(_Word(writing))


class _Word:
    """The exit code of the parent, which is told once, and what it says then."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._told = False

    def tell(self, code: int, reason: str = "") -> None:
        """Have the parent end with this code, unless it has ended."""
        if self._told:
            return
        self._told = True
        try:
            os.write(self.descriptor, bytes([code]) + reason.encode("utf-8", "replace"))
        except OSError:
            pass  # whoever started us is gone; the job goes on
        os.close(self.descriptor)


def _hold(word: _Word) -> None:
    from jexevents.runner.supervisor import layout, service, spec

    os.umask(0o077)
    lock = None
    try:
        folder, is_whole, raw = _read_to_end(0).partition(b"\0")
        if not is_whole:
            return
        os.chdir(folder)
        lock = service.take_folder()
        if lock is None:
            word.tell(layout.TAKEN)
            return
        _leave(layout.LOG, {lock, word.descriptor})
        service.run(spec.unpacked(raw), os.getcwd(), lambda: word.tell(layout.BEGUN))
    except (OSError, ValueError) as error:
        if lock is not None:
            os.close(lock)  # before anybody hears: he may try again at once
        word.tell(layout.REFUSED, str(error))


def _read_to_end(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def _leave(log: str, kept: set[int]) -> None:
    """Let go of all that was inherited; what goes wrong from now on is said in the log."""
    nothing = os.open("/dev/null", os.O_RDWR)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    for descriptor, number in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(descriptor, number, inheritable=False)
    below = 3
    for descriptor in sorted(kept):
        os.closerange(below, descriptor)
        below = descriptor + 1
    os.closerange(below, _MOST_DESCRIPTORS)


if __name__ == "__main__":
    main()
