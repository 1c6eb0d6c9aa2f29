"""The folder of an embedded server: who may use it, who uses it now, where its parts are."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jexevents.embedded.launch import Account, account_for
from jexevents.errors import ConfigError, StoreUnavailable
from jexevents.processes import ProcessId, alive

LOCK = "jexevents.lock"
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 107
SOCKET_PREFIX = "jexpg-"
LOG_KEEP_BYTES, LOG_MOST_BYTES = 256 * 1024, 1024 * 1024
LOCK_SECONDS, REMAINS_SECONDS = 180, 10
MISPLACED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


@dataclass
class Register:
    """The processes that use the server, by a key of their own, and its folder of sockets."""

    users: dict[str, ProcessId] = field(default_factory=dict)
    sockets: str = ""


class Folder:
    """PATH of an embedded server; ``claim`` makes it ours."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()
        self.data = self.path / "data"
        self.log = self.path / "server.log"
        self.account: Account | None = None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the system says of the folder into ConfigError or StoreUnavailable."""
        try:
            yield
        except OSError as exc:
            message = f"{exc.filename or self.path} cannot be used for PostgreSQL: {exc.strerror}."
            if exc.errno in MISPLACED:
                remedy = "Name a folder in DBURI that you may write to: embedded:PATH."
                raise ConfigError(message, remedy=remedy) from exc
            raise StoreUnavailable(message) from exc

    def claim(self) -> None:
        """Make the folder, or check that it is ours; ConfigError if it is not to be used."""
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path} is a file; embedded:PATH names a folder.")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check_foreign()
        self._check_owner()
        self.account = account_for(self.path)
        self._give(self.path)
        if self.path.stat().st_mode & 0o777 != 0o700:
            self.path.chmod(0o700)
        os.close(self._open(LOCK, os.O_RDWR))

    def _check_foreign(self) -> None:
        entries = os.listdir(self.path)
        if not entries or LOCK in entries:
            return
        what = "PostgreSQL data of another program" if "PG_VERSION" in entries else "other files"
        raise ConfigError(
            f"{self.path} holds {what} ({', '.join(sorted(entries)[:3])}).",
            remedy="Name a new or empty folder in DBURI: embedded:PATH.",
        )

    def _check_owner(self) -> None:
        owner = self.path.stat().st_uid
        if os.geteuid() not in (0, owner):
            raise ConfigError(
                f"{self.path} belongs to another user (id {owner}).",
                remedy="Name a folder of your own in DBURI: embedded:PATH.",
            )

    def _give(self, path: Path | int) -> None:
        account = self.account
        if not (account and account.foreign) or os.stat(path).st_uid == account.uid:
            return
        try:
            os.chown(path, account.uid, account.gid)
        except PermissionError as exc:
            raise ConfigError(
                f"{self.path} cannot be given to the user {account.name}, whom PostgreSQL runs as "
                f"here because it refuses root: {exc.strerror}.",
                remedy="Start jexevents as an ordinary user, or name another server in DBURI.",
            ) from exc

    def _open(self, name: str, flags: int) -> int:
        # Root must not follow a link that the folder's owner has laid.
        number = os.open(self.path / name, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._give(number)
        return number

    @contextmanager
    def locked(self) -> Iterator[Register]:
        """Hold the folder alone and give its register; who changes it saves it."""
        number = self._open(LOCK, os.O_RDWR)
        try:
            self._lock(number, "is held by a process that starts or stops its server", LOCK_SECONDS)
            yield self._read()
        finally:
            os.close(number)

    def _lock(self, number: int, what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(
                        f"{self.path} {what}, for {seconds:g} s now; it may run in another "
                        "container, where it cannot be joined."
                    ) from exc
            time.sleep(0.02)

    def _read(self) -> Register:
        try:
            kept = json.loads((self.path / "users.json").read_text())
            users = {key: ProcessId(**value) for key, value in kept["users"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Register()
        return Register({key: user for key, user in users.items() if alive(user)}, kept["sockets"])

    def save(self, register: Register) -> None:
        """Write the register; only within ``locked``."""
        number = self._open("users.json.new", os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(number, "w") as file:
            json.dump(asdict(register), file)
        os.replace(self.path / "users.json.new", self.path / "users.json")

    def version(self) -> int | None:
        """Give the major version of the data, None where there are none yet."""
        with suppress(FileNotFoundError):
            return int((self.data / "PG_VERSION").read_text().strip().partition(".")[0])
        return None

    def make_sockets(self, former: str = "") -> str:
        """Make the folder for the socket: ours alone, and fit for the path of a socket.

        ``former`` is the one that others know, and is made again. Raises OSError where it is taken.
        """
        folder = self.path / "run"
        # libpq would take a comma for the end of the first of several hosts.
        if len(os.fsencode(folder / SOCKET)) <= SOCKET_PATH_BYTES and "," not in str(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        elif os.path.basename(former).startswith(SOCKET_PREFIX):
            folder = Path(former)
            folder.mkdir(mode=0o700)
        else:
            folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=_short_temp()))
        self._give(folder)
        return str(folder)

    def drop_sockets(self, register: Register) -> None:
        """Remove the socket's folder after the server's end."""
        folder = Path(register.sockets or self.path / "run")
        if folder == self.path / "run" or folder.name.startswith(SOCKET_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
        register.sockets = ""

    def make_private(self, name: str) -> Path:
        """Make a new folder in PATH for the server's user alone."""
        folder = Path(tempfile.mkdtemp(prefix=name, dir=self.path))
        self._give(folder)
        return folder

    def write_data(self, folder: Path, name: str, text: str) -> None:
        """Write a file of the cluster for the server's user."""
        path = (folder / name).relative_to(self.path)
        number = self._open(str(path), os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(number, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def open_log(self) -> int:
        """Open the server's log for appending, locked; the caller closes the descriptor.

        The server and all its processes inherit it, and with it the lock: as long as one of
        them lives, in whatever container, nobody else gets it. StoreUnavailable then.
        """
        number = self._open(self.log.name, os.O_WRONLY | os.O_APPEND)
        try:
            self._lock(number, "is still open in a PostgreSQL server", REMAINS_SECONDS)
        except BaseException:
            os.close(number)
            raise
        return number

    def log_size(self) -> int:
        """Give the size of the server's log in bytes."""
        with suppress(OSError):
            return self.log.stat().st_size
        return 0

    def log_tail(self, start: int = 0, lines: int = 8) -> str:
        """Give the last lines that the server has logged since its log had ``start`` bytes."""
        with suppress(OSError), self.log.open("rb") as file:
            file.seek(max(start, self.log_size() - 16384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        return ""

    def trim_log(self) -> None:
        """Cut the log to its last part once it has grown too large. The server appends, so
        what it writes between the reading and the cutting is all that can be lost."""
        if self.log_size() <= LOG_MOST_BYTES:
            return
        with suppress(OSError), os.fdopen(self._open(self.log.name, os.O_RDWR), "r+b") as file:
            file.seek(-LOG_KEEP_BYTES, os.SEEK_END)
            kept = file.read().partition(b"\n")[2]
            file.truncate(0)
            file.seek(0)
            file.write(kept)


def _short_temp() -> str:
    name = f"{SOCKET_PREFIX}12345678"
    temp = tempfile.gettempdir()
    fits = len(os.fsencode(Path(temp) / name / SOCKET)) <= SOCKET_PATH_BYTES
    return temp if fits else "/tmp"
