"""The embedded server: the first user starts it, others join, the last to leave stops it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import threading
import time
import uuid
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg2

from jexevents import processes
from jexevents.embedded.folder import Folder, Register
from jexevents.embedded.launch import Launcher
from jexevents.embedded.wheel import Programs, programs_for
from jexevents.errors import ConfigError, StoreUnavailable
from jexevents.processes import ProcessId

ROLE = DATABASE = "jexevents"
PORT = 5432
START_SECONDS, INITDB_SECONDS = 120, 300
STOP_SECONDS, QUIT_SECONDS = 30, 10
DYING_SECONDS = 1
TRIM_SECONDS = 60
PROGRAM_NAMES = ("postgres", "initdb", "sh")

# Set once, in the new cluster's postgresql.conf, where they can be edited afterwards.
SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # Values of rows and texts of statements stay out of the log: they may hold secrets.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# The socket's folder lets nobody else in; who comes through it is checked once more.
HBA = "local all all peer map=jexevents\n"


class EmbeddedPostgres:
    """PostgreSQL with its data under ``path``, which several processes may use at once.

    ``durable=False`` is for data that need not outlive a crash of the machine, such as those of
    tests: nothing waits for the disk then.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.folder = Folder(path)
        self._durable = durable
        self._key = ""
        self._owner = 0
        self._guard = threading.RLock()
        self._left = threading.Event()
        self._trimmer: threading.Thread | None = None

    def start(self) -> str:
        """Start the server or join the running one; gives the URI to connect to.

        Raises ConfigError if the folder or the wheel cannot be used, StoreUnavailable if the
        server does not come up; both say what the server said last.
        """
        with self._guard, self.folder.explained():
            self.folder.claim()
            with self.folder.locked() as register:
                sockets = self._bring_up(register)
            self._watch_log()
            return _uri(sockets)

    def is_running(self) -> bool:
        """Whether the server's process is there, be it up, coming up or about to end."""
        process, _ = self._postmaster()
        return process is not None

    def stop(self) -> None:
        """Leave the server; the last to leave stops it and waits for its end."""
        with self._guard:
            # After a fork the parent is the user, not this process.
            if not self._key or self._owner != os.getpid():
                return
            self._left.set()
            with self.folder.explained(), self.folder.locked() as register:
                register.users.pop(self._key, None)
                self._key = ""
                if not register.users:
                    self._shut_down(register)
                self.folder.save(register)
            if self._trimmer:
                self._trimmer.join()

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _enter(self, register: Register) -> None:
        me = processes.identify(os.getpid())
        if me and register.users.get(self._key) != me:
            self._key, self._owner = uuid.uuid4().hex, os.getpid()
            register.users[self._key] = me

    def _watch_log(self) -> None:
        if not (self._trimmer and self._trimmer.is_alive()):
            self._left.clear()
            self._trimmer = threading.Thread(target=self._trim, name="server-log", daemon=True)
            self._trimmer.start()

    def _trim(self) -> None:
        self.folder.trim_log()
        while not self._left.wait(TRIM_SECONDS):
            self.folder.trim_log()

    # What runs now

    def _postmaster(self) -> tuple[ProcessId | None, list[str]]:
        """Give the server's process, if it runs, and the lines of its pid file."""
        try:
            lines = (self.folder.data / "postmaster.pid").read_text().splitlines()
            process = processes.identify(int(lines[0]))
        except (OSError, ValueError, IndexError):
            return None, []
        if process and str(self.folder.data) not in processes.command_line(process.pid):
            process = None
        return process, lines

    def _join(self) -> str:
        """Give the socket's folder of a server that is up or coming up, else nothing."""
        process, lines = self._postmaster()
        if process is None:
            return ""
        if len(lines) > 7 and lines[7].strip() == "stopping":
            # Whoever stops it was killed meanwhile, or is not one of us.
            processes.wait_gone([process], STOP_SECONDS)
            return ""
        try:
            return self._wait_ready(process, self.folder.log_size())
        except StoreUnavailable:
            # It may have been about to die, killed perhaps: that is as good as dead.
            if not processes.wait_gone([process], DYING_SECONDS):
                raise
            return ""

    def _leftovers(self, folder: Path) -> list[ProcessId]:
        """List what still works in ``folder`` though its parent is gone."""
        place = str(folder)

        def works_there(pid: int) -> bool:
            words = processes.command_line(pid).split(maxsplit=1)
            # Backends are called "postgres: ..." and show no path, but work in the data.
            if not words or os.path.basename(words[0]).rstrip(":") not in PROGRAM_NAMES:
                return False
            return place in words[-1] or processes.working_folder(pid) == place

        return processes.select(works_there)

    # Up

    def _bring_up(self, register: Register) -> str:
        try:
            sockets = self._join() or self._launch(register)
            self._enter(register)
            self.folder.save(register)
            return sockets
        except BaseException:
            register.users.pop(self._key, None)
            if not register.users:
                self._shut_down(register)
            raise

    def _launch(self, register: Register) -> str:
        programs = programs_for(self.folder.version(), self.folder.data)
        # Who used the one that died, looks for this one in its place.
        former = register.sockets if register.users else ""
        self._remove_remains(register)
        if self.folder.version() is None:
            self._initialise(programs)
        log = self.folder.open_log()
        try:
            # A zombie's pid would pass for a live server; the lock on the log knows better.
            (self.folder.data / "postmaster.pid").unlink(missing_ok=True)
            register.sockets = self.folder.make_sockets(former)
            self._write_users()
            return self._spawn(programs, register.sockets, log)
        finally:
            os.close(log)

    def _remove_remains(self, register: Register) -> None:
        """Remove what killed processes left: half-made clusters, backends, the socket."""
        self.folder.trim_log()
        self.folder.drop_sockets(register)
        for half in self.folder.path.glob("data.new-*"):
            processes.end(self._leftovers(half))
            shutil.rmtree(half, ignore_errors=True)
        # A backend outlives its killed server by a moment, or by a long statement.
        processes.end(self._leftovers(self.folder.data), grace=5, first=signal.SIGQUIT)

    def _write_users(self) -> None:
        names = sorted({pwd.getpwuid(0).pw_name, self.folder.account.name})
        lines = [f"jexevents {name} {ROLE}\n" for name in names]
        self.folder.write_data(self.folder.data, "pg_ident.conf", "".join(lines))

    def _launcher(self, programs: Programs, *more: str) -> Launcher:
        account = self.folder.account
        reach = (Path(programs.path("postgres")), programs.root / "share", self.folder.path)
        return Launcher(account, self.folder.path, reach + tuple(Path(each) for each in more))

    def _initialise(self, programs: Programs) -> None:
        fresh = self.folder.make_private("data.new-")
        try:
            self._initdb(programs, fresh)
            self.folder.write_data(fresh, "pg_hba.conf", HBA)
            fresh.rename(self.folder.data)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _initdb(self, programs: Programs, fresh: Path) -> None:
        argv = [programs.path("initdb"), "-D", str(fresh), "-U", ROLE, "--encoding=UTF8"]
        argv += ["--locale=C", "--auth=peer", "--data-checksums", "--no-instructions"]
        if programs.version >= 17:
            argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        for name, value in SETTINGS.items():
            argv += ["--set", f"{name}={value}"]
        code, said = self._launcher(programs).run(argv, INITDB_SECONDS)
        if code != 0:
            tail = "\n".join(said.splitlines()[-8:])
            raise StoreUnavailable(
                f"PostgreSQL could not make its data in {self.folder.path}:\n{tail}"
            )

    def _spawn(self, programs: Programs, sockets: str, log: int) -> str:
        argv = [programs.path("postgres"), "-D", str(self.folder.data)]
        forced = {
            "port": str(PORT),
            "listen_addresses": "",
            "unix_socket_directories": '"' + sockets.replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            "fsync": "on" if self._durable else "off",
            "synchronous_commit": "on",
        }
        for name, value in forced.items():
            argv += ["-c", f"{name}={value}"]
        start = self.folder.log_size()
        process = self._launcher(programs, sockets).spawn(argv, log)
        return self._wait_ready(process, start)

    def _wait_ready(self, process: ProcessId | None, log_start: int) -> str:
        deadline = time.monotonic() + START_SECONDS
        while processes.alive(process):
            running, lines = self._postmaster()
            if running == process and len(lines) > 7 and lines[7].strip() == "ready":
                self._make_database(lines[4].strip())
                return lines[4].strip()
            if time.monotonic() > deadline:
                raise self._failed(f"is not ready after {START_SECONDS} s", log_start)
            time.sleep(processes.POLL_SECONDS)
        raise self._failed("ended while starting", log_start)

    def _failed(self, what: str, log_start: int) -> StoreUnavailable | ConfigError:
        tail = self.folder.log_tail(log_start)
        message = f"PostgreSQL in {self.folder.path} {what}; its log says:\n{tail}"
        if "wrong ownership" in tail:
            account = self.folder.account
            remedy = f"Run: chown -R {account.name} {self.folder.path}"
            return ConfigError(message, remedy=remedy)
        return StoreUnavailable(message)

    def _make_database(self, sockets: str) -> None:
        try:
            with closing(psycopg2.connect(_uri(sockets, "postgres"))) as connection:
                connection.autocommit = True
                cursor = connection.cursor()
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if not cursor.fetchone():
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg2.Error as exc:
            raise StoreUnavailable(
                f"PostgreSQL in {self.folder.path} runs but refuses us: {exc}"
            ) from exc

    # Down

    def _shut_down(self, register: Register) -> None:
        process, _ = self._postmaster()
        if process:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGINT)
            if not processes.wait_gone([process], STOP_SECONDS):
                processes.end([process], grace=QUIT_SECONDS, first=signal.SIGQUIT)
        self.folder.drop_sockets(register)


def _uri(sockets: str, database: str = DATABASE) -> str:
    return f"postgresql://{ROLE}@/{database}?host={quote(sockets, safe='')}&port={PORT}"
