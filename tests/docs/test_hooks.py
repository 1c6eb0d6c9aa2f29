"""docs/hooks.md: its bodies are those that are sent, its configuration is one, its code works."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from jexevents.config import from_mapping
from jexevents.definitions.loading import load
from jexevents.executions import chaining
from jexevents.hooks import bodies, crew, errands, signing
from jexevents.hooks.service import THREADS
from jexevents.hooks.transport import ANSWER_BYTES, KEPT_BYTES
from jexevents.hookwords import FORMATS
from tests.support import ROOT
from tests.unit.deliveries import MESSAGE_ID, delivery, of_execution, of_no_job

DOCUMENT = (ROOT / "docs/hooks.md").read_text("utf-8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def block(heading: str, language: str) -> str:
    """Give the first block of code under a heading."""
    part = re.split(r"^#+ ", DOCUMENT.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    return re.search(rf"^```{language}\n(.*?)^```$", part, re.M | re.S)[1]


@pytest.mark.parametrize("name", ["cloudevents", "jex", "overseer"])
def test_bodies_are_those_that_are_sent(name: str) -> None:
    made = bodies.make(name, delivery(), "https://jex.example.org")
    assert json.loads(block(name, "json")) == json.loads(made.content)
    assert made.content_type == "application/json" or made.content_type in DOCUMENT


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_told(name: str) -> None:
    assert f"\n### {name}\n" in DOCUMENT


def test_the_configuration_is_one() -> None:
    given = json.loads(block("Configure it", "json"))
    # The secret's file is on no machine.
    del given["Hooks"][0]["SecretFile"]
    assert len(from_mapping(given).hooks) == 3


def test_the_subject_of_a_mail() -> None:
    assert f"    {bodies.mail_subject(delivery())}\n" in DOCUMENT


def test_the_code_for_receivers_works() -> None:
    names: dict = {}
    exec(block("Know that it is ours", "python"), names)
    now = datetime.now(timezone.utc)
    headers = signing.webhook_headers(MESSAGE_ID, now, b'{"a": 1}', [SECRET])
    assert names["receive"](SECRET, headers, b'{"a": 1}') == {"a": 1}


def test_numbers() -> None:
    config = from_mapping({"Hooks": [{"Name": "a", "URL": "http://h"}]})
    (hook,) = config.hooks
    assert f"`TimeoutSeconds` ({hook.timeout_seconds:g})" in DOCUMENT
    assert (hook.try_seconds, config.hook_retry_max_seconds) == (86400, 3600)
    assert f"`HookThreads` ({config.hook_threads})" in DOCUMENT
    assert config.hook_threads == THREADS
    assert (ANSWER_BYTES, KEPT_BYTES) == (64 << 10, 1 << 10)


def test_the_document_of_an_execution() -> None:
    part = DOCUMENT.split("\n### overseer\n")[1].split("\n### ")[0]
    (_, second) = re.findall(r"^```json\n(.*?)^```$", part, re.M | re.S)
    made = bodies.make("overseer", of_execution(), "https://jex.example.org")
    assert json.loads(second) == json.loads(made.content)
    assert f"    {bodies.mail_subject(of_execution())}\n" in DOCUMENT


def test_a_hook_that_starts_a_job_is_one() -> None:
    (hook,) = from_mapping({"Hooks": [json.loads(block("Start a job", "json"))]}).hooks
    assert hook.url == "job:auto-analysis"
    told = DOCUMENT.split("\n## Start a job\n")[1].split("\n## ")[0]
    words = {*bodies.words(of_execution()), *bodies.words(of_no_job({}))}
    assert words == set(chaining.WORDS)
    assert all(f"`{word}`" in told for word in words)
    assert f"has {chaining.MOST_DEPTH} links" in told


def test_the_definition_with_hooks_is_one(tmp_path: Path) -> None:
    text = block("Hooks of job definitions", "yaml")
    (tmp_path / "nightly.yml").write_text(text)
    (tmp_path / "report.yml").write_text("command: report\n")
    hooks = load(tmp_path)["nightly"].hooks
    assert {status: len(urls) for status, urls in hooks.items()} == {"fail": 2, "data-ready": 1}


def test_numbers_of_hooks_of_definitions() -> None:
    told = " ".join(DOCUMENT.split())
    assert f"has up to {crew.THREADS} threads for all" in told
    assert f"more than {crew.THREADS // 4} of them at a time" in told
    assert f"more than {errands.SLOW_SECONDS:g} s when they were last tried" in told
    assert f"have {crew.THREADS // 2} together" in told
