"""The commands for everyday use, against a real daemon: on a terminal, and in a pipe."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.jobs import Jobs
from tests.acceptance.support import PYTHON, Done, environment, run
from tests.acceptance.terminal import in_folder, in_pipe, on_terminal
from tests.support import wait_until

FILES = {
    "say.yml": "command: echo {{ word }}; echo no >&2; exit {{ code }}\n"
    "vars: [{name: word, default: hello}, {name: code, type: int, default: 0}]\n",
    "list.yml": "command: echo {{ words|join('-') }}\nvars: [{name: words, type: seq}]\n",
    "long.yml": "command: echo begun; exec sleep 600\n",
    "dies.yml": "command: kill -9 $$\n",
    "slow.yml": "command: exec sleep 600\ntimeout: 1\n",
    "again.yml": "command: echo try $JEXEVENTS_ATTEMPT; test $JEXEVENTS_ATTEMPT = 2\n"
    "retries: {count: 1, backoff: 0.1}\n",
    "choose.yml": "command: echo {{ how }}\n"
    "vars: [{name: how, type: enum, values: [fast, fine, slow], default: fast}]\n",
    "queue.yml": "command: echo begun; exec sleep {{ long }}\nconcurrency: queue\n"
    "vars: [{name: long, type: int}]\n",
    "bytes.yml": "command: \"printf 'a\\\\000\\\\377b'\"\n",
}  # fmt: skip
HOSTILE = "\x1b]0;owned\x07\x1b[31m<script>"
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


@pytest.fixture(scope="module")
def place(shared_jobs: Callable[..., Jobs]) -> Jobs:
    jobs = shared_jobs(FILES)
    job = {
        "Submitter": "wregglej", "AppID": "c7f05682-23c8-4182-b9a2-e09650a5f49b",
        "CommandLine": "/bin/true", "CondorID": "222",
    }  # fmt: skip
    assert jobs.daemon.ask("POST", "/jobs", job, token=jobs.admin).status == 201
    return jobs


def known(place: Jobs, **more: str) -> dict[str, str]:
    """What tells a command where the daemon is, and as who."""
    url = f"http://127.0.0.1:{place.daemon.port}"
    return {"JEXEVENTS_SERVER": url, "JEXEVENTS_TOKEN": place.token, **more}


def piped(place: Jobs, *words: object) -> Done:
    return run(*words, **known(place))


def seen(text: str) -> str:
    """Give what a person sees of what went to a terminal."""
    return ESCAPE.sub("", text)


# --- jobs and show


def test_jobs_in_a_pipe_are_lines_with_tabs(place: Jobs) -> None:
    done = piped(place, "jobs", "--kind", "condor")
    assert (done.code, done.err) == (0, "")
    head, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert head[:5] == ["id", "kind", "key", "source", "state"]
    assert rows[0][1:6] == ["condor", "222", "", "Submitted", "wregglej"]


def test_jobs_as_json(place: Jobs) -> None:
    done = piped(place, "jobs", "--phase", "queued", "--key", "222", "--json", "-n", "1")
    (job,) = map(json.loads, done.out.splitlines())
    assert (job["kind"], job["key"]) == ("condor", "222")


def test_jobs_on_a_terminal_are_a_table_in_colours(place: Jobs) -> None:
    with on_terminal("jobs", "--kind", "condor", **known(place)) as running:
        assert running.wait() == 0
        assert "\x1b[33mSubmitted" in running.text
        assert "\t" not in running.text
        assert "wregglej" in seen(running.text)


def test_a_narrow_terminal_is_spared_columns_and_cuts_none(place: Jobs) -> None:
    execution = place.run("say", wait=30)
    with on_terminal("jobs", "--kind", "command", **known(place, COLUMNS="70")) as running:
        assert running.wait() == 0
    shown = seen(running.text)
    assert f"say/{execution['id']}" in shown
    assert "…" not in shown
    assert execution["uuid"] not in shown
    with on_terminal("jobs", "--kind", "command", **known(place, COLUMNS="200")) as running:
        assert running.wait() == 0
    assert execution["uuid"] in seen(running.text)


def test_colours_are_left_out_where_they_are_not_wanted(place: Jobs) -> None:
    with on_terminal("jobs", **known(place, NO_COLOR="1")) as running:
        assert running.wait() == 0
        assert "\x1b[33m" not in running.text


def test_a_list_is_as_long_as_is_asked_for(place: Jobs) -> None:
    for _ in range(3):
        place.run("say", wait=30)
    done = piped(place, "jobs", "-n", "2", "--json")
    assert len(done.out.splitlines()) == 2
    assert piped(place, "jobs", "-n", "0", "--json").out == ""


def test_filters_that_are_wrong_are_told(place: Jobs) -> None:
    done = piped(place, "jobs", "--state", "Nowhere")
    assert done.code == 65
    assert "state: expected Submitted or" in done.err
    assert piped(place, "jobs", "--kind", "none").code == 64


def test_show_by_each_name(place: Jobs) -> None:
    made = place.run("say", wait=30, word="shown")
    names = [made["uuid"], f"say/{made['id']!r}", repr(made["id"])]
    shown = [piped(place, "show", name, "--json") for name in names]
    found = [json.loads(done.out) for done in shown]
    assert {one["job"]["id"] for one in found} == {made["uuid"]}
    assert found[0]["events"][0]["name"] == "requested"
    plain = piped(place, "show", names[0]).out
    assert f"id\t{made['uuid']}\n" in plain
    assert "state\tCOMPLETE\n" in plain
    assert re.search(r"^\d+\t\S+Z\tcomplete\t", plain, re.M)


def test_show_on_a_terminal(place: Jobs) -> None:
    with on_terminal("show", "222", **known(place)) as running:
        assert running.wait() == 0
        assert "inserted" in seen(running.text)


def test_what_others_wrote_does_nothing_to_a_terminal(place: Jobs) -> None:
    made = place.run("say", wait=30, word=HOSTILE)
    for words in (("show", made["uuid"]), ("jobs",)):
        with on_terminal(*words, **known(place)) as running:
            assert running.wait() == 0
            assert "\x1b]0" not in running.text
            assert words[0] != "show" or "\\u001b]0;owned" in seen(running.text)


def test_what_is_not_there_is_told(place: Jobs) -> None:
    for name in ("333.3", "say/1.5", "01a2041e-bec3-75ad-a31c-0a427ef2f719"):
        done = piped(place, "show", name)
        assert (done.code, done.out) == (65, "")
        assert "knows no job" in done.err


# --- run


def test_run_prints_what_the_job_writes_and_ends_as_it_does(place: Jobs) -> None:
    done = piped(place, "run", "say", "word=a b", "code=7")
    assert (done.code, done.out) == (7, "a b\n")
    assert done.err.startswith("no\n")
    assert "is FAILED" in done.err


def test_run_of_what_goes_well_says_no_more(place: Jobs) -> None:
    done = piped(place, "run", "say")
    assert (done.code, done.out, done.err) == (0, "hello\n", "no\n")


def test_a_list_is_given_by_giving_it_more_than_once(place: Jobs) -> None:
    assert piped(place, "run", "list", "words=a", "words=b").out == "a-b\n"


def test_bytes_come_as_they_are(place: Jobs) -> None:
    done = subprocess.run(
        [*PYTHON, "run", "bytes"],
        env=environment(**known(place)),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == b"a\0\xffb"


@pytest.mark.parametrize(("job", "code"), [("dies", 128 + 9), ("slow", 124)])
def test_codes_of_other_ends(place: Jobs, job: str, code: int) -> None:
    assert piped(place, "run", job).code == code


def test_all_attempts_are_seen(place: Jobs) -> None:
    assert piped(place, "run", "again").out == "try 1\ntry 2\n"


def test_run_as_json_ends_with_the_execution(place: Jobs) -> None:
    *pieces, last = map(json.loads, piped(place, "run", "say", "--json").out.splitlines())
    assert {(piece["stream"], piece["text"]) for piece in pieces} == {
        ("stdout", "hello\n"), ("stderr", "no\n")
    }  # fmt: skip
    assert (last["job"], last["state"]) == ("say", "COMPLETE")


def test_a_key_runs_a_job_once(place: Jobs) -> None:
    ids = {piped(place, "run", "-d", "--key", "once", "say").out for _ in range(2)}
    assert len(ids) == 1


def test_what_is_refused_is_told_fault_by_fault(place: Jobs) -> None:
    done = piped(place, "run", "say", "wrod=a")
    assert done.code == 65
    assert "wrod" in done.err
    assert piped(place, "run", "nothing").code == 65
    assert piped(place, "run", "say", "word").code == 64


def test_an_interrupt_leaves_the_job_running_and_says_how_to_come_back(place: Jobs) -> None:
    with on_terminal("run", "long", **known(place)) as running:
        running.wait_for("begun")
        running.interrupt()
        assert running.wait() == 130
        (name,) = re.findall(r"jexevents signal (long/\S+) terminate", running.text)
    assert place.at(_execution(name))["state"] == "RUNNING"
    with in_pipe("output", "-f", name, **known(place)) as output:
        output.wait_for("begun")
        done = piped(place, "signal", name, "SIGTERM", "--cause", "no more")
        assert (done.code, done.err) == (0, "")
        assert output.wait() == 0
    assert place.wait_over(_execution(name))["state"] == "KILLED"


def test_a_run_that_waits_says_for_what(place: Jobs) -> None:
    first = place.run("queue", long=600)
    place.wait_state(first, "RUNNING")
    with in_pipe("run", "queue", "long=0", **known(place)) as running:
        running.wait_for("waits for the end of another execution of its job")
        assert piped(place, "signal", f"queue/{first['id']}", "kill").code == 0
        assert running.wait() == 0
        assert running.text == "begun\n"


def test_an_interrupt_can_terminate_the_job(place: Jobs) -> None:
    with in_pipe("run", "--interrupt", "terminate", "long", **known(place)) as running:
        running.wait_for("begun")
        running.interrupt()
        assert running.wait() == 128 + 15
        assert running.text == "begun\n"
        assert "was told to terminate" in running.errors


def _execution(name: str) -> dict[str, Any]:
    job, _, own = name.partition("/")
    return {"job": job, "id": own}


# --- output and signal


def test_output(place: Jobs) -> None:
    made = place.run("say", wait=30, word="written")
    name = f"say/{made['id']!r}"
    done = piped(place, "output", name)
    assert (done.code, done.out, done.err) == (0, "written\n", "no\n")
    assert piped(place, "output", "--stdout", made["uuid"]).err == ""
    assert piped(place, "output", "--follow", "--stderr", name).err == "no\n"
    assert piped(place, "output", "--tail", "0", name).out == ""
    (piece, _) = map(json.loads, piped(place, "output", "--json", name).out.splitlines())
    assert piece["text"] == "written\n"


def test_what_does_not_run_here_has_no_output(place: Jobs) -> None:
    done = piped(place, "output", "222")
    assert done.code == 65
    assert "kind condor" in done.err


def test_a_signal_to_what_is_over_is_refused(place: Jobs) -> None:
    made = place.run("say", wait=30)
    done = piped(place, "signal", made["uuid"], "kill")
    assert done.code == 65
    assert "COMPLETE" in done.err
    assert piped(place, "signal", made["uuid"], "HUP").code == 64


# --- tail


def test_tail_prints_what_comes(place: Jobs) -> None:
    with in_pipe("tail", "-n", "1", "--json", "--kind", "command", **known(place)) as running:
        running.wait_for('"seq"')
        made = place.run("say", wait=30)
        running.wait_for(made["uuid"])
        wait_until(lambda: running.look(0.1) or _names(running.text, made), 30, "the end")
        running.wait_for('"complete"')
        running.interrupt()
        assert running.wait() == 130
    names = _names(running.text, made)
    assert names == sorted(names, key=["requested", "claimed", "start", "complete"].index)
    seqs = [json.loads(line)["seq"] for line in running.text.splitlines()]
    assert len(set(seqs)) == len(seqs)


def _names(text: str, made: dict[str, Any]) -> list[str]:
    whole, _, _ = text.rpartition("\n")
    found = map(json.loads, whole.splitlines())
    return [one["name"] for one in found if one["job"]["id"] == made["uuid"]]


def test_tail_on_a_terminal_chooses_and_colours(place: Jobs) -> None:
    with on_terminal("tail", "-n", "0", "--name", "complete", **known(place)) as running:
        wait_until(lambda: _said(place, running), 60, "an event")
        running.interrupt()
        assert running.wait() == 130
    assert "\x1b[1;32mcomplete" in running.text
    assert "requested" not in running.text


def _said(place: Jobs, running: Any) -> bool:
    place.run("say", wait=30)
    running.look(1.0)
    return "complete" in running.text


# --- where to, and as who


def test_a_daemon_that_is_away_and_a_token_that_is_wrong(place: Jobs, tmp_path: Path) -> None:
    away = run("jobs", "--try-for", "0", JEXEVENTS_SERVER="http://127.0.0.1:9")
    assert (away.code, away.out) == (69, "")
    wrong = run("jobs", **known(place, JEXEVENTS_TOKEN="guess"))
    assert wrong.code == 65
    assert "401" in wrong.err
    assert "JEXEVENTS_TOKEN_FILE" in wrong.err
    unread = run("jobs", JEXEVENTS_TOKEN_FILE="/nowhere/token")
    assert unread.code == 64
    assert "/nowhere/token, which JEXEVENTS_TOKEN_FILE names, cannot be read: No such" in unread.err
    assert run("jobs", "--url", "ftp://x").code == 64


def test_address_and_token_from_configuration_and_file(place: Jobs, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{place.daemon.port}"
    config = in_folder(
        tmp_path, "c.json", json.dumps({"PublicURL": url, "DBURI": "postgresql:///x"})
    )
    token = in_folder(tmp_path, "token", f"{place.token}\n")
    done = run("jobs", "--json", "--config", config, JEXEVENTS_TOKEN_FILE=str(token))
    assert (done.code, done.err) == (0, "")


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    done = run("completion", shell)
    assert done.code == 0
    assert "jexevents" in done.out


def test_bash_is_told_commands_and_options(tmp_path: Path) -> None:
    assert {"jobs", "show", "run"} <= completed("jexevents ", tmp_path)
    assert "--interrupt" in completed("jexevents run --", tmp_path)


def test_bash_is_told_what_the_daemon_knows(place: Jobs, tmp_path: Path) -> None:
    asked = known(place)
    assert completed("jexevents run s", tmp_path, **asked) == {"say", "slow"}
    assert completed("jexevents run say c", tmp_path, **asked) == {"code="}
    assert completed("jexevents run choose how=f", tmp_path, **asked) == {"how=fast", "how=fine"}
    made = place.run("say", wait=30)
    name = f"say/{made['id']!r}"
    assert name in completed("jexevents show say/", tmp_path, **asked)
    assert name not in completed("jexevents signal say/", tmp_path, **asked)


@pytest.mark.parametrize("port", ["silent", "closed"])
def test_a_daemon_that_does_not_answer_has_nothing_completed(port: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        if port == "closed":
            server.close()
        assert completed("jexevents run s", tmp_path, JEXEVENTS_SERVER=url) == {""}


def completed(line: str, folder: Path, **more: str) -> set[str]:
    """Give the words that the shell is told at the end of a line."""
    answers = folder / "answers"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answers),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    done = subprocess.run(
        PYTHON, env=environment(**more) | asked, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return {word.strip() for word in answers.read_text().split("\n")}
