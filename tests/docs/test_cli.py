"""docs/cli.md and the manual page are those of the parsers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess

import pytest

from jexevents.cli.main import build_parser
from jexevents.cli.reference import DOCUMENT, MANUAL, commands, manual, reference_in
from jexevents.cli.run import NO_CODE, TIMED_OUT_CODE
from jexevents.config.environment import CLIENT_TOKEN, CLIENT_URL
from tests.docs.test_coverage import commands as named
from tests.docs.test_coverage import rows, section
from tests.support import ROOT

TEXT = (ROOT / DOCUMENT).read_text("utf-8")
PAGE = (ROOT / MANUAL).read_text("utf-8")


def test_the_reference_is_that_of_the_parsers() -> None:
    assert reference_in(TEXT, build_parser()) == TEXT, "make reference writes it anew"


def test_the_manual_page_is_that_of_the_parsers() -> None:
    assert manual(build_parser()) == PAGE, "make reference writes it anew"


def test_every_command_and_argument_is_in_both() -> None:
    words = {command.words for command in commands(build_parser())}
    assert {f"jexevents {name}" for name in named(build_parser())} < words
    for command in commands(build_parser()):
        told = section(TEXT, command.words)
        for one in (*command.arguments, *command.options):
            assert f"`{one.form.replace('|', chr(92) + '|')}`" in told
            assert one.form.replace("-", "\\-") in PAGE
            assert one.help, f"{command.words} {one.form} says nothing of itself"


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
def test_the_manual_page_is_well_formed() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-Z", ROOT / MANUAL],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    faults = [line for line in done.stderr.splitlines() if "adjust line" not in line]
    assert (done.returncode, faults) == (0, [])


def test_codes_of_run_and_variables() -> None:
    told = section(TEXT, "Running")
    codes = {row[1] for row in rows(told)}
    assert {str(TIMED_OUT_CODE), str(NO_CODE)} <= codes
    for name in (CLIENT_URL, CLIENT_TOKEN):
        assert f"`{name}`" in TEXT
        assert f".B {name}" in PAGE


@pytest.mark.parametrize(
    "path", ["docs/dashboard.md", "jexevents/sidecar/dashboard/templates/login.html"]
)
def test_who_has_no_token_is_told_how_one_is_made(path: str) -> None:
    (told,) = re.findall("jexevents (token make [^`<]+)", (ROOT / path).read_text("utf-8"))
    assert build_parser().parse_args(shlex.split(told)).role == ["read"]
