"""docs/tasks.md: its examples run in order, as written, on a real engine and a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import tryout
from tests.docs.console import Example, Reader, examples
from tests.support import ROOT, unique

README = (ROOT / "README.md").read_text("utf-8")
DOCUMENT = (ROOT / "docs/tasks.md").read_text("utf-8")
# What the document runs; here a registry of the test's own has it, for nothing beyond this machine
# is asked.
IMAGE = "busybox:stable"


@pytest.fixture
def reader(
    tmp_path: Path, database: str, vhost: str, engine, image: str, registry
) -> Iterator[Reader]:
    """Somebody in front of two terminals: make run in one, a shell in the other."""
    pushed, _digest = registry.push(engine, image, f"{unique('parts')}:stable")
    more = {} if engine.url is None else {"JEXEVENTS_CONTAINERENGINE": engine.url}
    replacements = {IMAGE: pushed, "busybox@": f"{pushed.rpartition(':')[0]}@"}
    with tryout.reader(tmp_path, database, vhost, replacements, **more) as found:
        yield found


def test_the_examples_run_as_written(reader: Reader) -> None:
    found = list(examples(DOCUMENT))
    assert len(found) > 20
    for example in found:
        reader.follow(example, patience_seconds=20)


def test_the_readme_runs(reader: Reader) -> None:
    """Its few lines on containers print other words at each run, save those of the seventh."""
    (lines,) = [
        block.splitlines()
        for block in README.split("```sh\n")
        if block.startswith('curl -s -H "$AUTH" \'localhost:8080/task/')
    ]
    lines = lines[: lines.index("```")]
    assert len(lines) == 4
    reader.follow(Example(0, 'AUTH="Authorization: Bearer $(cat var/token)"', ""))
    for line, output in zip(lines, ["...", "...", "part 7", "..."], strict=True):
        reader.follow(Example(0, line, output), patience_seconds=30)
