"""What the README shows is what happens: its console examples run in order, as written."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import tryout
from tests.docs.console import Reader, Shell, examples
from tests.support import ROOT, administer, database_uri, free_port, missing, unique

README = (ROOT / "README.md").read_text("utf-8")
# Whoever has followed the README can go on with these.
MORE = [
    (ROOT / f"docs/{name}.md").read_text("utf-8")
    for name in ("cloudevents", "smrtlink", "executions")
]


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    name = unique("jexevents_docs")
    administer(postgres, f"CREATE DATABASE {name}")
    yield database_uri(postgres, name)
    administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def reader(tmp_path: Path, database: str, empty_database: str, vhost: str) -> Iterator[Reader]:
    """Somebody in front of two terminals: make run in one, a shell in the other."""
    for program in ("bash", "curl", "openssl"):
        if shutil.which(program) is None:
            missing(program, "it is not installed")
    tryout.furnish(tmp_path)
    here, nobody, receiver = f"localhost:{free_port()}", f"127.0.0.1:{free_port()}", free_port()
    # The README's own, which it has the reader give to make run.
    (hook,) = json.loads(re.search(r"^JEXEVENTS_HOOKS='(.*)' make run$", README, re.M)[1])
    hook["URL"] = hook["URL"].replace("localhost:9900", nobody)
    assert nobody in hook["URL"]
    variables = {
        "JEXEVENTS_AMQPURI": vhost,
        "JEXEVENTS_DBURI": database,
        "JEXEVENTS_HTTPLISTENPORT": here,
        # The times of the sample log have no zone; the README's answers are those of UTC.
        "JEXEVENTS_LOGTIMEZONE": "UTC",
        "JEXEVENTS_HOOKS": json.dumps([hook]),
        "JEXEVENTS_SMRTLINKCLIENTS": json.dumps({"ann": "a secret"}),
    }
    replacements = {
        "localhost:8080": here,
        "9901": str(receiver),
        "localhost:8081": f"localhost:{free_port()}",
        "amqp://guest:guest@localhost:5672/": vhost,
        "postgres://jexevents:PASSWORD@localhost:5432/jexevents": empty_database,
    }
    with tryout.running(tmp_path, variables):
        shell = Shell(tmp_path, tryout.environment_in(tmp_path))
        yield Reader(shell, replacements)
        shell.close()


def test_the_walk_to_a_scheduled_job_with_a_webhook_has_ten_lines() -> None:
    block = README.split("## Run jobs\n")[1].split("```\n")[0] + "```\n"
    commands = [example.command for example in examples(block)]
    assert sum(len(command.splitlines()) for command in commands) == 10
    assert commands[0].startswith("git init ")


def test_a_submit_host_is_set_up_in_five_lines() -> None:
    block = README.split("### Follow a log\n")[1].split("```\n")[0] + "```\n"
    commands = [example.command for example in examples(block)]
    assert sum(len(command.splitlines()) for command in commands) == 5
    assert "jexevents monitor" in "".join(commands)


def test_the_examples_run_as_written(reader: Reader) -> None:
    found = list(examples(README))
    assert len(found) > 15
    for example in found:
        reader.follow(example)
    for document in MORE:
        for example in examples(document):
            reader.follow(example)
