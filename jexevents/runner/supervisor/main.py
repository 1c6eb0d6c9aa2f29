"""Run as ``python -I -S main.py [FOLDER]`` with the folder, a zero byte, and what is to be run on
its standard input; the word on the command line is only for people to read. Where nothing comes
before the end of the input, it ends without a word: so one may be started before it is known for
what.

As ``main.py -`` its standard input is a connection over which it is handed such an input and where
to say how it went, again and again: for each it forks, and need not load anything anew.

It ends as soon as the job has begun, or cannot (exit codes: layout.py); what stays is a process in
a session of its own, with no parent that knows it, which holds the job to its end.
"""

from __future__ import annotations

import os
import sys

_PACKAGES = os.path.abspath(__file__ + "/../../../..")
_FAILED = 70
_MOST_DESCRIPTORS = 1 << 20


STEM = "-"


def main() -> None:
    """Take the folder, start the job, and hold it; the parent only waits for the word."""
    if sys.argv[1:] == [STEM]:
        _fork_on_demand()
        return
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


def _fork_on_demand() -> None:
    """Fork for each input that is handed over, till whoever hands them over is gone."""
    sys.path.append(_PACKAGES)
    # All that a start needs is loaded before anybody waits for it.
    from jexevents.runner.supervisor import layout, quick, service, spec  # noqa: F401

    stem = quick.connection_on(0)
    while descriptors := quick.handed(stem):
        middle = os.fork()
        if middle == 0:
            _begin(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(middle, 0)


def _begin(given: int, told: int) -> None:
    """Be a supervisor whose parent is gone: that is nobody's child who has started others."""
    if os.fork():
        os._exit(0)
    try:
        os.setsid()
        os.dup2(given, 0)
        os.close(given)
        _hold(_Word(told))
    except BaseException:  # noqa: BLE001 - it is said, and nothing stands behind this
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)


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
