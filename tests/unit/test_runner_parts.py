"""The pure parts of the runner: masking, JSON, stopwatch, endings, and what a spec refuses."""

from __future__ import annotations

import json
import signal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.runner.spec import Spec
from jexevents.runner.supervisor.ending import Ending
from jexevents.runner.supervisor.jsontext import dumps
from jexevents.runner.supervisor.masking import Mask, mask_text
from jexevents.runner.supervisor.spec import unpacked
from jexevents.runner.supervisor.stopwatch import Stopwatch

# Few letters, so that secrets overlap, repeat, and begin without an end.
LETTERS = st.sampled_from([b"a", b"b", b"c", b"\xff"])
WORDS = st.lists(LETTERS, min_size=1, max_size=6).map(b"".join)
CHUNKS = st.lists(st.lists(LETTERS, max_size=12).map(b"".join), max_size=12)


def plainly_masked(secrets: list[bytes], text: bytes) -> bytes:
    """As it is promised, said in another way: each byte that is in a secret is covered, and secrets
    that share a byte are one mask."""
    runs: list[list[int]] = []
    for start in range(len(text)):
        ends = [start + len(each) for each in secrets if text.startswith(each, start)]
        if ends and runs and start < runs[-1][1]:
            runs[-1][1] = max(runs[-1][1], *ends)
        elif ends:
            runs.append([start, max(ends)])
    out, at = b"", 0
    for start, end in runs:
        out, at = out + text[at:start] + b"***", end
    return out + text[at:]


@given(st.lists(WORDS, min_size=1, max_size=4), CHUNKS)
def test_masking_does_not_depend_on_the_reads(secrets: list[bytes], chunks: list[bytes]) -> None:
    mask = Mask(secrets)
    masked = b"".join([*map(mask.feed, chunks), mask.finish()])
    assert masked == plainly_masked(secrets, b"".join(chunks))


@given(st.lists(WORDS, min_size=1, max_size=4), CHUNKS)
def test_only_the_beginning_of_a_secret_is_held_back(secrets, chunks) -> None:
    mask, given_out, came = Mask(secrets), b"", b""
    for chunk in chunks:
        given_out, came = given_out + mask.feed(chunk), came + chunk
        held = len(mask._held)
        assert held < max(map(len, secrets))
        tail = came[len(came) - held :]
        assert not held or any(each.startswith(tail) for each in secrets)


def test_masking_of_much_that_repeats_is_bounded() -> None:
    mask = Mask([b"a" * 100])
    masked = b"".join(mask.feed(b"a" * 1000) for _ in range(50)) + mask.finish()
    assert masked == b"***"


def test_without_secrets_a_text_stays() -> None:
    assert mask_text("as it was \udcff", []) == "as it was \udcff"
    assert mask_text("a \udcff b", ["\udcff".encode("utf-8", "surrogateescape")]) == "a *** b"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_json_is_json(value: object) -> None:
    text = dumps(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert "\n" not in text


def test_json_refuses_the_rest() -> None:
    with pytest.raises(TypeError, match="set cannot be written"):
        dumps({"a": {1}})


def test_stopwatch_leaves_out_what_was_stopped() -> None:
    watch = Stopwatch(100.0)
    assert watch.due(10.0) == 110.0
    watch.stop(104.0)
    watch.stop(150.0)
    assert (watch.seconds(500.0), watch.due(10.0)) == (4.0, None)
    watch.go_on(500.0)
    watch.go_on(501.0)
    assert (watch.seconds(502.0), watch.due(10.0), watch.due(None)) == (6.0, 506.0, None)


@pytest.mark.parametrize(
    ("asked", "status", "reason", "event", "cause"),
    [
        ([], 0, "exit", "complete", "exit 0"),
        ([], 3 << 8, "exit", "fail", "exit 3"),
        ([], signal.SIGSEGV | 0x80, "signal", "fail", "signal 11 (SIGSEGV)"),
        (["terminated"], 0, "terminated", "fail", "exit 0"),
        (["terminated", "killed"], 9, "killed", "fail", "signal 9 (SIGKILL)"),
        (["killed", "terminated"], 9, "killed", "fail", "signal 9 (SIGKILL)"),
        (
            ["time-out", "killed"],
            9,
            "time-out",
            "time-out",
            "it had run for 2.5 s; signal 9 (SIGKILL)",
        ),
        (["terminated", "time-out"], 0, "time-out", "time-out", "it had run for 2.5 s; exit 0"),
    ],
)
def test_endings(asked, status, reason, event, cause) -> None:
    ending = Ending()
    for each in asked:
        ending.ask(each)
    ending.status(status)
    assert (ending.reason, ending.event, ending.cause(2.5)) == (reason, event, cause)


def test_the_end_says_why_it_was_asked_for() -> None:
    ending = Ending()
    ending.ask("terminated")
    ending.why = "no more"
    ending.status(signal.SIGTERM)
    assert ending.cause(None) == "no more; signal 15 (SIGTERM)"
    ending.why = "It was given up."
    assert ending.cause(None) == "It was given up; signal 15 (SIGTERM)"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "either argv or command"),
        ({"argv": ["a"], "command": "a"}, "either argv or command"),
        ({"argv": []}, "names a program first"),
        ({"command": "a\0b"}, "no text has a NUL"),
        ({"command": "a", "env": {"A": "\0"}}, "no text has a NUL"),
        ({"command": "a", "env": {"A=B": ""}}, "no ="),
        ({"command": "a", "cwd": "here"}, "absolute"),
        ({"command": "a", "timeout_seconds": 0}, "timeout_seconds"),
        ({"command": "a", "timeout_seconds": float("nan")}, "timeout_seconds"),
        ({"command": "a", "grace_seconds": -1}, "grace_seconds"),
        ({"command": "a", "max_output_bytes": -1}, "max_output_bytes"),
        ({"command": "a", "umask": 0o1000}, "umask"),
    ],
)
def test_a_spec_says_what_is_wrong_with_it(members, said) -> None:
    with pytest.raises(ValueError, match=said):
        Spec(uuid4(), **members)


@pytest.mark.parametrize("raw", [b"", b"\x00half", b"N", b"{0"])
def test_a_spec_that_was_cut_off_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="what is to be run"):
        unpacked(raw)
    whole = Spec(uuid4(), command="true").packed()
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="what is to be run"):
            unpacked(whole[:length])
