"""Runs the git program: no hooks, no prompts, no end without an end.

What git needs to reach a repository is its own: the user's configuration, credential helpers, keys
and proxies. What only reads objects that are here already sees none of that.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from jexevents.errors import JexError
from jexevents.faults import fit
from jexevents.redaction import redact_text

MAX_OUTPUT_BYTES = 64 * 1024 * 1024
MAX_COMPLAINT_BYTES = 16 * 1024
_LOOK_SECONDS = 0.1
_CHUNK = 65_536

_SETTINGS = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.askPass=true", "color.ui=false",
    "protocol.ext.allow=never", "protocol.fd.allow=never", "submodule.recurse=false",
    "fetch.recurseSubmodules=false", "gc.auto=0", "maintenance.auto=false",
    "http.lowSpeedLimit=1", "http.lowSpeedTime=60",
)  # fmt: skip
# Of git's own variables those by which it reaches a server; the others would lead it elsewhere.
_KEPT = (
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_EXEC_PATH",
    "GIT_HTTP_PROXY_AUTHMETHOD", "GIT_PROXY_COMMAND", "GIT_PROXY_SSL_CAINFO",
    "GIT_PROXY_SSL_CERT", "GIT_PROXY_SSL_KEY", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY", "GIT_SSL_NO_VERIFY",
    "GIT_SSL_VERSION",
)  # fmt: skip
_OURS = "JEXEVENTS_"  # holds passwords of other servers
_SSH_OPTIONS = (
    "-oBatchMode=yes -oConnectTimeout=20 -oServerAliveInterval=20 -oServerAliveCountMax=3"
)


class GitFailed(JexError):
    """git ended with a fault; ``complaint`` is what it said, without secrets."""

    def __init__(self, complaint: str, *, timed_out: bool = False) -> None:
        super().__init__(complaint)
        self.complaint = complaint
        self.timed_out = timed_out


class GitMissing(GitFailed):
    """There is no git program."""


class Git:
    """Runs git in one bare repository; what runs can be ended from another thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """End what runs, and run nothing more."""
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill(process)

    def run(
        self,
        *arguments: str,
        seconds: float,
        reaches: bool = False,
        keep: Sequence[int] = (),
        folder: Path | None = None,
    ) -> bytes:
        """Run a command of git and give its output.

        With ``reaches`` it may use the user's configuration to reach a server. ``keep`` are files
        that stay open in it; ``folder`` is another repository than ours. Raises GitFailed, also
        after ``seconds`` (git and all that it has started are killed) and for more than
        ``MAX_OUTPUT_BYTES``, and GitMissing.
        """
        place = folder or self.folder
        with self._started(place, arguments, reaches, keep, subprocess.DEVNULL) as process:
            output, complaint, ended = _collected(process, time.monotonic() + seconds)
        if not ended:
            raise GitFailed(f"git {arguments[0]} took longer than {seconds:g} s.", timed_out=True)
        if len(output) > MAX_OUTPUT_BYTES:
            raise GitFailed(f"git {arguments[0]} printed more than {MAX_OUTPUT_BYTES} bytes.")
        if process.returncode:
            raise GitFailed(_said(complaint, arguments[0], process.returncode))
        return bytes(output)

    @contextmanager
    def reading(self, *arguments: str, asked: bytes, seconds: float) -> Iterator[BinaryIO]:
        """Run a command that is asked by its input, and give its output to be read as it comes.

        It is killed after ``seconds``, which who reads sees as an early end.
        """
        with TemporaryFile() as questions:
            questions.write(asked)
            questions.seek(0)
            asking = questions.fileno()
            with self._started(self.folder, arguments, False, (), asking) as process:
                watch = threading.Timer(seconds, _kill, [process])
                watch.daemon = True
                watch.start()
                try:
                    yield process.stdout
                finally:
                    watch.cancel()
                    _kill(process)

    @contextmanager
    def _started(
        self,
        folder: Path,
        arguments: Sequence[str],
        reaches: bool,
        keep: Sequence[int],
        stdin: int,
    ) -> Iterator[subprocess.Popen[bytes]]:
        settings = (*_SETTINGS, f"safe.directory={folder}")
        command = ["git", *(part for one in settings for part in ("-c", one)), *arguments]
        environment = _environment(os.environ, reaches)
        if reaches and "GIT_SSH" not in environment:
            environment["GIT_SSH_COMMAND"] = _ssh(environment)
        with self._lock:
            if self._closed:
                raise GitFailed("The repository is not asked any more: the daemon stops.")
            process = _popen(command, folder, environment, keep, stdin)
            self._running.add(process)
        try:
            yield process
        finally:
            if process.poll() is None:
                _kill(process)
            process.wait()
            with self._lock:
                self._running.discard(process)
            process.stdout.close()
            process.stderr.close()


def _ssh(environment: Mapping[str, str]) -> str:
    """Give the user's command for ssh, by which it asks nothing and notices a dead server."""
    command = environment.get("GIT_SSH_COMMAND") or _configured_ssh(environment) or "ssh"
    return f"{command} {_SSH_OPTIONS}"


def _configured_ssh(environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["git", "config", "--get", "core.sshCommand"],
        cwd="/",
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace").strip()


def _environment(given: Mapping[str, str], reaches: bool) -> dict[str, str]:
    found = {
        name: value
        for name, value in given.items()
        if not name.startswith(("GIT_", _OURS)) or name in _KEPT
    }
    found |= {
        "LC_ALL": "C",
        "LANGUAGE": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "SSH_ASKPASS": "true",
        "SSH_ASKPASS_REQUIRE": "never",
        "GCM_INTERACTIVE": "never",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
    }
    if not reaches:
        found |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "HOME": "/nonexistent",
            "XDG_CONFIG_HOME": "/nonexistent",
        }
    return found


def _popen(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    keep: Sequence[int],
    stdin: int,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=tuple(keep),
        )
    except FileNotFoundError as exc:
        if not folder.is_dir():
            raise GitFailed(f"{folder} is not there.") from exc
        raise GitMissing("There is no git program. Install git, 2.30 or newer.") from exc
    except OSError as exc:
        raise GitFailed(f"git cannot be started: {exc.strerror}.") from exc


def _collected(
    process: subprocess.Popen[bytes], deadline: float
) -> tuple[bytearray, bytearray, bool]:
    """Read both outputs until git ends; whether it did before ``deadline`` is the last value.

    Until git ends, not until the outputs do: what it leaves behind may keep them open.
    """
    found = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    output, complaint = found.values()
    with selectors.DefaultSelector() as selector:
        for number in found:
            os.set_blocking(number, False)
            selector.register(number, selectors.EVENT_READ)
        while True:
            has_ended = process.poll() is not None
            for key, _ in selector.select(0 if has_ended else _LOOK_SECONDS):
                if not _taken(key.fd, found[key.fd]):
                    selector.unregister(key.fd)
            if has_ended and not any(_taken(number, found[number]) for number in found):
                return output, complaint, True
            del complaint[:-MAX_COMPLAINT_BYTES]
            if time.monotonic() > deadline or len(output) > MAX_OUTPUT_BYTES:
                _kill(process)
                process.wait()
                return output, complaint, len(output) > MAX_OUTPUT_BYTES
            if not selector.get_map() and not has_ended:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_SECONDS)


def _taken(number: int, found: bytearray) -> bool:
    """Read what is there; False for nothing, or the end."""
    try:
        chunk = os.read(number, _CHUNK)
    except BlockingIOError:
        return False
    found += chunk
    return bool(chunk)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill git and all that it has started: it leads a session of its own."""
    if process.returncode is not None:
        return  # waited for already: the number may be somebody else's by now
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _said(complaint: bytearray, command: str, code: int) -> str:
    text = redact_text(complaint.decode("utf-8", "replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return fit(" ".join(lines), MAX_COMPLAINT_BYTES) or f"git {command} ended with {code}."
