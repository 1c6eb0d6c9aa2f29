"""docs/hooks.md: its bodies are those that are sent, its configuration is one, its code works."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone

import pytest

from jexevents.config import from_mapping
from jexevents.hooks import bodies, signing
from jexevents.hooks.service import THREADS
from jexevents.hooks.transport import ANSWER_BYTES, KEPT_BYTES
from jexevents.hookwords import FORMATS
from tests.support import ROOT
from tests.unit.deliveries import MESSAGE_ID, delivery

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
