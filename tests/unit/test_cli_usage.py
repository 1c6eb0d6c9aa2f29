"""What the command line says to those who use it wrong, or ask what there is."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from jexevents.cli.main import main
from jexevents.exits import Exit
from tests.support import ROOT

main_module = import_module("jexevents.cli.main")


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


@pytest.mark.parametrize("module", main_module._MODULES)
def test_a_module_has_the_commands_that_it_is_loaded_for(module: str) -> None:
    (commands,) = [
        one.choices for one in main_module.build_parser([module])._actions
        if hasattr(one.choices, "items")
    ]  # fmt: skip
    assert tuple(commands) == main_module._MODULES[module]


@pytest.mark.parametrize(
    "words",
    [("jobs",), ("run", "x"), ("--config", "jobs", "token", "list"), ("--config=x", "import", "-")],
)
def test_a_command_loads_little(words: tuple[str, ...]) -> None:
    program = (
        "import sys; from jexevents.cli.main import _needed, build_parser\n"
        "words = sys.argv[1:]; build_parser(_needed(words)).parse_args(words); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert not loaded & {"bottle", "docker", "jinja2", "waitress", "jexevents.daemon"}
