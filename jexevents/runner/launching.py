"""Starts supervisors."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path

from jexevents.errors import NotStarted, SupervisorAway
from jexevents.runner.spec import Spec
from jexevents.runner.supervisor import main as program
from jexevents.runner.supervisor.layout import BEGUN, REFUSED, STATE, TAKEN

_END_SECONDS = 2.0
_HAND_SECONDS = 1.0
# Within so much it says something, even with a slow disk. What is only slow goes on all the same.
_PATIENCE_SECONDS = 5.0
_FAILED = 70
_PIECE_BYTES = 1 << 16


class Ready:
    """Keeps a process ready that forks a supervisor whenever one is wanted, so that no job waits
    for Python to load, nor the machine for it again and again. It ends with this process, however
    that ends; the supervisors do not. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._closed = False

    def prepare(self) -> None:
        """See to it that it is there; what keeps it from that is left to the next start to say."""
        with self._lock, suppress(OSError):
            self._begin()

    def hand(self, given: int, told: int) -> object | None:
        """Have it fork a supervisor that reads from ``given`` and says how it went to ``told``.

        Gives who was asked to, for ``drop``; None where that cannot be had.
        """
        with self._lock:
            for _ in range(2):
                try:
                    self._begin()
                    if self._connection is None:
                        return None
                    socket.send_fds(self._connection, [b"x"], [given, told])
                    return self._process
                except OSError:
                    # It was killed, most likely; or it is stopped, and no more goes in.
                    self._end(0)
            return None

    def drop(self, asked: object) -> None:
        """Kill the one that was asked to fork, if it is there still: it lets go of all that it has
        been handed and has not forked for. The next start has a new one."""
        with self._lock:
            if self._process is asked:
                self._end(0)

    def close(self) -> None:
        """End it, and have none from now on; twice is once."""
        with self._lock:
            self._closed = True
            self._end(_END_SECONDS)

    def _begin(self) -> None:
        if self._closed or (self._process is not None and self._process.poll() is None):
            return
        self._end(0)
        ours, theirs = socket.socketpair()
        ours.settimeout(_HAND_SECONDS)
        try:
            self._process = _run(program.STEM, stdin=theirs.fileno())
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._connection = ours

    def _end(self, seconds: float) -> None:
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is None:
            return
        with process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()


def launch(folder: Path, spec: Spec, timeout: float, ready: Ready | None = None) -> bool:
    """Start the supervisor of ``folder``; True when its job has begun or is known not to be able
    to, False where another has, or had, the folder.

    By ``ready`` if that is given, and can do it. Raises NotStarted where the job has not run and
    will not, and SupervisorAway where nothing is known after ``timeout`` seconds: it may begin yet.
    """
    deadline = time.monotonic() + timeout
    code, said = _told_by(ready, folder, spec, deadline)
    knows = code in (BEGUN, TAKEN, REFUSED) or (folder / STATE).exists()
    if ready is not None and not knows:
        # If somebody has the folder all the same, he says so now.
        code, said = _told_by(None, folder, spec, deadline)
    if code in (BEGUN, TAKEN):
        return code == BEGUN
    if code != REFUSED and (folder / STATE).exists():
        return True  # killed since: its folder says so
    raise NotStarted(
        f"The supervisor of {folder.name} did not begin: {said or 'it was killed, or failed'}.",
        remedy="See to the disk and the memory of this machine.",
    )


def _told_by(ready: Ready | None, folder: Path, spec: Spec, deadline: float) -> tuple[int, str]:
    """Hand the folder to a supervisor, a new one without ``ready``; gives the code that it says,
    and its words."""
    if ready is None:
        return _by_a_new_one(folder, spec, deadline)
    with ExitStack() as ends:
        given, giving = _pipe(ends)
        hearing, told = _pipe(ends)
        asked = ready.hand(given.fileno(), told.fileno())
        given.close()
        told.close()
        if asked is None:
            return _FAILED, ""
        talk = _Talk(folder, deadline, lambda: ready.drop(asked))
        with suppress(BrokenPipeError):
            talk.write(giving.fileno(), os.fsencode(folder) + b"\0" + spec.packed())
        giving.close()
        word = talk.read(hearing.fileno())
    return (word[0], _text(word[1:])) if word else (_FAILED, "")


def _pipe(ends: ExitStack) -> tuple[FileIO, FileIO]:
    """Make a pipe whose ends are closed with ``ends``, if not before."""
    reading, writing = os.pipe()
    return ends.enter_context(FileIO(reading)), ends.enter_context(FileIO(writing, "w"))


def _by_a_new_one(folder: Path, spec: Spec, deadline: float) -> tuple[int, str]:
    try:
        process = _run(str(folder), stdin=subprocess.PIPE)
    except OSError as exc:
        raise NotStarted(f"No supervisor can be started: {exc.strerror}.") from exc
    with process:
        try:
            left = max(0.1, deadline - time.monotonic())
            said, _ = process.communicate(os.fsencode(folder) + b"\0" + spec.packed(), left)
        except subprocess.TimeoutExpired as exc:
            process.kill()
            raise _says_nothing(folder) from exc
        except BaseException:
            process.kill()
            raise
    return process.returncode, _text(said)


class _Talk:
    """What goes to a supervisor that somebody was asked to fork, and what it says.

    Raises SupervisorAway where it says nothing till ``deadline``. ``doubt`` is called long before:
    whoever forks may be stopped, or hang, and what has not been forked is to be done by others.
    """

    def __init__(self, folder: Path, deadline: float, doubt: Callable[[], None]) -> None:
        self._folder, self._deadline, self._doubt = folder, deadline, doubt
        self._doubt_at = min(deadline, time.monotonic() + _PATIENCE_SECONDS)

    def write(self, descriptor: int, content: bytes) -> None:
        """Write all of it."""
        os.set_blocking(descriptor, False)
        left = memoryview(content)
        while left:
            self._wait(descriptor, select.POLLOUT)
            with suppress(BlockingIOError):
                left = left[os.write(descriptor, left[:_PIECE_BYTES]) :]

    def read(self, descriptor: int) -> bytes:
        """Read to the end."""
        pieces = []
        while True:
            self._wait(descriptor, select.POLLIN)
            if not (piece := os.read(descriptor, _PIECE_BYTES)):
                return b"".join(pieces)
            pieces.append(piece)

    def _wait(self, descriptor: int, what: int) -> None:
        poll = select.poll()  # select() ends at descriptor 1023
        poll.register(descriptor, what)
        if poll.poll(_milliseconds(self._doubt_at)):
            return
        self._doubt()
        if not poll.poll(_milliseconds(self._deadline)):
            raise _says_nothing(self._folder)


def _milliseconds(until: float) -> float:
    return max(0.0, until - time.monotonic()) * 1000


def _says_nothing(folder: Path) -> SupervisorAway:
    return SupervisorAway(
        f"The supervisor of {folder.name} was started and has said nothing in time.",
        remedy="Look again later: the folder says what became of it.",
    )


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace").strip()


def _run(word: str, *, stdin: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", program.__file__, word],
        stdin=stdin,
        stdout=subprocess.PIPE if stdin == subprocess.PIPE else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
