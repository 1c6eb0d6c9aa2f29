"""etc/systemd: the units keep jobs alive, and systemd itself has nothing to say against them."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

from jexevents.exits import Exit
from tests.support import ROOT

FOLDER = ROOT / "etc/systemd"
UNITS = sorted(FOLDER.glob("*.service"))


def read(unit: Path) -> ConfigParser:
    parsed = ConfigParser(interpolation=None, strict=True)
    parsed.optionxform = str
    parsed.read_string(unit.read_text("utf-8"))
    return parsed


def named(unit: Path) -> str:
    return unit.stem


def test_there_is_one_for_each_process() -> None:
    assert [unit.stem for unit in UNITS] == [
        "jexevents-monitor", "jexevents-worker", "jexevents",
    ]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS, ids=named)
def test_jobs_outlive_it(unit: Path) -> None:
    service = read(unit)["Service"]
    assert service["KillMode"] == "process"
    assert service["KillSignal"] == "SIGTERM"
    assert service["User"] != "root"
    if "monitor" not in unit.stem:
        assert service["Delegate"] == "yes"
        # What would take from jobs what they have otherwise.
        assert not [
            name for name in service if name.startswith(("Protect", "Private", "MemoryMax"))
        ]


@pytest.mark.parametrize("unit", UNITS, ids=named)
def test_it_has_longer_to_end_than_it_takes(unit: Path) -> None:
    program = {"jexevents": "jexevents"}.get(unit.stem, unit.stem)
    conf = ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    conf.read(ROOT / "supervisord.conf")
    service, beside = read(unit)["Service"], conf[f"program:{program}"]
    assert service["TimeoutStopSec"] == beside["stopwaitsecs"]
    codes = {int(code) for code in service["RestartPreventExitStatus"].split()}
    assert codes == {Exit.USAGE, Exit.CONFIG}
    assert codes | {0} == {int(code) for code in beside["exitcodes"].split(",")}


@pytest.mark.parametrize("unit", UNITS, ids=named)
def test_its_command_is_one(unit: Path) -> None:
    command = read(unit)["Service"]["ExecStart"].split()
    assert command[0].endswith("/bin/jexevents")
    parsed = import_module("jexevents.cli.main").build_parser().parse_args(command[1:])
    assert str(parsed.config) == "/etc/jexevents.json"


@pytest.mark.parametrize("unit", UNITS, ids=named)
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("this system has no systemd-analyze")
    # The program need not be installed where the tests run.
    text = re.sub(r"/opt/jexevents/bin/jexevents", "/bin/true", unit.read_text("utf-8"))
    copy = tmp_path / unit.name
    copy.write_text(text)
    done = subprocess.run(
        [program, "verify", "--man=no", "--recursive-errors=no", str(copy)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert said == []
    assert done.returncode == 0, done.stderr
