"""docs/design.md names every package and every table, and each promise has a test."""

from __future__ import annotations

import re

import pytest

from tests.docs.test_coverage import rows, section
from tests.support import ROOT

DOCUMENT = (ROOT / "docs/design.md").read_text("utf-8")
PACKAGES = sorted(path.parent.name for path in ROOT.glob("jexevents/*/__init__.py"))
TABLES = sorted(
    name
    for file in ROOT.glob("jexevents/store/migrations/*.sql")
    for name in re.findall(r"^create table (\w+) ", file.read_text("utf-8"), re.M)
)


@pytest.mark.parametrize("name", PACKAGES)
def test_packages(name: str) -> None:
    assert re.search(rf"`(?:jexevents/)?{name}(?:/[^`]*)?`", DOCUMENT), name


def test_tables() -> None:
    told = {row[0].strip("`") for row in rows(section(DOCUMENT, "The data"))} - {"Table"}
    assert told == {*TABLES, "schema_migrations"}


def test_every_promise_names_the_tests_that_hold_it() -> None:
    promises = re.split(r"^(\d+)\. \*\*", section(DOCUMENT, "What is promised"), flags=re.M)[1:]
    numbers = [int(number) for number in promises[::2]]
    assert numbers == list(range(1, len(numbers) + 1))
    for number, text in zip(numbers, promises[1::2], strict=True):
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", text), f"promise {number}"


def test_files_of_faults_are_told() -> None:
    told = section(DOCUMENT, "How faults are tested")
    for file in ROOT.glob("tests/faults/test_*.py"):
        assert f"`tests/faults/{file.name}`" in told, file.name
