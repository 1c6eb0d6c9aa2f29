"""Images of a real engine, pulled from a real registry, and pulls that come to nothing."""

from __future__ import annotations

import base64
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jexevents.engine.images import Image, pin
from jexevents.errors import (
    EngineRefused,
    EngineUnavailable,
    JexError,
    Malformed,
    NotThere,
    PullEnded,
)
from tests.engine import PASSWORD, USER, Registry, TestEngine
from tests.support import free_port, unique, wait_until

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def docker_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Docker's config file, which does not exist yet and is the only one."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder / "config.json"


@pytest.fixture
def own_registry(engine_programs, tmp_path: Path) -> Iterator[Registry]:
    """A registry that the test may stop."""
    found = Registry(tmp_path / "registry", engine_programs)
    found.start()
    yield found
    found.signal(signal.SIGCONT)
    found.stop()


@pytest.fixture
def pushed(engine: TestEngine, image: str, registry: Registry) -> tuple[str, str]:
    """An image in the registry: its name and digest."""
    return registry.push(engine, image, f"{unique('tool')}:1.0")


def credentials(registry: Registry, password: str) -> str:
    known = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return json.dumps({"auths": {registry.host: {"auth": known}}})


def test_an_image_that_exists_here_only(engine: TestEngine, image: str) -> None:
    found = engine.images.find(image)
    assert found.id.startswith("sha256:")
    assert found.size_bytes > 100_000
    assert abs(found.created.timestamp() - time.time()) < 3600
    # The same image may have been pushed by another test, under a name of that test.
    repository = image.partition(":")[0]
    assert not [name for name in found.digests if name.startswith(repository)]
    assert pin(image, found) is None
    assert engine.images.find(found.id) == found
    assert engine.images.find(image.removesuffix(":latest")) == found


def test_an_image_that_is_not_there(engine: TestEngine) -> None:
    assert engine.images.find("jexevents/no-such-image") is None
    assert engine.images.find(f"jexevents/no-such-image@{DIGEST}") is None
    assert engine.images.find(DIGEST) is None
    for bad in ("", "No Name", "../containers/json"):
        with pytest.raises(Malformed):
            engine.images.find(bad)
    with pytest.raises(NotThere):
        engine.images.remove("jexevents/no-such-image")


def test_a_pull_from_the_first_byte_to_the_pin(
    engine: TestEngine, busybox: bytes, registry: Registry
) -> None:
    # A layer that the engine has is not pulled, so this one is a new one.
    fresh = engine.import_image(busybox + bytes(512 * 20), changes=[f"ENV A={unique('a')}"])
    name, digest = registry.push(engine, fresh, f"{unique('tool')}:1.0")
    engine.images.remove(fresh)
    assert engine.images.find(name) is None
    seen: list[dict] = []
    found = engine.images.pull(name, seen.append)
    pinned = f"{name.removesuffix(':1.0')}@{digest}"
    assert found.digests[0] == pinned
    assert pin(name, found) == pinned
    assert engine.images.find(name).id == engine.images.find(pinned).id == found.id
    ((layer, last),) = seen[-1]["layers"].items()
    assert last["status"] == "Pull complete"
    assert last["current"] == last["total"] == seen[-1]["total"] > 100_000
    assert all(len(one["layers"]) == 1 and layer in one["layers"] for one in seen)

    # By its digest, after all is gone.
    engine.images.remove(found.id, force=True)
    engine.keep_book(pinned)
    assert engine.images.pull(pinned).id == found.id
    assert engine.images.find(name) is None


def test_a_pull_of_what_is_there_already(engine: TestEngine, pushed) -> None:
    name, digest = pushed
    first = engine.images.pull(name)
    assert engine.images.pull(name) == first
    assert pin(name, first).endswith(digest)


def test_a_tag_that_was_moved_is_pulled_again_and_pinned_anew(
    engine: TestEngine, busybox: bytes, registry: Registry, pushed
) -> None:
    name, digest = pushed
    first = engine.images.pull(name)
    other = engine.import_image(busybox, changes=[f"ENV B={unique('b')}"])
    engine.images.remove(name)
    again, moved = registry.push(engine, other, name.partition("/")[2])
    second = engine.images.pull(again)
    assert digest != moved
    assert first.id != second.id
    assert pin(name, second).endswith(moved)


@pytest.mark.parametrize(
    ("part", "words"),
    [("{host}/no-such:1", "manifest unknown"), ("{name}-other", "manifest unknown"),
     ("{bare}@" + DIGEST, "manifest unknown")],
)  # fmt: skip
def test_what_the_registry_does_not_have(
    engine: TestEngine, registry: Registry, pushed, part: str, words: str
) -> None:
    name, _ = pushed
    asked = part.format(host=registry.host, name=name, bare=name.removesuffix(":1.0"))
    with pytest.raises(NotThere, match=words):
        engine.images.pull(asked)


def test_a_registry_that_is_not_there(engine: TestEngine) -> None:
    with pytest.raises(EngineRefused, match="connection refused") as caught:
        engine.images.pull(f"127.0.0.1:{free_port()}/tool")
    assert caught.value.status == 500


def test_credentials_are_those_of_dockers_config_file_as_it_is_now(
    engine: TestEngine, image: str, secured_registry: Registry, docker_config: Path
) -> None:
    name, digest = secured_registry.push(engine, image, f"{unique('tool')}:1.0")
    with pytest.raises(EngineRefused, match="no basic auth credentials"):
        engine.images.pull(name)
    docker_config.write_text(credentials(secured_registry, "wrong"))
    with pytest.raises(EngineRefused, match="unauthorized"):
        engine.images.pull(name)
    docker_config.write_text(credentials(secured_registry, PASSWORD))
    assert pin(name, engine.images.pull(name)).endswith(digest)


def test_a_config_file_that_cannot_be_used_is_said(
    engine: TestEngine, pushed, docker_config: Path
) -> None:
    docker_config.write_text(json.dumps({"auths": {"x": {"auth": "%%%"}}}))
    with pytest.raises(EngineUnavailable, match="config file cannot be used"):
        engine.images.pull(pushed[0])


def test_an_image_that_was_damaged_in_the_registry(
    engine: TestEngine, busybox: bytes, own_registry: Registry
) -> None:
    fresh = engine.import_image(busybox + bytes(512 * 30), changes=[f"ENV A={unique('a')}"])
    name, _ = own_registry.push(engine, fresh, f"{unique('tool')}:1.0")
    engine.images.remove(fresh)
    blobs = [one for one in own_registry.folder.rglob("data") if one.is_file()]
    layer = max(blobs, key=lambda one: one.stat().st_size)
    content = bytearray(layer.read_bytes())
    content[len(content) // 2] ^= 0xFF
    layer.write_bytes(content)
    with pytest.raises(EngineRefused) as caught:
        engine.images.pull(name)
    # The pull had begun well: the answer itself has no fault.
    assert caught.value.status == 200
    assert caught.value.words
    assert engine.images.find(name) is None


# A pull has an end


def pull_aside(engine: TestEngine, name: str, stop: threading.Event, **bounds: float) -> list:
    """Pull in a thread; gives the list that its outcome will be put into."""
    found: list[Image | BaseException] = []

    def pull() -> None:
        try:
            found.append(engine.images.pull(name, stop=stop, **bounds))
        except JexError as exc:
            found.append(exc)

    threading.Thread(target=pull, daemon=True).start()
    return found


@pytest.fixture
def hanging() -> Iterator[tuple[str, threading.Event]]:
    """The name of an image in a registry that takes connections and says nothing; and an event,
    set when the engine has asked it."""
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            held = []
            try:
                while True:
                    held.append(listener.accept())
                    asked.set()
            except OSError:
                for connection, _ in held:
                    connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}/tool", asked
        listener.shutdown(socket.SHUT_RDWR)


def test_a_pull_is_stopped(engine: TestEngine, hanging) -> None:
    name, asked = hanging
    stop = threading.Event()
    found = pull_aside(engine, name, stop)
    assert asked.wait(20)
    begun = time.monotonic()
    stop.set()
    wait_until(lambda: found, 5, "the end of the pull")
    assert time.monotonic() - begun < 3
    assert isinstance(found[0], PullEnded)
    assert found[0].reason == "stopped"


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ({"idle_seconds": 0.5, "whole_seconds": 60}, "silent"),
        ({"idle_seconds": 60, "whole_seconds": 0.5}, "too long"),
    ],
)
def test_a_pull_that_hangs_has_an_end(engine: TestEngine, hanging, bounds, reason) -> None:
    found = pull_aside(engine, hanging[0], threading.Event(), **bounds)
    wait_until(lambda: found, 20, "the end of the pull")
    assert isinstance(found[0], PullEnded), found
    assert found[0].reason == reason


def test_a_pull_whose_engine_is_killed(own_engine: TestEngine, hanging) -> None:
    name, asked = hanging
    found = pull_aside(own_engine, name, threading.Event())
    assert asked.wait(20)
    own_engine.private.kill()
    wait_until(lambda: found, 20, "the end of the pull")
    assert isinstance(found[0], EngineUnavailable), found
    own_engine.private.start()
    assert own_engine.images.find(name) is None
