"""The README's walk from `make run` to a job seen in the browser, as it is written there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.docs import tryout
from tests.docs.console import Reader, examples
from tests.support import ROOT

SECTION = (ROOT / "README.md").read_text("utf-8").split("## Watch a job in the browser\n")[1]
SECTION = SECTION.split("\n## ")[0]
# What is to be chosen or pressed, in this order.
STEPS = re.findall(r"\*\*(.+?)\*\*", "\n".join(re.findall(r"^[0-9]\. .*$", SECTION, re.M)))


@pytest.fixture
def reader(tmp_path: Path, database: str, vhost: str) -> Iterator[Reader]:
    """Somebody in front of two terminals: make run in one, a shell in the other."""
    with tryout.reader(tmp_path, database, vhost) as found:
        address = found.replacements["localhost:8080"].replace("localhost", "127.0.0.1")
        said = (tmp_path / tryout.OUTPUT).read_text("utf-8")
        assert f"See them in a browser: http://{address}/" in said
        yield found


def test_a_job_is_seen_as_it_runs(reader: Reader, browser: Any, tmp_path: Path) -> None:
    first_block, _, after = SECTION.partition("1. ")
    for example in examples(first_block):
        reader.follow(example)
    context = browser.new_context()
    visitor = Visitor(context.new_page(), f"http://{reader.replacements['localhost:8080']}")
    visitor.expect_status(401)
    visitor.go("/")
    visitor.page.get_by_label("Token").fill((tmp_path / "var/token").read_text().strip())
    assert STEPS == ["Sign in", "Definitions", "count", "Run", "Kill", "Jobs", "Overview"]
    output = visitor.page.locator("#output")
    for name in STEPS:
        if name == "Kill":
            expect(output).to_contain_text("number 3\n")
        elif name == "Overview":
            expect(visitor.page.get_by_role("cell", name="KILLED").first).to_be_visible()
        link = visitor.page.get_by_role("link", name=name, exact=True)
        button = visitor.page.get_by_role("button", name=name, exact=True)
        link.or_(button).first.click()
    assert visitor.complaints == []
    context.close()
    for example in examples(after):
        reader.follow(example, patience_seconds=20)
