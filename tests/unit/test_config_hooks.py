"""The hooks of a configuration: what is taken, what is refused and how, and what is shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from jexevents import wiring
from jexevents.config import ConfigFault, from_mapping, load
from jexevents.config.hook_members import KINDS, MEMBERS
from jexevents.errors import ConfigError
from jexevents.hooks import bodies
from jexevents.hooks import hook as hooks
from jexevents.hookwords import FORMATS, NO_KIND, name_of_url
from jexevents.model import Kind

SECRET = "whsec_" + base64.b64encode(b"s" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"t" * 64).decode()
LEAST = {"Name": "mine", "URL": "https://example.org/in/"}
FULL = LEAST | {
    "Sources": ["cluster-*"],
    "Kinds": ["condor"],
    "Events": ["JOB_*", "SUBMIT"],
    "States": ["Failed"],
    "Format": "jex",
    "Headers": {"Authorization": "Bearer hidden"},
    "Secret": [SECRET, OTHER],
    "TimeoutSeconds": 5,
    "TryForSeconds": 60.5,
    "Disabled": True,
}


def faults(*members: Any, **more: Any) -> list[ConfigFault]:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"Hooks": [*members, *([LEAST | more] if more else [])]})
    return list(caught.value.faults)


def test_a_hook_needs_a_name_and_a_url_alone() -> None:
    (hook,) = wiring.hooks(from_mapping({"Hooks": [LEAST]}))
    assert hook == hooks.Hook("mine", "https://example.org/in/")
    assert (hook.timeout_seconds, hook.try_seconds) == (20, 86400)


def test_every_member_arrives() -> None:
    (hook,) = wiring.hooks(from_mapping({"Hooks": [FULL]}))
    assert hook == hooks.Hook(
        "mine",
        "https://example.org/in/",
        sources=("cluster-*",),
        kinds=("condor",),
        events=("JOB_*", "SUBMIT"),
        states=("Failed",),
        format=hooks.JEX,
        headers={"Authorization": "Bearer hidden"},
        secrets=(SECRET, OTHER),
        timeout_seconds=5,
        try_seconds=60.5,
        disabled=True,
    )


def test_the_format_of_smrt_link_takes_its_events_alone() -> None:
    given = LEAST | {"Format": "smrtlink", "HMAC": {"UID": "u", "Secret": "s"}}
    (hook,) = wiring.hooks(from_mapping({"Hooks": [given]}))
    assert (hook.kinds, hook.hmac) == (("smrtlink",), hooks.Hmac("u", "s"))


def test_what_is_configured_is_what_is_sent() -> None:
    assert set(FORMATS) == set(bodies.FORMATS)
    assert {kind.value for kind in Kind} | {NO_KIND} == set(KINDS)
    (given,) = from_mapping({"Hooks": [LEAST]}).hooks
    hook = hooks.Hook("a", "http://h")
    assert (given.timeout_seconds, given.try_seconds) == (hook.timeout_seconds, hook.try_seconds)


def test_the_older_keys_are_hooks() -> None:
    config = from_mapping({"EventURL": "http://h/in/", "JEXURL": "http://j/", "Hooks": [LEAST]})
    by_name = {hook.name: hook for hook in wiring.hooks(config)}
    assert set(by_name) == {"mine", "event-url", "jex-url"}
    event, jex = by_name["event-url"], by_name["jex-url"]
    assert (event.url, event.kinds, event.states, event.format) == (
        "http://h/in/",
        ("condor",),
        ("*",),
        "jex",
    )
    assert (jex.url, jex.kinds, jex.events, jex.format) == (
        "http://j",
        ("condor",),
        ("JOB_HELD",),
        "stop",
    )
    assert config.warnings == ()
    assert list(wiring.hooks(from_mapping({}))) == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Name", "Mine"),
        ("Name", "-mine"),
        ("Name", ""),
        ("Name", "m" * 64),
        ("Name", 1),
        ("Name", "event-url"),
        ("Name", "jex-url"),
        ("URL", "example.org"),
        ("URL", "ftp://example.org/"),
        ("URL", "http://"),
        ("URL", "http://h/a b"),
        ("URL", "http://h/#part"),
        ("URL", "mailto:"),
        ("URL", "mailto:ann"),
        ("URL", "mailto:ann@example.org,"),
        ("URL", "mailto:ann@example.org\r\nBcc: x@example.org"),
        ("URL", "mailto:ann@example.org?subject=x"),
        ("Sources", "all"),
        ("Sources", [""]),
        ("Sources", [1]),
        ("Sources", ["*"] * 101),
        ("Kinds", ["condr"]),
        ("Kinds", ["Condor"]),
        ("Events", ["a\nb"]),
        ("States", {}),
        ("Format", "xml"),
        ("Format", "stop"),
        ("Format", ["jex"]),
        ("Headers", ["X: y"]),
        ("Headers", {"X y": "z"}),
        ("Headers", {"X": "a\r\nB: c"}),
        ("Headers", {"X": "é"}),
        ("Headers", {"X": 1}),
        ("Headers", {"content-LENGTH": "1"}),
        ("Headers", {"Webhook-Id": "1"}),
        ("Headers", {"X-One": "1", "x-one": "2"}),
        ("Secret", "whsec_"),
        ("Secret", "hidden"),
        ("Secret", SECRET.removeprefix("whsec_")),
        ("Secret", "whsec_" + base64.b64encode(b"h" * 23).decode()),
        ("Secret", "whsec_" + base64.b64encode(b"h" * 65).decode()),
        ("Secret", []),
        ("Secret", [SECRET, "hidden"]),
        ("SecretFile", ""),
        ("HMAC", "u:s"),
        ("HMAC", {"UID": "u"}),
        ("HMAC", {"UID": "a:b", "Secret": "s"}),
        ("HMAC", {"UID": "u", "Secret": "s", "More": 1}),
        ("TimeoutSeconds", 0),
        ("TimeoutSeconds", "20"),
        ("TimeoutSeconds", True),
        ("TimeoutSeconds", 301),
        ("TryForSeconds", -1),
        ("TryForSeconds", 2592001),
        ("Disabled", 1),
    ],
)
def test_a_member_that_does_not_fit(member: str, value: Any) -> None:
    (fault,) = faults(**{member: value})
    assert fault.key == f"Hooks/0/{member}"
    assert fault.expected
    assert fault.got
    assert "hidden" not in str(fault)


@pytest.mark.parametrize(("name", "hint"), [("URl", "URL"), ("Secrets", "Secret"), ("zz", "")])
def test_an_unknown_member_is_refused_with_the_nearest(name: str, hint: str) -> None:
    (fault,) = faults(**{name: "hidden"})
    assert fault.key == f"Hooks/0/{name}"
    assert fault.remedy == (f"Did you mean {hint}?" if hint else "Remove it.")
    assert "hidden" not in str(fault)


@pytest.mark.parametrize(
    ("members", "blamed"),
    [
        ({"Secret": SECRET, "SecretFile": "x"}, "SecretFile"),
        ({"Format": "smrtlink", "Kinds": ["*"]}, "Kinds"),
        ({"Format": "smrtlink", "Kinds": ["condor"]}, "Kinds"),
        ({"HMAC": {"UID": "u", "Secret": "s"}}, "HMAC"),
        ({"URL": "mailto:ann@example.org", "Secret": SECRET}, "Secret"),
        ({"URL": "mailto:ann@example.org", "Format": "jex"}, "Format"),
        ({"URL": "mailto:ann@example.org", "Headers": {}}, "Headers"),
    ],
)
def test_members_that_do_not_go_together(members: dict[str, Any], blamed: str) -> None:
    (fault,) = faults(LEAST | members)
    assert fault.key == f"Hooks/0/{blamed}"


def test_all_faults_come_at_once_each_with_its_place() -> None:
    found = faults({}, 3, LEAST, LEAST | {"Format": "xml", "Disabled": "no"})
    assert sorted(fault.key for fault in found) == [
        "Hooks/0/Name",
        "Hooks/0/URL",
        "Hooks/1",
        "Hooks/3/Disabled",
        "Hooks/3/Format",
        "Hooks/3/Name",
    ]


@pytest.mark.parametrize("value", [{}, "text", 3, None, [LEAST] * 101])
def test_what_is_no_list_of_hooks(value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"Hooks": value})
    assert {fault.key for fault in caught.value.faults} == {"Hooks"}


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    given = [
        FULL | {"URL": "https://ann:hidden@example.org/?token=hidden"},
        {"Name": "b", "URL": "https://h/", "Format": "smrtlink"}
        | {"HMAC": {"UID": "user", "Secret": "hidden"}},
    ]
    config = from_mapping({"Hooks": given})
    shown = json.dumps(config.redacted()) + repr(config) + repr(config.hooks)
    shown += repr(list(wiring.hooks(config)))
    assert "hidden" not in shown
    assert SECRET not in shown
    assert OTHER not in shown
    assert "user" in shown
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"Hooks": [LEAST | {"Secret": SECRET}]}))
    path.chmod(0o644)
    (warning,) = load(path, {}).warnings
    assert "chmod" in warning
    path.write_text(json.dumps({"Hooks": [LEAST]}))
    assert load(path, {}).warnings == ()


def test_secrets_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n\n{OTHER}\n")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"Hooks": [LEAST | {"SecretFile": "secret"}]}))
    (hook,) = wiring.hooks(load(path, {}))
    assert hook.secrets == (SECRET, OTHER)
    for content in ("", "hidden\n", f"{SECRET}\nhidden\n", "\xff"):
        (tmp_path / "secret").write_bytes(content.encode("latin-1"))
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        (fault,) = caught.value.faults
        assert fault.key == "Hooks/0/SecretFile"
        assert "hidden" not in str(fault)
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match="no such file"):
        load(path, {})


def test_hooks_from_the_environment(tmp_path: Path) -> None:
    given = json.dumps([LEAST])
    assert load(None, {"JEXEVENTS_HOOKS": given}).hooks == from_mapping({"Hooks": [LEAST]}).hooks
    (tmp_path / "hooks").write_text(given)
    from_file = load(None, {"JEXEVENTS_HOOKS_FILE": str(tmp_path / "hooks")})
    assert from_file.hooks == from_mapping({"Hooks": [LEAST]}).hooks


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_every_member_is_documented(member: Any) -> None:
    assert member.help.endswith(".")


@pytest.mark.parametrize("url", ["job:report", "job:night_ly-2.1"])
def test_a_hook_starts_a_job(url: str) -> None:
    (hook,) = wiring.hooks(from_mapping({"Hooks": [LEAST | {"URL": url}]}))
    assert hook.is_job
    assert hook.url == url.replace("_", "-")


@pytest.mark.parametrize("url", ["job:", "job:a b", "job:../x", "job:-x", "job:a/b", "JOB:x"])
def test_what_is_no_job(url: str) -> None:
    (fault,) = faults(URL=url)
    assert fault.key == "Hooks/0/URL"
    assert "job:" in fault.expected


@pytest.mark.parametrize(
    ("member", "value"),
    [("Format", "jex"), ("Headers", {}), ("Secret", SECRET), ("SecretFile", "x")],
)
def test_what_a_hook_that_starts_a_job_has_no_use_for(member: str, value: Any) -> None:
    (fault,) = faults(URL="job:report", **{member: value})
    assert fault.key == f"Hooks/0/{member}"
    assert "job:" in str(fault)


def test_the_names_of_hooks_of_definitions_are_theirs() -> None:
    (fault,) = faults(Name=name_of_url("https://example.org"))
    assert "job definitions" in fault.expected
    assert from_mapping({"Hooks": [LEAST | {"Name": "job-1"}]}).hooks


@pytest.mark.parametrize(
    ("given", "secrets"),
    [("", ()), (SECRET, (SECRET,)), ([SECRET, OTHER], (SECRET, OTHER))],
)
def test_what_hooks_of_definitions_are_signed_with(given: Any, secrets: tuple[str, ...]) -> None:
    config = from_mapping({"JobHookSecret": given})
    assert config.job_hook_secret == secrets
    assert config.redacted()["JobHookSecret"] == ("***" if secrets else "")
    assert SECRET not in json.dumps(config.redacted())


@pytest.mark.parametrize(
    "text", [f"{SECRET} {OTHER}", f"{SECRET}\n{OTHER}\n", json.dumps([SECRET, OTHER])]
)
def test_several_secrets_in_a_variable(text: str) -> None:
    assert load(None, {"JEXEVENTS_JOBHOOKSECRET": text}).job_hook_secret == (SECRET, OTHER)


@pytest.mark.parametrize("given", ["hidden", [], [SECRET, "hidden"], 3, None, "whsec_hidden"])
def test_what_is_no_secret(given: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"JobHookSecret": given})
    assert "hidden" not in str(caught.value)
    (fault,) = caught.value.faults
    assert fault.key == "JobHookSecret"
