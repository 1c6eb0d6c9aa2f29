"""The container engine: a real one is asked, used, and found missing."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jexevents.engine.client import Engine
from jexevents.engine.containers import Containers, LogStream
from jexevents.engine.frames import Frame
from jexevents.engine.specs import Bind
from jexevents.errors import Clash, EngineRefused, EngineUnavailable, NotThere
from jexevents.tryout.dockerd import PrivateEngine
from jexevents.tryout.enginepackages import Programs
from tests.engine import TestEngine, base_folder
from tests.integration.certificates import make_certificate
from tests.support import free_port, unique, wait_until

MIB = 1 << 20


@pytest.fixture(autouse=True)
def no_containers_left(engine: TestEngine):
    yield
    for one in engine.containers.of_label(engine.labels):
        engine.containers.remove(one.id, force=True)


def output(engine: TestEngine, container: str) -> bytes:
    return b"".join(frame.data for frame in engine.containers.follow_to_end(container))


# The engine itself


def test_an_engine_says_what_it_is(engine: TestEngine) -> None:
    engine.client.ping()
    about = engine.client.about()
    assert about.id
    assert about.os == "linux"
    assert tuple(map(int, about.api_version.split("."))) >= (1, 24)
    assert about.cpus >= 1
    assert about.memory_bytes > 64 * MIB


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("unix:///nowhere/docker.sock", "No such file"),
        ("tcp://127.0.0.1:{port}", "Connection refused"),
        ("nonsense://x", "nonsense://x is no address"),
        ("tcp://127.0.0.1", "unix:///PATH"),
        ("tcp://127.0.0.1:port", "is no address"),
        ("tcp://somebody:secret@127.0.0.1:{port}", "without a password"),
    ],
)
def test_no_engine_is_said_at_once(url: str, words: str) -> None:
    missing = Engine(url.format(port=free_port()), connect_seconds=5)
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable, match=words) as caught:
        missing.ping()
    assert time.monotonic() - begun < 4
    assert "secret" not in str(caught.value)


def test_the_default_is_what_dockers_own_tools_use(
    engine: TestEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if engine.url is None:
        pytest.skip("the tests' engine is the default itself")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    assert Engine().about().id == engine.client.about().id
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    with pytest.raises(EngineUnavailable, match="unix:///nowhere"):
        Engine().ping()
    assert Engine(engine.url).about().id == engine.client.about().id

    monkeypatch.delenv("DOCKER_HOST")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "there"}))
    meta = tmp_path / "contexts/meta" / hashlib.sha256(b"there").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    context = {"Name": "there", "Metadata": {}, "Endpoints": {"docker": {"Host": engine.url}}}
    meta.write_text(json.dumps(context))
    assert Engine().about().id == engine.client.about().id


def test_a_config_file_that_cannot_be_read_is_said(
    engine: TestEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"x": {"auth": "%%%"}}}))
    with pytest.raises(EngineUnavailable, match="config file cannot be used"):
        Engine(engine.url).ping()


def test_an_engine_by_tls(
    engine_programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = make_certificate(tmp_path)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        source = made.key if name == "key.pem" else made.cert
        if not (tmp_path / name).exists():
            (tmp_path / name).write_bytes(source.read_bytes())
    url = f"tcp://127.0.0.1:{free_port()}"
    keys = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
    settings = {name: str(tmp_path / file) for name, file in keys.items()}
    base = base_folder(engine_programs)
    private = PrivateEngine(base / "tls", engine_programs, {**settings, "tlsverify": True})
    private._more["hosts"] = [private.url, url]
    with private:
        with pytest.raises(EngineUnavailable):
            Engine(url).ping()
        # requests would take these over what it is told.
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
        assert Engine(url).about().id == Engine(private.url).about().id


def test_one_that_takes_connections_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(EngineUnavailable, match="no answer in time") as caught:
            Engine(f"tcp://127.0.0.1:{silent.getsockname()[1]}", connect_seconds=0.3).ping()
        assert caught.value.timed_out
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("said", [b"HTTP/1.0 200 OK\r\n\r\nhello", b"SSH-2.0-x\r\n", b""])
def test_one_that_is_no_engine(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=_say, args=(other, said), daemon=True).start()
        with pytest.raises(EngineUnavailable):
            Engine(f"tcp://127.0.0.1:{other.getsockname()[1]}").ping()


def _say(listener: socket.socket, said: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(said)


def test_many_threads_use_one(engine: TestEngine, image: str) -> None:
    def one(number: int) -> tuple[int, bytes, int]:
        made = engine.run(image, "sh", "-c", f"printf {number}; exit {number}")
        said = output(engine, made)
        code = engine.containers.inspect(made).exit_code
        engine.containers.remove(made)
        return number, said, code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(24)))
    assert found == [(number, b"%d" % number, number) for number in range(24)]


# Containers


def test_the_life_of_a_container(engine: TestEngine, image: str) -> None:
    begun = datetime.now(timezone.utc) - timedelta(seconds=1)
    containers, name = engine.containers, unique("jexevents")
    spec = engine.spec(image, "sh", "-c", "sleep 100; exit 3", name=name, labels={"a": "b"})
    made = containers.create(spec)
    new = containers.inspect(name)
    assert (new.id, new.name, new.status, new.never_ran) == (made, name, "created", True)
    assert new.started_at is None
    assert new.finished_at is None
    assert new.image_id == engine.images.find(image).id
    assert new.labels["a"] == "b"
    with pytest.raises(Clash, match="in use"):
        containers.create(spec)
    with pytest.raises(Clash, match="not running"):
        containers.kill(made)

    containers.start(made)
    containers.start(made)
    runs = containers.inspect(made)
    assert (runs.status, runs.paused, runs.ended) == ("running", False, False)
    assert runs.pid > 0
    assert begun < runs.created_at <= runs.started_at < datetime.now(timezone.utc)
    with pytest.raises(Clash):
        containers.remove(made)

    containers.pause(made)
    assert containers.inspect(made).paused
    with pytest.raises(EngineRefused, match="already paused"):
        containers.pause(made)
    containers.unpause(made)
    with pytest.raises(EngineRefused, match="not paused"):
        containers.unpause(made)

    containers.kill(made, "SIGKILL")
    ended = engine.wait_ended(made)
    assert (ended.status, ended.exit_code, ended.oom_killed) == ("exited", 137, False)
    assert ended.finished_at >= ended.started_at
    containers.remove(made)
    for gone in (containers.inspect, containers.start, containers.kill, containers.remove):
        with pytest.raises(NotThere, match="No such container"):
            gone(made)


def test_a_signal_comes_to_the_program(engine: TestEngine, image: str) -> None:
    script = "trap 'printf caught; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
    made = engine.run(image, "sh", "-c", script)
    frames = iter(engine.containers.follow_to_end(made))
    assert next(frames).data == b"ready\n"
    engine.containers.kill(made, "SIGTERM")
    assert [frame.data for frame in frames] == [b"caught"]
    assert engine.containers.inspect(made).exit_code == 7


def test_all_that_a_container_is_told(engine: TestEngine, image: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir(mode=0o777)
    (tmp_path / "out").chmod(0o777)
    (tmp_path / "in/file").write_text("content")
    script = (
        'echo "$A|$B|$(pwd)|$(id -u)|$(cat /in/file)|$0|$1"; echo x > /out/made; '
        "touch /in/new 2>&1; ls /sys/class/net"
    )
    made = engine.run(
        image,
        "first",
        entrypoint=["sh", "-c", script, "zeroth"],
        environment={"A": "1 2=3", "B": ""},
        workdir="/tmp",
        user="1000",
        binds=[
            Bind(str(tmp_path / "in"), "/in"),
            Bind(str(tmp_path / "out"), "/out", read_only=False),
        ],
        memory_bytes=64 * MIB,
        nano_cpus=500_000_000,
        pids=50,
    )
    said = output(engine, made).decode()
    assert said.startswith("1 2=3||/tmp|1000|content|zeroth|first\n")
    assert "Read-only file system" in said
    assert said.endswith("lo\n")
    assert (tmp_path / "out/made").read_text() == "x\n"
    with engine.opened() as library:
        host = library.api.inspect_container(made)["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 * MIB, 500_000_000, 50)
    assert host["LogConfig"]["Type"] == "local"
    assert not host["AutoRemove"]


def test_what_the_image_says_holds_where_nothing_else_is_said(
    engine: TestEngine, busybox: bytes
) -> None:
    changes = ('ENTRYPOINT ["echo", "in"]', 'CMD ["out"]', "USER guest")
    image = engine.import_image(busybox, changes=changes)
    assert output(engine, engine.run(image)) == b"in out\n"
    assert output(engine, engine.run(image, "other")) == b"in other\n"
    assert output(engine, engine.run(image, "id", "-u", entrypoint=[])) == b"1000\n"


def test_what_the_engine_will_not_do(engine: TestEngine, image: str) -> None:
    with pytest.raises(NotThere, match="No such image"):
        engine.run("jexevents/no-such-image")
    with pytest.raises(EngineRefused, match="does not exist") as caught:
        engine.run(image, "true", binds=[Bind("/no/such/folder", "/x")])
    assert caught.value.status == 400
    with pytest.raises(EngineRefused, match=r"network .* not found"):
        engine.run(image, "true", network="no-such-network")


def test_a_program_that_is_not_there_is_127(engine: TestEngine, image: str) -> None:
    made = engine.run(image, "no-such-program")
    assert b"no-such-program" in output(engine, made)
    assert engine.containers.inspect(made).exit_code == 127


def test_out_of_memory_is_said(engine: TestEngine, image: str) -> None:
    greedy = "head -c 50000000 /dev/zero | tail"
    made = engine.run(image, "sh", "-c", greedy, memory_bytes=8 * MIB)
    assert engine.wait_ended(made).oom_killed


def test_containers_are_found_by_their_labels(engine: TestEngine, image: str) -> None:
    mark = unique("mark")
    first = engine.containers.create(engine.spec(image, "true", labels={"m": mark, "n": "1"}))
    second = engine.run(image, "true", labels={"m": mark, "n": "2"})
    engine.wait_ended(second)
    of_label = engine.containers.of_label
    assert {one.id for one in of_label({"m": mark})} == {first, second}
    (found,) = of_label({"m": mark, "n": "2"})
    assert (found.id, found.status, found.labels["n"]) == (second, "exited", "2")
    assert of_label({"m": mark, "n": "3"}) == []
    assert {first, second} <= {one.id for one in of_label({"m": None})}


# Logs


def test_bytes_come_back_as_they_were(engine: TestEngine, image: str, tmp_path: Path) -> None:
    script = "for n in 1 2; do head -c 300017 /dev/urandom | tee /out/$n >&$n; done"
    out = Bind(str(tmp_path), "/out", read_only=False)
    made = engine.run(image, "sh", "-c", script, binds=[out])
    frames = list(engine.containers.follow_to_end(made))
    for number, stream in ((1, "stdout"), (2, "stderr")):
        said = b"".join(frame.data for frame in frames if frame.stream == stream)
        assert said == (tmp_path / str(number)).read_bytes()
    assert all(abs(frame.time_ns / 1e9 - time.time()) < 120 for frame in frames)


def test_nothing_is_nothing(engine: TestEngine, image: str) -> None:
    assert list(engine.containers.follow_to_end(engine.run(image, "true"))) == []
    assert output(engine, engine.run(image, "echo")) == b"\n"


def test_the_last_words_of_a_hundred_containers(engine: TestEngine, image: str) -> None:
    def one(number: int) -> tuple[bytes, bytes]:
        script = f"echo a; printf 'end {number}'; printf 'fault {number}' >&2"
        made = engine.run(image, "sh", "-c", script, network="host")
        frames = list(engine.containers.follow_to_end(made))
        engine.containers.remove(made)
        return tuple(
            b"".join(frame.data for frame in frames if frame.stream == stream)
            for stream in ("stdout", "stderr")
        )

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, range(100)))
    assert found == [(b"a\nend %d" % n, b"fault %d" % n) for n in range(100)]


def test_fifty_megabytes(engine: TestEngine, image: str, tmp_path: Path) -> None:
    script = "head -c 50000000 /dev/urandom | tee /out/file"
    out = Bind(str(tmp_path), "/out", read_only=False)
    made = engine.run(image, "sh", "-c", script, binds=[out])
    found, size = hashlib.md5(), 0
    for frame in engine.containers.follow_to_end(made):
        found.update(frame.data)
        size += len(frame.data)
    assert size == 50_000_000
    assert found.digest() == hashlib.md5((tmp_path / "file").read_bytes()).digest()


def test_a_reading_from_a_time_on(engine: TestEngine, image: str) -> None:
    made = engine.run(image, "sh", "-c", "echo a; sleep 0.1; echo b; sleep 0.1; echo c")
    all_of_it = list(engine.containers.follow_to_end(made))
    middle = all_of_it[1].time_ns
    said = engine.containers.logs(made, middle, follow=False)
    assert [frame.data for frame in said] == [b"b\n", b"c\n"]
    after = engine.containers.logs(made, middle + 1, follow=False)
    assert [frame.data for frame in after] == [b"c\n"]


@pytest.mark.parametrize("way", ["logs", "follow_to_end"])
def test_a_reading_is_closed_by_another_thread(engine: TestEngine, image: str, way: str) -> None:
    made = engine.run(image, "sh", "-c", "echo a; sleep 100")
    reading = getattr(engine.containers, way)(made)
    found = []
    reader = threading.Thread(target=lambda: found.extend(reading))
    reader.start()
    wait_until(lambda: found, 20, "the first frame")
    reading.close()
    reading.close()
    reader.join(5)
    assert not reader.is_alive()
    assert [frame.data for frame in found] == [b"a\n"]
    # Its connection was closed as well, and the engine is asked by others.
    assert engine.containers.inspect(made).status == "running"


def test_a_reading_that_was_closed_before_it_began(engine: TestEngine, image: str) -> None:
    made = engine.run(image, "sh", "-c", "echo a; sleep 100")
    for reading in (engine.containers.logs(made), engine.containers.follow_to_end(made)):
        reading.close()
        assert list(reading) == []


class Watched(Containers):
    """The engine's containers; how each log is asked for is noted, and the first is cut short."""

    def __init__(self, engine: Engine, cut: int | None = None) -> None:
        super().__init__(engine)
        self.asked: list[float | None] = []
        self._cut = cut

    def logs(self, *args: object, **members: object) -> LogStream:
        self.asked.append(members["silent_seconds"])
        stream = super().logs(*args, **members)
        return Cut(stream, self._cut) if self._cut and len(self.asked) == 1 else stream


class Cut:
    """A log whose first message is cut, and which ends there."""

    def __init__(self, stream: LogStream, size: int) -> None:
        self._stream = stream
        self._size = size

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._stream:
            yield frame._replace(data=frame.data[: self._size])
            return

    def close(self) -> None:
        self._stream.close()


def test_a_silent_container_is_asked_for_again(engine: TestEngine, image: str) -> None:
    # The engine keeps what has no newline until there is more of it.
    script = "echo a; sleep 3; echo b >&2; sleep 0.5; printf c"
    made = engine.run(image, "sh", "-c", script)
    wait_until(lambda: list(engine.containers.logs(made, follow=False)), 20, "the first line")
    watched = Watched(engine.client)
    follower = watched.follow_to_end(made, silent_seconds=0.2)
    assert [frame.data for frame in follower] == [b"a\n", b"b\n", b"c"]
    # Twice as long each time; the last reading does not follow.
    assert watched.asked[:3] == [0.2, 0.4, 0.8]
    assert watched.asked[-1] is None


def test_a_log_that_says_nothing_has_a_bound(engine: TestEngine, image: str) -> None:
    made = engine.run(image, "sleep", "100")
    with pytest.raises(EngineUnavailable) as caught:
        list(engine.containers.logs(made, silent_seconds=0.2))
    assert caught.value.timed_out


def test_a_message_that_was_cut_is_given_on_from_there(engine: TestEngine, image: str) -> None:
    made = engine.run(image, "sh", "-c", "echo abcdef; echo g")
    engine.wait_ended(made)
    watched = Watched(engine.client, cut=3)
    # As if it had run when it was looked at first.
    follower = watched.follow_to_end(made)
    frames = [*follower._read(follow=True), *follower]
    assert [frame.data for frame in frames] == [b"abc", b"def\n", b"g\n"]


def test_a_follower_that_is_told_to_look(engine: TestEngine, image: str) -> None:
    made = engine.run(image, "sh", "-c", "echo a; while [ ! -e /go ]; do sleep 0.1; done; echo b")
    follower = engine.containers.follow_to_end(made)
    frames = iter(follower)
    assert next(frames).data == b"a\n"
    follower.look()
    with engine.opened() as library:
        library.containers.get(made).exec_run(["touch", "/go"])
    assert [frame.data for frame in frames] == [b"b\n"]


def test_a_container_that_is_removed_while_it_is_read(engine: TestEngine, image: str) -> None:
    made = engine.run(image, "sh", "-c", "echo a; sleep 100")
    frames = iter(engine.containers.follow_to_end(made))
    assert next(frames).data == b"a\n"
    engine.containers.remove(made, force=True)
    with pytest.raises(NotThere):
        list(frames)


def test_a_log_of_a_container_that_never_was(engine: TestEngine) -> None:
    with pytest.raises(NotThere):
        list(engine.containers.follow_to_end("no-such-container"))
    with pytest.raises(NotThere):
        list(engine.containers.logs("../images/json"))


def test_a_container_that_is_not_started_yet_is_waited_for(engine: TestEngine, image: str) -> None:
    made = engine.containers.create(engine.spec(image, "echo", "a"))
    found = []
    reader = threading.Thread(target=lambda: found.extend(engine.containers.follow_to_end(made)))
    reader.start()
    reader.join(1)
    assert reader.is_alive()
    engine.containers.start(made)
    reader.join(20)
    assert [frame.data for frame in found] == [b"a\n"]


def test_a_paused_container_is_killed(engine: TestEngine, image: str) -> None:
    made = engine.run(image, "sleep", "100")
    engine.containers.pause(made)
    engine.containers.kill(made)
    assert engine.wait_ended(made).exit_code == 137


def test_a_paused_container_is_removed_by_force(engine: TestEngine, image: str) -> None:
    made = engine.run(image, "sleep", "100")
    engine.containers.pause(made)
    engine.containers.remove(made, force=True)
    with pytest.raises(NotThere):
        engine.containers.inspect(made)
