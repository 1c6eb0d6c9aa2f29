"""docs/definitions.md: its examples run as it says, its words and numbers are the code's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from jexevents.definitions import bounds, filters, grammar, sandbox
from jexevents.definitions.checkouts import Limits
from jexevents.definitions.definition import CONCURRENCIES, RETRIED, Retries
from jexevents.definitions.kinds import TYPES
from jexevents.definitions.variables import MAX_VALUES_BYTES
from jexevents.lifecycle.command import REFUSED_NAMES
from jexevents.validation import SCHEMAS
from tests.docs.console import Reader, Shell, examples
from tests.docs.tryout import environment_in, furnish
from tests.support import ROOT
from tests.unit.definition_texts import one, rendered

DOCUMENT = (ROOT / "docs/definitions.md").read_text("utf-8")
PLAIN = " ".join(DOCUMENT.split())
_EXAMPLE = re.compile(
    r"^```yaml\n((?:(?!```).*\n)*)```\n\nWith `(\{.*?\})` this runs:\n\n"
    r"```(sh|json)\n((?:(?!```).*\n)*)```$",
    re.M,
)
EXAMPLES = [match.groups() for match in _EXAMPLE.finditer(DOCUMENT)]


def table(first: str, second: str) -> dict[str, str]:
    """Give the first column of a table by its head, and the second."""
    found = re.search(rf"^\| {first} \| {second}.*\n\|[-|]+\n((?:\|.*\n)+)", DOCUMENT, re.M)
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in found[1].splitlines()]
    return {cell[0].strip().strip("`"): cell[1].strip() for cell in cells}


@pytest.mark.parametrize(("text", "values", "language", "expected"), EXAMPLES)
def test_examples(text: str, values: str, language: str, expected: str) -> None:
    made = rendered(one(text, "example_job.yml"), **json.loads(values))
    if language == "sh":
        assert made.command == expected.rstrip("\n")
    else:
        assert made.argv(Path()) == json.loads(expected)


def test_no_example_is_passed_over() -> None:
    assert len(EXAMPLES) == DOCUMENT.count("this runs:") == 5
    for text in re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT, re.M | re.S):
        assert one(text)


@pytest.mark.parametrize("name", SCHEMAS.document("job_definition")["properties"])
def test_members(name: str) -> None:
    assert name in re.findall(r"^\| `(\w+)` \|", DOCUMENT.split("## Members")[1], re.M)


@pytest.mark.parametrize(
    "name", SCHEMAS.document("job_definition")["properties"]["vars"]["items"]["properties"]
)
def test_members_of_variables(name: str) -> None:
    part = DOCUMENT.split("## Variables")[1].split("Two variables that are equal")[0]
    assert f"\n| `{name}` |" in part


def test_types() -> None:
    assert set(table("Type", "JSON")) == set(TYPES)
    schema = SCHEMAS.document("job_definition")["properties"]["vars"]["items"]["properties"]
    assert set(schema["type"]["enum"]) == set(TYPES)


def test_filters() -> None:
    part = DOCUMENT.split("| Filters |")[1].split("\n\n")[0]
    told = set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in part.splitlines()[2:])))
    assert told == set(filters.FILTERS)


def test_words_of_members() -> None:
    for word in (*CONCURRENCIES, *REFUSED_NAMES, *RETRIED):
        assert f"`{word}`" in DOCUMENT, word


def test_numbers() -> None:
    limits, retries = Limits(), Retries()
    for told in (
        f"{limits.files} files, {limits.file_bytes // 2**20} MiB each",
        f"{limits.all_bytes // 2**30} GiB in all",
        f"at most {MAX_VALUES_BYTES // 1024} KiB as JSON",
        f"at most {sandbox.MAX_SOURCE // 1024} KiB and {grammar.MAX_NODES} parts",
        f"at most {bounds.MAX_SECONDS:g} s and {bounds.MAX_STEPS} steps",
        f"at most {bounds.MAX_ITEMS} items", f"at most {bounds.MAX_TEXT} bytes",
        f"before the first of these ({retries.backoff_seconds:g} if",
        f"as long ({retries.factor:g})",
        f"up to `max_backoff` ({retries.max_backoff_seconds:g})",
    ):  # fmt: skip
        assert told in PLAIN, told


YAML_WORDS = {
    "`yes`, `no`, `on`, `off`": (["yes", "no", "on", "off"], "texts"),
    "`1_000`, `12:30`, `12:30:45`": (["1_000", "12:30", "12:30:45"], "texts"),
    "2026-01-02": (["2026-01-02"], "a text"), "`0777`, `007`": (["0777", "007"], "refused"),
}  # fmt: skip


def test_what_yaml_means() -> None:
    from jexevents.definitions.yamltext import loads

    told = table("Written", "Is")
    for row, (words, meaning) in YAML_WORDS.items():
        assert told[row.strip("`")] == meaning
        for word in words:
            value, _, faults = loads(f"a: {word}")
            assert bool(faults) == (meaning == "refused")
            assert faults or value == {"a": word}


def test_console_examples(tmp_path: Path) -> None:
    furnish(tmp_path)
    shell = Shell(tmp_path, environment_in(tmp_path))
    try:
        for example in examples(DOCUMENT):
            Reader(shell).follow(example)
    finally:
        shell.close()
