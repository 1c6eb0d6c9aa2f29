"""What the command line says to those who use it wrong, or ask what there is."""

from __future__ import annotations

import pytest

from jexevents.cli.main import main
from jexevents.exits import Exit


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code in (Exit.OK, Exit.USAGE)
    out, err = capsys.readouterr()
    return " ".join((out + err).split())


@pytest.mark.parametrize(
    ("command", "actions"),
    [("definitions", "check or next"), ("token", "make or list or revoke"), ("hooks", "list or")],
)
def test_a_command_without_an_action_names_them(capsys, command: str, actions: str) -> None:
    assert f"required: ACTION ({actions}" in said(capsys, command)


def test_what_signals_do_is_said(capsys) -> None:
    assert "HUP rereads the tokens, and fetches the repository of jobs." in said(capsys, "--help")


@pytest.mark.parametrize("age", ["30m", "0h", "59s"])
def test_prune_says_why_it_takes_no_less_than_an_hour(capsys, age: str) -> None:
    told = said(capsys, "prune", "--older-than", age)
    assert f"got '{age}' (1h is the least: of what has ended since, events may" in told
