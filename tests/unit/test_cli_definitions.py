"""`jexevents definitions check`: what it prints and how it ends; nothing is configured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jexevents.cli import main
from jexevents.exits import Exit
from tests.unit.definition_texts import SEED

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    # A configuration that cannot be used would end every command that reads one.
    monkeypatch.setenv("JEXEVENTS_CONFIG", "/nowhere/at/all.json")


def check(*arguments: object) -> int:
    return main(["definitions", "check", *map(str, arguments)])


def test_nothing_is_wrong(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "example_job.yml").write_text(SEED)
    assert check(tmp_path) == Exit.OK
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "1 job, and nothing is wrong.\n"


def test_each_fault_is_a_line(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.yml").write_text("x: 1\n\ntimeout: -1\n")
    (tmp_path / "b\n\x1b[2J.json").write_text("{")
    assert check(tmp_path) == Exit.DATA
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert [line.split(" ")[0] for line in lines] == [
        "a.yml:1:",
        "a.yml:3:",
        "b\\u000a\\u001b[2J.json:1:",
    ]
    assert told.out.replace("\n", "").isprintable()
    assert told.err == "3 problems.\n"


def test_all_faults_are_told(tmp_path: Path, capsys: Capture) -> None:
    for number in range(300):
        (tmp_path / f"job{number}.yml").write_text("nope: 1")
    assert check(tmp_path) == Exit.DATA
    assert capsys.readouterr().err == "300 problems.\n"


def test_json(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.yml").write_text("command: x\n")
    assert check("--json", tmp_path) == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"jobs": ["a"], "problems": []}
    (tmp_path / "b.yml").write_text("- x: 1\n")
    assert check("--json", tmp_path) == Exit.DATA
    assert json.loads(capsys.readouterr().out) == {
        "jobs": [],
        "problems": [
            {
                "file": "b.yml",
                "line": 1,
                "job": None,
                "pointer": "/0/x",
                "expected": "no such member",
                "got": "one",
            }
        ],
    }


def test_one_file(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.yml").write_text("hooks: {complete: job:elsewhere}")
    (tmp_path / "b.yml").write_text("x: 1")
    assert check(tmp_path / "a.yml") == Exit.OK
    assert check(tmp_path / "b.yml") == Exit.DATA
    assert check(tmp_path) == Exit.DATA
    capsys.readouterr()


def test_a_folder_below_the_top(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "shared.yml").write_text("command: x")
    (tmp_path / "jobs" / "a.yml").symlink_to("../shared.yml")
    assert check(tmp_path / "jobs") == Exit.DATA
    assert "a link that leads out" in capsys.readouterr().out
    assert check("--top", tmp_path, tmp_path / "jobs") == Exit.OK


def test_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "a.yml").write_text("command: x")
    monkeypatch.chdir(tmp_path)
    assert check() == Exit.OK
    capsys.readouterr()


def test_no_such_path(tmp_path: Path, capsys: Capture) -> None:
    assert check(tmp_path / "nowhere") == Exit.USAGE
    assert "there is no such file or folder" in capsys.readouterr().err
