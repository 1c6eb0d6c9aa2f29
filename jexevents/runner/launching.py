"""Starts supervisors."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from jexevents.errors import NotStarted, SupervisorAway
from jexevents.runner.spec import Spec
from jexevents.runner.supervisor import main as program
from jexevents.runner.supervisor.layout import BEGUN, REFUSED, STATE, TAKEN

_END_SECONDS = 2.0


class Ready:
    """Keeps one supervisor started that waits to be told for what, so that a job need not wait for
    Python to load. It ends with this process, however that ends. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def take(self) -> subprocess.Popen[bytes] | None:
        """Give the one that waits, which is the caller's then; None where there is none."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None and process.poll() is not None:
            _end(process)
            return None
        return process

    def prepare(self) -> None:
        """See to it that one waits; what keeps it from that is left to the next start to say."""
        with self._lock:
            if self._process is None and not self._closed:
                try:
                    self._process = _begin()
                except OSError:
                    self._process = None

    def close(self) -> None:
        """End the one that waits, and have none from now on; twice is once."""
        with self._lock:
            self._closed = True
        process = self.take()
        if process is not None:
            _end(process)


def launch(folder: Path, spec: Spec, timeout: float, ready: Ready | None = None) -> bool:
    """Start the supervisor of ``folder``; True when its job has begun or is known not to be able
    to, False where another has, or had, the folder.

    The one that is ``ready`` is taken, and the next prepared. Raises NotStarted where the job has
    not run and will not, and SupervisorAway where nothing is known after ``timeout`` seconds: it
    may begin yet.
    """
    if ready is None:
        return _launch(folder, spec, timeout, None)
    try:
        return _launch(folder, spec, timeout, ready.take())
    finally:
        ready.prepare()


def _launch(
    folder: Path, spec: Spec, timeout: float, waiting: subprocess.Popen[bytes] | None
) -> bool:
    code, said = _tell(folder, spec, timeout, waiting)
    knows = code in (BEGUN, TAKEN, REFUSED) or (folder / STATE).exists()
    if waiting is not None and not knows:
        # It was killed while it waited, most likely. If not, it has the folder, and says so now.
        code, said = _tell(folder, spec, timeout, None)
    if code in (BEGUN, TAKEN):
        return code == BEGUN
    if code != REFUSED and (folder / STATE).exists():
        return True  # killed since: its folder says so
    raise NotStarted(
        f"The supervisor of {folder.name} did not begin: {said or 'it was killed, or failed'}.",
        remedy="See to the disk and the memory of this machine.",
    )


def _tell(
    folder: Path, spec: Spec, timeout: float, process: subprocess.Popen[bytes] | None
) -> tuple[int, str]:
    """Hand the folder to a supervisor that waits, or to a new one; gives its exit code, and what it
    said."""
    try:
        process = process or _begin(str(folder))
    except OSError as exc:
        raise NotStarted(f"No supervisor can be started: {exc.strerror}.") from exc
    with process:
        try:
            said, _ = process.communicate(os.fsencode(folder) + b"\0" + spec.packed(), timeout)
        except subprocess.TimeoutExpired as exc:
            process.kill()
            raise SupervisorAway(
                f"The supervisor of {folder.name} was started and has said nothing for "
                f"{timeout:g} s.",
                remedy="Look again later: the folder says what became of it.",
            ) from exc
        except BaseException:
            process.kill()
            raise
    return process.returncode, said.decode("utf-8", "replace").strip()


def _begin(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", program.__file__, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let one end that waits: it reads the end of its input."""
    with process:
        try:
            process.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
