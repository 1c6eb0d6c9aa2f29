"""The private RabbitMQ: its life, its death, and what it leaves."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pika
import pytest

from jexevents import processes
from jexevents.errors import BrokerUnavailable, ConfigError, JexError
from jexevents.tryout import broker as tryout
from jexevents.tryout import container, packages
from jexevents.tryout.private import MARK, PORT_NAMES, PrivateBroker
from tests.support import ROOT, describe, free_port, missing

STARTER = """
import sys
from pathlib import Path
from jexevents.tryout.private import PrivateBroker
from jexevents.tryout.packages import Programs
scripts, root = Path(sys.argv[2]), sys.argv[3]
broker = PrivateBroker(Path(sys.argv[1]), Programs(scripts, Path(root) if root else None, ""))
broker.start()
print(broker.uri, flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def programs(package_cache: Path) -> packages.Programs:
    try:
        return packages.installed()
    except BrokerUnavailable:
        pass
    try:
        return packages.fetched(package_cache, lambda _: None)
    except JexError as exc:
        missing("RabbitMQ", exc)


@pytest.fixture
def private(tmp_path: Path, programs: packages.Programs):
    """A private broker, not started; ended after the test."""
    broker = PrivateBroker(tmp_path / "broker", programs)
    yield broker
    broker.stop()
    assert_gone(tmp_path)


def of_folder(folder: Path) -> list:
    return processes.select(lambda pid: processes.variable(pid, MARK).startswith(str(folder)))


def assert_gone(folder: Path) -> None:
    found = of_folder(folder)
    assert not found, describe(found)


def connect(uri: str):
    return closing(pika.BlockingConnection(pika.URLParameters(uri)))


def is_open(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def put(uri: str, body: bytes) -> None:
    with connect(uri) as connection:
        channel = connection.channel()
        channel.queue_declare("kept", durable=True)
        channel.confirm_delivery()
        persistent = pika.BasicProperties(delivery_mode=2)
        channel.basic_publish("", "kept", body, persistent)


def get(uri: str) -> bytes:
    with connect(uri) as connection:
        return connection.channel().basic_get("kept", auto_ack=True)[2]


def test_a_message_outlives_restart_and_kill(private: PrivateBroker):
    private.start()
    uri = private.uri
    put(uri, b"over a restart")
    private.restart()
    assert private.uri == uri
    assert get(uri) == b"over a restart"
    put(uri, b"over a kill")
    private.kill()
    assert_gone(private.folder)
    private.start()
    assert private.uri == uri
    assert get(uri) == b"over a kill"


def test_start_and_stop_may_be_called_at_any_time(private: PrivateBroker):
    private.stop()
    private.start()
    running = set(of_folder(private.folder))
    private.start()
    assert running & set(of_folder(private.folder))
    private.stop()
    assert_gone(private.folder)
    private.stop()


def test_two_side_by_side_with_vhosts(tmp_path: Path, private: PrivateBroker, programs):
    with private, PrivateBroker(tmp_path / "an other", programs) as other:
        assert private.uri != other.uri
        first, second = private.create_vhost("a b/ü"), other.create_vhost("a b/ü")
        put(first, b"first")
        put(second, b"second")
        assert (get(first), get(second)) == (b"first", b"second")
        private.delete_vhost("a b/ü")
        private.delete_vhost("a b/ü")
        with pytest.raises(pika.exceptions.AMQPError):
            put(first, b"nowhere")
        assert "a b/ü" in other.rabbitmqctl("list_vhosts")
        # Who listens on all addresses listens on this one too.
        ports = json.loads((private.folder / "node.json").read_text())
        assert all(is_open("127.0.0.1", ports[name]) for name in PORT_NAMES)
        assert not any(is_open("127.0.0.2", ports[name]) for name in PORT_NAMES)
    assert_gone(tmp_path)


def test_what_a_killed_starter_left_is_ended_and_the_data_stay(
    tmp_path: Path, programs, monkeypatch
):
    # The blank makes a link in the temporary folder necessary, which must not stay either.
    private = PrivateBroker(tmp_path / "a broker", programs)
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temp))
    monkeypatch.setenv("TMPDIR", str(temp))
    arguments = [str(private.folder), str(programs.scripts), str(programs.root or "")]
    command = [sys.executable, "-c", STARTER, *arguments]
    pipe = subprocess.PIPE
    starter = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    try:
        uri = starter.stdout.readline().strip()
        put(uri, b"kept")
        with pytest.raises(ConfigError, match="in use by another process"):
            private.start()
    finally:
        starter.kill()
        starter.communicate()
    left = of_folder(private.folder)
    assert left
    with private:
        assert private.uri == uri
        assert not any(processes.alive(each) for each in left)
        assert get(private.uri) == b"kept"
    assert_gone(tmp_path)
    assert not list(temp.iterdir())


def test_a_path_with_blanks_and_quotes(tmp_path: Path, programs):
    elsewhere = tmp_path / 'a place\'s "own"'
    elsewhere.mkdir()
    (elsewhere / "usr").symlink_to((programs.root or Path("/")) / "usr")
    scripts = elsewhere / programs.scripts.relative_to(programs.root or "/")
    moved = packages.Programs(scripts, programs.root, "")
    with PrivateBroker(elsewhere / "no de", moved) as broker:
        put(broker.uri, b"kept")
        broker.restart()
        assert get(broker.uri) == b"kept"
        assert "jexmq" not in broker.rabbitmqctl("list_vhosts")
    assert_gone(tmp_path)


def test_a_broker_that_ends_while_starting_is_quoted(private: PrivateBroker, monkeypatch):
    bad = "no.such.setting = 1\n"
    monkeypatch.setattr("jexevents.tryout.private.SETTINGS", bad)
    with pytest.raises(BrokerUnavailable, match=r"no\.such\.setting"):
        private.start()
    assert_gone(private.folder)


def test_a_named_broker_is_taken_and_left_running(vhost: str, tmp_path: Path):
    nowhere = tmp_path / "unused"
    given = tryout.provide_broker(nowhere, uri=vhost, cache=nowhere, say=print)
    assert "guest:guest" not in given.how
    given.stop()
    put(vhost, b"still there")
    assert not nowhere.exists()


def test_a_named_broker_that_does_not_answer_is_an_error(tmp_path: Path):
    uri = f"amqp://me:secret@127.0.0.1:{free_port()}/"
    with pytest.raises(BrokerUnavailable, match="Connection refused") as caught:
        tryout.provide_broker(tmp_path, uri=uri, cache=tmp_path, say=print)
    assert "secret" not in str(caught.value)


def test_every_way_that_failed_is_named(tmp_path: Path, monkeypatch):
    def fail(*_):
        raise BrokerUnavailable("not today")

    monkeypatch.setattr(container, "start", fail)
    monkeypatch.setattr(packages, "installed", fail)
    monkeypatch.setattr(packages, "fetched", fail)
    said: list[str] = []
    with pytest.raises(BrokerUnavailable) as caught:
        tryout.provide_broker(tmp_path, uri=None, cache=tmp_path, say=said.append)
    assert str(caught.value).count("not today") == len(said) == 3
    assert "Name a RabbitMQ" in str(caught.value)


def test_no_container_engine_is_found_out_at_once(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port()}")
    with pytest.raises(BrokerUnavailable, match=r"no container engine answers|not installed"):
        container.start(lambda _: None)


def test_the_session_has_a_broker_and_each_test_a_vhost(broker, vhost: str):
    put(vhost, b"mine")
    assert get(vhost) == b"mine"
    assert not broker.makes_vhosts or vhost != broker.uri


def test_each_test_has_a_database(database: str):
    import psycopg2

    with closing(psycopg2.connect(database)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT current_database()")
        assert cursor.fetchone()[0].startswith("jexevents_test_")
