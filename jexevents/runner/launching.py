"""Starts supervisors."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from jexevents.errors import NotStarted, SupervisorAway
from jexevents.runner.spec import Spec
from jexevents.runner.supervisor import main as program
from jexevents.runner.supervisor.layout import BEGUN, REFUSED, STATE, TAKEN

_END_SECONDS = 2.0
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

    def hand(self, given: int, told: int) -> bool:
        """Have it fork a supervisor that reads from ``given`` and says how it went to ``told``.

        False where it cannot be had.
        """
        with self._lock:
            for _ in range(2):
                try:
                    self._begin()
                    if self._connection is None:
                        return False
                    socket.send_fds(self._connection, [b"x"], [given, told])
                    return True
                except OSError:
                    # It was killed, most likely.
                    self._end()
            return False

    def close(self) -> None:
        """End it, and have none from now on; twice is once."""
        with self._lock:
            self._closed = True
            self._end()

    def _begin(self) -> None:
        if self._closed or (self._process is not None and self._process.poll() is None):
            return
        self._end()
        ours, theirs = socket.socketpair()
        try:
            self._process = _run(program.STEM, stdin=theirs.fileno())
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._connection = ours

    def _end(self) -> None:
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is None:
            return
        with process:
            try:
                process.wait(_END_SECONDS)
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
    given, giving = os.pipe()
    hearing, told = os.pipe()
    try:
        try:
            if not ready.hand(given, told):
                return _FAILED, ""
        finally:
            os.close(given)
            os.close(told)
        with suppress(BrokenPipeError):
            _write(giving, os.fsencode(folder) + b"\0" + spec.packed(), folder, deadline)
        os.close(giving)
        giving = -1
        word = _read(hearing, folder, deadline)
    finally:
        os.close(hearing)
        if giving >= 0:
            os.close(giving)
    return (word[0], _text(word[1:])) if word else (_FAILED, "")


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


def _write(descriptor: int, content: bytes, folder: Path, deadline: float) -> None:
    os.set_blocking(descriptor, False)
    left = memoryview(content)
    while left:
        _wait(folder, deadline, [], [descriptor])
        with suppress(BlockingIOError):
            left = left[os.write(descriptor, left[:_PIECE_BYTES]) :]


def _read(descriptor: int, folder: Path, deadline: float) -> bytes:
    pieces = []
    while True:
        _wait(folder, deadline, [descriptor], [])
        if not (piece := os.read(descriptor, _PIECE_BYTES)):
            return b"".join(pieces)
        pieces.append(piece)


def _wait(folder: Path, deadline: float, reading: list[int], writing: list[int]) -> None:
    poll = select.poll()  # select() ends at descriptor 1023
    for descriptor in reading:
        poll.register(descriptor, select.POLLIN)
    for descriptor in writing:
        poll.register(descriptor, select.POLLOUT)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise _says_nothing(folder)


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
