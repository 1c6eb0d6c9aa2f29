"""docs/start.md runs as written; and no command of it or of the README is run by nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import tryout
from tests.docs.console import Reader, examples
from tests.support import ROOT

START = (ROOT / "docs/start.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
# The blocks that are not run where they stand: by their first command, who runs them.
RUN_ELSEWHERE = {
    "make run": "tests/acceptance/test_make_run.py::test_runs_again_and_again",
    "make test": ".ci/run",
    "JEXEVENTS_HOOKS=": "tests/docs/test_readme.py::reader",
    "curl -s -H \"$AUTH\" 'localhost:8080/task/": "tests/docs/test_tasks.py::test_the_readme_runs",
    "python3 -m venv /opt/jexevents": "tests/acceptance/test_install.py::test_the_program",
    "useradd --system": "tests/acceptance/test_install.py::test_the_user",
    "/opt/jexevents/bin/pip install supervisor":
        "tests/acceptance/test_install.py::test_supervisord",
}  # fmt: skip


@pytest.fixture
def reader(tmp_path: Path, database: str, vhost: str) -> Iterator[Reader]:
    """Somebody in front of two terminals: make run in one, a shell in the other."""
    with tryout.reader(tmp_path, database, vhost) as found:
        yield found


def test_it_runs_as_written(reader: Reader) -> None:
    found = list(examples(START))
    assert len(found) >= 10
    for example in found:
        # A run that was just asked for may not be over.
        reader.follow(example, patience_seconds=20)


def blocks(document: str) -> list[tuple[str, str]]:
    """Give each fenced block: its word, and its text."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", document, re.M | re.S)


def begins(text: str, first: str) -> bool:
    """Whether a block begins with these words, and not with longer ones."""
    ends = "" if first.endswith(("=", "/")) else r"(?![\w-])"
    return re.match(re.escape(first) + ends, text) is not None


@pytest.mark.parametrize("document", [README, START], ids=["README", "start"])
def test_every_block_of_commands_is_run(document: str) -> None:
    for word, text in blocks(document):
        assert word in ("console", "sh"), f"what is a block of {word!r}?"
        if word == "sh":
            assert any(begins(text, first) for first in RUN_ELSEWHERE), text


@pytest.mark.parametrize("first", RUN_ELSEWHERE)
def test_who_is_said_to_run_a_block_exists(first: str) -> None:
    shown = [text for word, text in [*blocks(README), *blocks(START)] if word == "sh"]
    assert any(begins(text, first) for text in shown)
    path, _, name = RUN_ELSEWHERE[first].partition("::")
    text = (ROOT / path).read_text("utf-8")
    assert not name or f"def {name}" in text
    assert name or first in text
