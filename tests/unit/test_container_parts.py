"""Parts of what runs containers, without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from jexevents.engine.answers import translated
from jexevents.engine.containers import _HALF_STARTED
from jexevents.errors import EngineUnavailable
from jexevents.runner.containers.laststate import LastState

END = {"phase": "ended", "end": {"exit_code": 3}}


def test_the_last_state_leaves_nothing_beside_it(tmp_path: Path) -> None:
    last = LastState(tmp_path)
    assert last.known() is None
    last.reserve()
    last.reserve()
    last.write(END)
    assert last.known() == END
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


def test_the_last_state_takes_the_room_that_was_kept_for_it(tmp_path: Path) -> None:
    last = LastState(tmp_path)
    last.reserve()
    # So that no other file can be made for it.
    (tmp_path / "state.json.part").mkdir()
    last.write(END)
    assert last.known() == END


@pytest.mark.parametrize("content", ["", "{", '{"phase": "running"}', "\0" * 50])
def test_a_state_that_is_not_the_last_is_not_known(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    assert LastState(tmp_path).known() is None


@pytest.mark.parametrize(
    ("error", "unsent"),
    [
        (ConnectionRefusedError(111, "Connection refused"), True),
        (FileNotFoundError(2, "No such file or directory"), True),
        (ConnectionResetError(104, "Connection reset by peer"), False),
        (BrokenPipeError(32, "Broken pipe"), False),
        (TimeoutError(), False),
    ],
)
def test_what_the_engine_was_certainly_not_asked(error: OSError, unsent: bool) -> None:
    with pytest.raises(EngineUnavailable) as caught, translated("here"):
        raise requests.ConnectionError(error)
    assert caught.value.unsent is unsent


@pytest.mark.parametrize(
    ("words", "is_half"),
    [
        (f"task {'5a' * 32}: already exists", True),
        ("id already in use", True),
        (f"container {'5a' * 32}: already exists: unknown", True),
        ("endpoint with name x already exists in network y", False),
        ("OCI runtime create failed: exec: x: executable file not found", False),
    ],
)
def test_words_for_a_start_that_was_cut_off(words: str, is_half: bool) -> None:
    assert bool(_HALF_STARTED.fullmatch(words)) is is_half
