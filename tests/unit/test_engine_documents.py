"""What the engine is asked for, and what it says, without an engine."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from jexevents.engine.answers import refusal, translated
from jexevents.engine.images import Image, _with_first, pin
from jexevents.engine.pulling import lines
from jexevents.engine.references import parse
from jexevents.engine.specs import Bind, Spec, document
from jexevents.engine.states import state
from jexevents.errors import Clash, EngineRefused, EngineUnavailable, NotThere

DIGESTS = [f"sha256:{digit * 64}" for digit in "abc"]


def test_the_smallest_container() -> None:
    assert document(Spec(name="n", image="i")) == {
        "Image": "i",
        "Labels": {},
        "Env": [],
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": {
            "NetworkMode": "none",
            "Mounts": [],
            "LogConfig": {
                "Type": "local",
                "Config": {"max-size": "1t", "max-file": "2", "compress": "false"},
            },
            "Init": True,
            "AutoRemove": False,
            "RestartPolicy": {"Name": "no"},
        },
    }


def test_a_container_with_all() -> None:
    made = document(
        Spec(
            name="n",
            image="i",
            labels={"a": "b"},
            command=(),
            entrypoint=[],
            environment={"A": "1=2"},
            workdir="/w",
            user="1:2",
            binds=[Bind("/s", "/t"), Bind("/u", "/v", read_only=False)],
            memory_bytes=5,
            nano_cpus=6,
            pids=7,
            network="host",
            stop_signal="SIGINT",
        )
    )
    host = made["HostConfig"]
    assert (made["Cmd"], made["Entrypoint"], made["Env"]) == ([], [], ["A=1=2"])
    assert (made["WorkingDir"], made["User"], made["StopSignal"]) == ("/w", "1:2", "SIGINT")
    assert [one["ReadOnly"] for one in host["Mounts"]] == [True, False]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (5, 5, 6, 7)


def test_a_state_of_a_container_that_never_ran() -> None:
    found = state(
        {
            "Id": "x",
            "Name": "/n",
            "Created": "2026-11-26T09:55:15.380105432Z",
            "State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"},
        }
    )
    assert (found.name, found.started_at, found.finished_at) == ("n", None, None)
    assert found.created_at == datetime(2026, 11, 26, 9, 55, 15, 380105, timezone.utc)
    assert found.never_ran
    assert not found.ended


@pytest.mark.parametrize(
    ("reference", "digests", "expected"),
    [
        ("busybox", [], None),
        ("busybox", [f"busybox@{DIGESTS[0]}"], f"busybox@{DIGESTS[0]}"),
        ("docker.io/library/busybox:1", [f"busybox@{DIGESTS[0]}"], f"busybox@{DIGESTS[0]}"),
        ("h:1/x:2", [f"h:1/y@{DIGESTS[0]}", f"h:1/x@{DIGESTS[1]}"], f"h:1/x@{DIGESTS[1]}"),
        ("h:1/x", [f"h:2/x@{DIGESTS[0]}"], None),
        ("x", [f"<none>@{DIGESTS[0]}", f"x@{DIGESTS[1]}"], f"x@{DIGESTS[1]}"),
        (f"x@{DIGESTS[1]}", [f"x@{DIGESTS[0]}", f"x@{DIGESTS[1]}"], f"x@{DIGESTS[1]}"),
    ],
)
def test_a_pin_is_of_the_same_repository(reference, digests, expected) -> None:
    assert pin(reference, Image("sha256:0", tuple(digests), 1, None)) == expected


def test_the_digest_that_the_registry_just_named_is_the_one_that_pins() -> None:
    known = [f"x@{DIGESTS[0]}", f"x@{DIGESTS[1]}"]
    name = parse("x:1")
    assert _with_first(known, name, DIGESTS[1]) == (known[1], known[0])
    assert _with_first(known, name, None) == tuple(known)
    # One that the engine does not have for this image would pin another.
    assert _with_first(known, name, DIGESTS[2]) == tuple(known)


@given(st.lists(st.integers(0, 40)))
def test_lines_are_cut_anywhere(cuts: list[int]) -> None:
    content = b'{"a": 1}\r\n\r\n{"b": "\\n"}\n[1]\n{"c": 3}'
    places = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
    pieces = [content[a:b] for a, b in pairwise(places)]
    assert list(lines(pieces)) == [{"a": 1}, {"b": "\n"}, {"c": 3}]


@pytest.mark.parametrize("content", [b"{", b"no\n", b'{"a": ' + b"[" * 100_000 + b"\n"])
def test_a_line_that_is_no_json(content: bytes) -> None:
    with pytest.raises(EngineUnavailable, match="not JSON"):
        list(lines([content]))


def test_a_line_without_an_end() -> None:
    with pytest.raises(EngineUnavailable, match="without an end"):
        list(lines([b"x" * 65536] * 17))


def answer(status: int, content: bytes) -> requests.Response:
    made = requests.Response()
    made.status_code, made._content = status, content
    return made


@pytest.mark.parametrize(
    ("status", "content", "kind", "words"),
    [
        (404, b'{"message": "No such container:\\n x"}', NotThere, "No such container: x"),
        (409, b'{"message": "in use"}', Clash, "in use"),
        (400, b'{"message": "bad"}', EngineRefused, "bad"),
        (500, b'{"message": "unauthorized"}', EngineRefused, "unauthorized"),
        (500, b"[]", EngineRefused, "[]"),
        (500, b"", EngineRefused, "500"),
        (500, b'{"message": "' + b"x" * 9999 + b'"}', EngineRefused, "x" * 1999 + "…"),
    ],
)
def test_a_refusal_has_the_words_of_the_engine(status, content, kind, words) -> None:
    found = refusal("here", answer(status, content))
    assert (type(found), found.status, found.words) == (kind, status, words)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (503, "x"),
        (502, "x"),
        (504, "x"),
        (400, "client version 1.41 is too old. Minimum supported API version is 1.44"),
    ],
)
def test_an_engine_that_cannot_now_is_away(status: int, words: str) -> None:
    found = refusal("here", answer(status, b'{"message": "%s"}' % words.encode()))
    assert isinstance(found, EngineUnavailable)
    assert words in str(found)


def test_errors_of_ours_go_through_as_they_are() -> None:
    with pytest.raises(NotThere), translated("here"):
        raise NotThere(404, "x")
    with (
        pytest.raises(EngineUnavailable, match="here: Permission denied") as caught,
        translated("here"),
    ):
        raise requests.ConnectionError(OSError(13, "Permission denied"))
    assert "group docker" in str(caught.value)
