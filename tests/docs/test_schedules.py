"""docs/schedules.md: its examples are due as it says, its words and numbers are the code's."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from jexevents import rfc3339
from jexevents.errors import Invalid
from jexevents.runner.scheduler import commits, look, service
from jexevents.schedules import MEMBERS, Misfire, Outcome, deciding, read_schedule, upcoming
from jexevents.schedules.crontab import NICKNAMES, YEARS
from jexevents.schedules.reading import REPEATED, RUN_ALL_WINDOW_SECONDS, SKIPPED
from jexevents.schedules.times import MOST
from tests.support import ROOT

DOCUMENT = (ROOT / "docs/schedules.md").read_text("utf-8")
SEEN = rfc3339.parse("2026-01-01T00:00:00Z").at
_EXAMPLE = re.compile(r"^```yaml\n(.*?)^```\n\nBehind (\S+):\n\n((?:\|[^\n]*\n)+)", re.M | re.S)
EXAMPLES = [(match[1], match[2], match[3]) for match in _EXAMPLE.finditer(DOCUMENT)]


def rows(table: str) -> list[list[str]]:
    """Give the cells of a table, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def table_of(first: str) -> list[list[str]]:
    """Give the table whose head begins with a word."""
    return rows(re.search(rf"^\| {first} \|.*\n(?:\|.*\n)+", DOCUMENT, re.M)[0])


def members(text: str) -> dict:
    """Read the plain YAML of the examples: members, and one object in an object."""
    found: dict = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(":")
        value = value.strip()
        inner = found["dst"] if line.startswith(" ") else found
        inner[name] = int(value) if value.isdigit() else value.strip('"') or {}
    return found


@pytest.mark.parametrize(("text", "behind", "table"), EXAMPLES)
def test_examples(text: str, behind: str, table: str) -> None:
    made = read_schedule(members(text), SEEN)
    told = rows(table)
    found = upcoming(made, rfc3339.parse(behind).at, len(told))
    assert [
        [due.identity.replace("T", " ", 1), rfc3339.format_utc(due.at), "yes" if due.runs else "no"]
        for due in found
    ] == told


def test_no_example_is_passed_over() -> None:
    assert len(EXAMPLES) == DOCUMENT.count("```yaml") == DOCUMENT.count("Behind 2")


def test_members_and_their_defaults() -> None:
    told = {row[0].strip("`"): row[-1] for row in table_of("Member")}
    assert tuple(told) == MEMBERS
    made = read_schedule({}, SEEN)
    assert told["priority"] == f"`{made.priority}`"
    assert told["timezone"] == f"`{made.zone.key}`"
    assert told["misfire"] == f"`{made.misfire.value}`"
    assert made.window_seconds is None
    assert f"`{RUN_ALL_WINDOW_SECONDS:.0f}` for `run-all`" in told["window"]
    assert told["dst"] == f"`{SKIPPED[0]}` for both"
    assert SKIPPED[0] == REPEATED[0]


def test_words() -> None:
    rules = [(row[0], row[1].strip("`")) for row in rows(DOCUMENT.split("rules of `dst`:")[1])]
    assert {word for name, word in rules if name == "`skipped`"} == set(SKIPPED)
    assert {word for name, word in rules if name == "`repeated`"} == set(REPEATED)
    for misfire in Misfire:
        assert f"- `{misfire.value}`: " in DOCUMENT
    for name in NICKNAMES:
        assert f"`{name}`" in DOCUMENT


def test_outcomes() -> None:
    assert {row[0].strip("`") for row in table_of("Outcome")} == {each.value for each in Outcome}


def test_numbers() -> None:
    assert f"at most {MOST} of them" in DOCUMENT
    assert f"nothing in {YEARS} years" in DOCUMENT
    assert timedelta(seconds=60) == deciding.ON_TIME
    assert timedelta(seconds=5) == deciding.ON_TIME_WITH_NEWER
    assert "within 60 s; within 5 s" in DOCUMENT
    assert timedelta(seconds=60) == commits.NOBODY_LOOKS == look.ASIDE
    assert "nobody has looked for 60 s" in DOCUMENT
    assert "tried again every 60 s" in DOCUMENT
    assert f"and every {look.LONGEST_SECONDS:g} s" in DOCUMENT
    assert f"{look.SCHEDULES_AT_ONCE} in one transaction" in DOCUMENT
    assert f"kept for {service.KEPT.days} days" in DOCUMENT


@pytest.mark.parametrize("text", ["0 0 30 2 *", "*/90 * * * *", "@reboot"])
def test_what_is_said_to_be_refused_is(text: str) -> None:
    assert f"`{text}`" in DOCUMENT
    with pytest.raises(Invalid):
        read_schedule({"frequency": text}, SEEN)
