"""docs/tasks.md: its examples run in order, as written, on a real engine and a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import tryout
from tests.docs.console import Reader, Shell, examples
from tests.support import ROOT, free_port, unique

DOCUMENT = (ROOT / "docs/tasks.md").read_text("utf-8")
# What the document runs; here a registry of the test's own has it, for nothing beyond this machine
# is asked.
IMAGE = "busybox:stable"


@pytest.fixture
def reader(
    tmp_path: Path, database: str, vhost: str, engine, image: str, registry
) -> Iterator[Reader]:
    """Somebody in front of two terminals: make run in one, a shell in the other."""
    tryout.furnish(tmp_path)
    here = f"localhost:{free_port()}"
    pushed, _digest = registry.push(engine, image, f"{unique('parts')}:stable")
    variables = {
        "JEXEVENTS_AMQPURI": vhost,
        "JEXEVENTS_DBURI": database,
        "JEXEVENTS_HTTPLISTENPORT": here,
    }
    if engine.url is not None:
        variables["JEXEVENTS_CONTAINERENGINE"] = engine.url
    replacements = {
        "localhost:8080": here,
        IMAGE: pushed,
        "busybox@": f"{pushed.rpartition(':')[0]}@",
    }
    with tryout.running(tmp_path, variables):
        shell = Shell(tmp_path, tryout.environment_in(tmp_path))
        yield Reader(shell, replacements)
        shell.close()


def test_the_examples_run_as_written(reader: Reader) -> None:
    found = list(examples(DOCUMENT))
    assert len(found) > 20
    for example in found:
        reader.follow(example, patience_seconds=20)
