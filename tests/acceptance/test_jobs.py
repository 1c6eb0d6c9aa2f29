"""Jobs as their users meet them: a git repository, a daemon, requests (seed overseer)."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from jexevents.definitions.repository import Repository, Source
from jexevents.executions.retention import Retention
from jexevents.hookwords import name_of_url
from jexevents.runner.folder import Held
from jexevents.runner.keeping import Keeper
from jexevents.store.database import Database
from tests.acceptance.jobs import SECONDS, WAITS_FOR
from tests.gitting import smart_http
from tests.receiver import receiving
from tests.support import free_port, wait_until
from tests.unit.definition_texts import SEED

MY_COMMAND = """#!/bin/sh
echo "$0 got $#: $1 $2 $3"
echo complaint >&2
event half-way "row 5000 of 10000"
"""
FILES = {
    "example_job.yml": SEED,
    "bin/my_command": MY_COMMAND,
    "nothing.yml": "description: does nothing\n",
    "waits.yml": WAITS_FOR,
    "fails.yml": "command: exit 3\n",
    "says.yml": "command: echo {{ x }}\nvars: [{name: x}]\n",
    "lists.yml": "command: echo {{ xs }}\nvars: [{name: xs, type: seq}, {name: n, type: int}]\n",
    "changes.yml": "command: echo {{ x }}\nvars: [{name: x}]\n",
    "counted.yml": "description: run by one test\n",
    "refuses.yml": SEED,
    "paused.yml": "description: paused by one test\n",
    "once.yml": "command: echo {{ x }}\nvars: [{name: x}]\n",
}


@pytest.fixture(scope="module")
def place(shared_jobs):
    return shared_jobs(FILES)


def test_the_example_of_the_seed(place):
    done = place.run("example-job", wait=SECONDS, positional_var="it's $HOME", some_opt="b")
    assert (done["state"], done["status"], done["exit_code"]) == ("COMPLETE", "complete", 0)
    assert place.written(done).endswith(b"/bin/my_command got 3: it's $HOME --some-opt b\n")
    assert place.written(done, "stderr") == b"complaint\n"
    names = [event["event"] for event in done["events"]]
    assert names == ["requested", "claimed", "start", "half-way", "complete"]
    assert [event["auto"] for event in done["events"]] == [True, True, True, False, True]
    half = place.get(f"/jobs/example-job/{done['id']}/half-way").json()
    assert (half["cause"], half["count"]) == ("row 5000 of 10000", 1)
    assert done["command"] == """my_command 'it'"'"'s $HOME' --some-opt b"""
    assert done["commit"] == place.origin.git("rev-parse", "HEAD")
    in_ledger = place.get(f"/ledger/jobs/{done['uuid']}").json()
    assert in_ledger["command"]["definition"] == "example-job"


def test_lists_and_documents(place):
    answer = place.get("/jobs")
    names = [job["name"] for job in answer.json()]
    assert {"example-job", "nothing"} < set(names)
    assert names == sorted(names)
    assert answer.headers["X-Jexevents-Commit"] == place.origin.git("rev-parse", "HEAD")
    for _ in range(3):
        place.run("counted")
    job = place.get("/jobs/counted?limit=2").json()
    assert len(job["executions"]) == 2
    rest = place.get(job["next"]).json()
    assert (len(rest["executions"]), rest["next"]) == (1, None)
    ids = [one["id"] for one in job["executions"] + rest["executions"]]
    assert ids == sorted(ids, reverse=True)
    few = place.get("/jobs/counted?state=COMPLETE&limit=1").json()
    assert parse_qs(urlsplit(few["next"]).query) == {
        "state": ["COMPLETE"],
        "limit": ["1"],
        "before": [repr(ids[0])],
    }
    assert place.get("/jobs/example-job").json()["definition"]["schedule"][0]["frequency"] == 3600
    assert place.get("/jobs/unknown").status == 404
    assert place.get(f"/jobs/counted/{ids[0] + 1}").status == 404
    assert place.get(f"/jobs/says/{ids[0]}").status == 404


def test_an_id_in_any_form(place):
    done = place.run("nothing")
    micros = round(done["id"] * 1_000_000)
    for form in (f"{micros / 10**6:.6f}", f"{micros // 10**6}.{micros % 10**6:06}000"):
        assert place.get(f"/jobs/nothing/{form}").json()["id"] == done["id"]
    assert place.get(f"/jobs/nothing/{micros // 10**6}.{micros % 10**6:06}1").status == 404


def test_a_job_that_has_nothing_to_run_completes_at_once(place):
    answer = place.ask("POST", "/jobs/nothing")
    done = answer.json()
    assert (answer.status, done["state"], done["attempts"]) == (202, "COMPLETE", [])
    assert [event["event"] for event in done["events"]] == ["requested", "start", "complete"]


def test_values_by_json_form_and_query(place):
    for body, query, headers in (
        (json.dumps({"x": "a b"}).encode(), "", {}),
        (urlencode({"x": "a b"}).encode(), "",
         {"Content_Type": "application/x-www-form-urlencoded"}),
        (b"", "&x=a%20b", {}),
    ):  # fmt: skip
        answer = place.ask("POST", f"/jobs/says?wait={SECONDS}{query}", body, **headers)
        assert (answer.status, answer.json()["values"]) == (200, {"x": "a b"}), answer.body
        assert place.written(answer.json()) == b"a b\n"


def test_a_list_comes_as_several_texts_by_form_and_query_alike(place):
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for body, query, headers in (
        (b"", "&xs=a%20b&xs=c", {}),
        (b"xs=a+b&xs=c", "", form),
        (b"n=1", "&xs=a%20b&xs=c", form),
        (b'{"n": 1}', "&xs=a%20b&xs=c", {}),
    ):
        answer = place.ask("POST", f"/jobs/lists?wait={SECONDS}{query}", body, **headers)
        assert (answer.status, answer.json()["values"]["xs"]) == (200, ["a b", "c"]), answer.body
    for path in ("/jobs/lists?wait=1&wait=2", "/jobs/lists?n=1&n=2"):
        answer = place.ask("POST", path)
        assert answer.status in (400, 422), answer.body
    assert place.ask("POST", "/jobs/lists?wait=1&wait=2").status == 400
    assert place.ask("GET", "/jobs/lists?limit=1&limit=2").status == 400


def test_a_body_that_is_none_is_told_what_would_be_one(place):
    refused = place.ask("POST", "/jobs/says", b"x: 1", Content_Type="text/yaml").json()
    taken = "application/json or application/x-www-form-urlencoded"
    assert (refused["status"], refused["errors"][0]["expected"]) == (415, taken)
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for body, got in ((b"x=1&y", '"y"'), (b"x=1&&", "an empty field"), (b"x=%ff", "other bytes")):
        refused = place.ask("POST", "/jobs/says", body, **form).json()
        (fault,) = refused["errors"]
        assert (refused["status"], fault["got"]) == (400, got)
    (fault,) = place.ask("POST", "/jobs/says", b"[1]").json()["errors"]
    assert fault["got"] == "array"


def test_the_uuid_of_an_execution_is_told_where_it_is_found(place):
    done = place.run("nothing")
    answer = place.get(f"/jobs/{done['uuid']}")
    assert answer.status == 404
    assert f"see /ledger/jobs/{done['uuid']}" in answer.json()["detail"]
    assert "of the kind command" in answer.json()["detail"]


def test_states_that_no_job_can_have_are_refused(place):
    done = place.run("nothing")
    for query in ("kind=command&state=COMPLETE", "state=COMPLETE", f"key={done['id']}"):
        assert place.get(f"/ledger/jobs?{query}").json()["items"]
    for query in ("state=Running", "kind=condor&state=Running", "kind=pipeline&state=RESET"):
        assert place.get(f"/ledger/jobs?{query}").status == 200
    for query, shown in (
        ("state=QUED", "Submitted"),
        ("kind=command&state=Running", "QUEUED or RUNNING"),
        ("kind=condor&state=LOST", "Submitted or Running or Completed or Failed"),
    ):
        answer = place.get(f"/ledger/jobs?{query}")
        assert answer.status == 400
        assert shown in answer.json()["errors"][0]["expected"]


def test_wrong_values_are_refused_each(place):
    answer = place.ask("POST", "/jobs/refuses", {"some_opt": "z", "other": 1})
    assert answer.status == 422
    assert {one["pointer"] for one in answer.json()["errors"]} >= {"/some_opt", "/other"}
    assert place.get("/jobs/refuses").json()["executions"] == []


def test_an_idempotency_key_makes_one_execution(place):
    first = place.ask("POST", "/jobs/once", {"x": "1"}, Idempotency_Key="k1").json()
    again = place.ask("POST", "/jobs/once", {"x": "1"}, Idempotency_Key="k1").json()
    assert again["id"] == first["id"]
    assert place.ask("POST", "/jobs/once", {"x": "2"}, Idempotency_Key="k1").status == 409
    nothing = [place.ask("POST", "/jobs/nothing", Idempotency_Key="k1").json() for _ in range(2)]
    assert nothing[0]["id"] == nothing[1]["id"] != first["id"]
    assert len(place.get("/jobs/once").json()["executions"]) == 1


def test_off_the_active_list_and_back(place):
    assert place.ask("DELETE", "/jobs/paused").json()["active"] is False
    assert place.ask("DELETE", "/jobs/paused").status == 200
    refused = place.ask("POST", "/jobs/paused")
    assert refused.status == 409
    assert "active list" in refused.json()["detail"]
    assert [job["active"] for job in place.get("/jobs").json() if job["name"] == "paused"] == [
        False
    ]
    assert place.ask("PUT", "/jobs/paused").json()["active"] is True
    made = place.ask("POST", "/jobs/paused")
    assert made.status == 202
    again = place.ask("PUT", "/jobs/paused").json()
    assert [one["id"] for one in again["executions"]] == [made.json()["id"]]


def test_signals_and_words(place, tmp_path):
    flag = tmp_path / "flag"
    going = place.run("waits", file=str(flag))
    place.wait_state(going, "RUNNING")
    stopped = place.put(going, "stop", cause="lunch")
    assert (stopped.status, stopped.json()["state"]) == (200, "STOPPED")
    assert place.put(going, "continue").json()["state"] == "RUNNING"
    said = place.put(going, "looks-good", cause="said ann").json()
    assert (said["status"], said["state"]) == ("looks-good", "RUNNING")
    assert said["events"][-1]["data"]["by"] == "run" or said["events"][-1]["cause"] == "said ann"
    for name in ("stdout", "output", "schedule", ""):
        assert place.put(going, name).status == 422
    ended = place.put(going, "terminate", cause="enough")
    assert ended.status == 200
    done = place.wait_over(going)
    assert (done["state"], done["phase"], done["exit_signal"]) == ("KILLED", "CANCELLED", 15)
    assert done["reason"] == "Terminated on request: enough; signal 15 (SIGTERM)"
    assert place.put(going, "kill").status == 409
    late = place.put(going, "reviewed", cause="too late").json()
    assert (late["state"], late["status"]) == ("KILLED", "fail")
    assert late["events"][-1]["event"] == "reviewed"
    wait_until(lambda: place.place(going).standing().held is not Held.ALIVE, SECONDS, "its end")


def test_a_word_of_the_job_never_ends_it(jobs, tmp_path):
    flag = tmp_path / "flag"
    waits = f"while ! test -e {flag}; do sleep 0.02; done"
    place = jobs({"liar.yml": f"command: event complete; event lost; {waits}; exit 4"})
    going = place.run("liar")
    wait_until(lambda: len(place.at(going)["events"]) >= 5, SECONDS, "its words")
    lied = place.at(going)
    assert (lied["state"], lied["status"]) == ("RUNNING", "lost")
    flag.touch()
    done = place.wait_over(going)
    assert (done["state"], done["exit_code"], done["status"]) == ("FAILED", 4, "fail")


def test_what_waits_is_cancelled(jobs, tmp_path):
    place = jobs(FILES, WorkerSlots=1)
    flag = tmp_path / "flag"
    first = place.run("waits", file=str(flag))
    place.wait_state(first, "RUNNING")
    second = place.run("fails")
    assert place.at(second)["state"] == "QUEUED"
    assert place.put(second, "stop").status == 409
    assert place.put(second, "noted", cause="by the way").json()["status"] == "noted"
    cancelled = place.put(second, "terminate", cause="not needed").json()
    assert (cancelled["state"], cancelled["reason"]) == ("CANCELLED", "not needed")
    flag.touch()
    assert place.wait_over(first)["state"] == "COMPLETE"
    assert place.at(second)["attempts"] == []


def test_repeated_on_its_commit_and_on_the_newest(place):
    first = place.run("changes", wait=SECONDS, x="1")
    place.origin.commit(changes__yml="command: echo new {{ x }}\nvars: [{name: x}]\n")
    assert place.refresh()["commit"] == place.origin.git("rev-parse", "HEAD")
    path = f"/jobs/changes/{first['id']}"
    again = place.ask("POST", f"{path}?wait={SECONDS}").json()
    newest = place.ask("POST", f"{path}?wait={SECONDS}&commit=newest").json()
    assert place.written(again) == b"1\n"
    assert place.written(newest) == b"new 1\n"
    assert (again["commit"], again["repeats"]) == (first["commit"], first["id"])
    assert newest["commit"] != first["commit"]
    assert place.ask("POST", path, {}).status == 202
    for body in ({"x": "2"}, [], 5):
        refused = place.ask("POST", path, body)
        assert refused.status == 422, body
        assert "with the values that it had" in refused.json()["detail"]


def test_a_broken_commit_keeps_the_last_good_one(place):
    good = place.origin.git("rev-parse", "HEAD")
    place.origin.commit(fails__yml="command: [\n", says__yml="comand: x\n")
    told = place.refresh()
    assert told["commit"] == good
    assert {problem["file"] for problem in told["problems"]} == {"fails.yml", "says.yml"}
    assert all(problem["line"] for problem in told["problems"])
    listed = place.get("/jobs")
    assert "X-Jexevents-Fault" in listed.headers
    assert place.run("fails", wait=SECONDS)["exit_code"] == 3
    place.daemon.wait_logged("repository_fault")
    place.origin.commit(fails__yml="command: exit 5\n", says__yml=FILES["says.yml"])
    assert place.refresh()["fault"] is None
    assert place.run("fails", wait=SECONDS)["exit_code"] == 5


def test_nothing_of_the_daemons_environment_reaches_a_job(jobs):
    seen = jobs({"env.yml": "command: env\nenv: {MINE: '1'}\n"}, NodeName="two")
    done = seen.run("env", wait=SECONDS)
    told = dict(line.split("=", 1) for line in seen.written(done).decode().splitlines())
    assert told["MINE"] == "1"
    assert told["JEXEVENTS_JOB"] == "env"
    assert told["JEXEVENTS_ID"] == str(done["id"])
    assert "PYTHONPATH" not in told
    library, own = told["PATH"].split(":")[:2]
    assert library.endswith("/library")
    assert own.endswith("/bin")
    assert set(told) <= {
        "HOME", "LANG", "LOGNAME", "MINE", "PATH", "PWD", "OLDPWD", "SHELL", "SHLVL", "USER", "_",
        "JEXEVENTS_ATTEMPT", "JEXEVENTS_CHECKOUT", "JEXEVENTS_COMMIT", "JEXEVENTS_CONTROL",
        "JEXEVENTS_EXECUTION", "JEXEVENTS_ID", "JEXEVENTS_JOB", "JEXEVENTS_PYTHON",
    }  # fmt: skip


def test_secrets_reach_the_job_and_nothing_else(jobs, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("open-sesame\n")
    place = jobs(
        {"tells.yml": "command: echo $KEY; event said $KEY\nsecrets: [KEY]\n",
         "lacks.yml": "command: 'true'\nsecrets: [OTHER]\n"},
        JobSecrets={"KEY": {"File": str(secret)}},
    )  # fmt: skip
    done = place.run("tells", wait=SECONDS)
    assert place.written(done) == b"***\n"
    assert "open-sesame" not in json.dumps(done)
    assert not place.rows(
        "select 1 from jex.events where raw::text like '%6f70656e2d736573616d65%'"
    )
    assert "open-sesame" not in place.daemon.text
    failed = place.run("lacks", wait=SECONDS)
    assert failed["state"] == "FAILED"
    assert "OTHER" in failed["reason"]
    output = place.get(f"/jobs/lacks/{failed['id']}/output")
    assert (output.status, output.body) == (200, b""), "what never began has written nothing"


@pytest.mark.parametrize("role", ["read", "write"])
def test_who_may_not_run(place, role):
    from tests.acceptance.support import make_token

    token = make_token(place.daemon.config, role)[1]
    for method, path in (
        ("POST", "/jobs/nothing"), ("PUT", "/jobs/nothing"), ("DELETE", "/jobs/nothing"),
        ("POST", "/jobs/-/refresh"), ("PUT", "/jobs/nothing/1.5"), ("POST", "/jobs/nothing/1.5"),
    ):  # fmt: skip
        assert place.daemon.ask(method, path, {"event": "x"}, token=token).status == 403
        assert place.daemon.ask(method, path, {"event": "x"}).status == 401


def test_a_job_that_runs_too_long_is_ended(jobs):
    """TERM, and KILL after the grace, to all that it has started; in time, not ten times late."""
    place = jobs(
        {"long.yml": "command: trap '' TERM; sleep 300 & sleep 300\ntimeout: 0.3\n"},
        JobGraceSeconds=0.2,
    )
    done = place.run("long", wait=SECONDS)
    assert (done["state"], done["phase"], done["status"]) == ("TIMED-OUT", "ERROR", "time-out")
    assert 0.3 <= done["events"][-1]["data"]["run_seconds"] < 5
    wait_until(lambda: not place.processes(), SECONDS, "its processes to be gone")


def test_hooks_get_the_document_of_the_seed_with_a_url_that_answers(jobs):
    with receiving() as receiver:
        port = free_port()
        place = jobs(
            {"hooked.yml": "command: event half-way; exit 3\n"
             f"hooks: {{half-way: '{receiver.url}/a', fail: ['{receiver.url}/b'], "
             "complete: 'job:nothing', start: 'job:nothing'}\n", "nothing.yml": "{}\n"},
            HTTPListenPort=f"127.0.0.1:{port}",
            PublicURL=f"http://127.0.0.1:{port}",
        )  # fmt: skip
        done = place.run("hooked", wait=SECONDS)
        got = {one.path: one.json() for one in receiver.wait_for(2)}
        for path, status in (("/a", "half-way"), ("/b", "fail")):
            assert got[path] == {
                "job": "hooked", "execution": done["id"], "status": status,
                "metadata": f"http://127.0.0.1:{port}/jobs/hooked/{done['id']}",
            }  # fmt: skip
        shown = place.get("/jobs/hooked").json()["definition"]["hooks"]
        assert "/b" not in json.dumps(shown), "a path can be what lets somebody in"
        assert shown["start"] == ["job:nothing"]
        there = got["/b"]["metadata"].removeprefix(f"http://127.0.0.1:{port}")
        assert place.get(there).json()["uuid"] == done["uuid"]
        started = wait_until(
            lambda: place.get("/jobs/nothing").json()["executions"], SECONDS, "the job of the hook"
        )
        assert [one["state"] for one in started] == ["COMPLETE"], "for start, and not for complete"


def test_an_event_is_called_the_same_wherever_it_is_shown(jobs):
    """In the body, in the delivery, in the execution and in the ledger; so is the status."""
    with receiving() as receiver:
        names = ["requested", "start", "half-way", "fail"]
        hooks = ", ".join(f"{name}: {receiver.url}" for name in names)
        text = f"command: event half-way; exit 3\nhooks: {{{hooks}}}\n"
        place = jobs({"hooked.yml": text}, Hooks=[
            {"Name": "all", "URL": f"{receiver.url}/all", "Kinds": ["command"]},
        ])  # fmt: skip
        done = place.run("hooked", wait=SECONDS)
        events = [one["event"] for one in done["events"]]
        assert events == ["requested", "claimed", "start", "half-way", "fail"]
        came = receiver.wait_for(len(names) + len(events))
        bodies = [one.json() for one in came]
        assert [body["status"] for body in bodies if "status" in body] == names
        told = [body["data"] for body in bodies if "data" in body]
        assert [body["event"]["name"] for body in told] == events
        statuses = ["requested", "requested", "start", "half-way", "fail"]
        assert [body["job"]["status"] for body in told] == statuses
        own, configured = name_of_url(receiver.url), "all"
        for hook, expected in ((own, names), (configured, statuses)):
            rows = place.get(f"/hooks/{hook}/deliveries").json()["items"][::-1]
            assert [row["name"] for row in rows] == [n for n in events if hook != own or n in names]
            assert [row["job"]["status"] for row in rows] == expected
        in_ledger = place.get(f"/ledger/jobs/{done['uuid']}").json()
        assert done["status"] == in_ledger["command"]["status"] == "fail"


def test_hooks_for_a_failure_wait_for_the_last_attempt(jobs):
    """Of the definition, and of the configuration by state; those for events get them all."""
    with receiving() as receiver:
        hooks = dict.fromkeys(("fail", "retried", "time-out", "lost"), f"{receiver.url}/own")
        place = jobs(
            {"again.yml": "command: exit 3\nretries: {count: 2, backoff: 0}\n"
             f"hooks: {json.dumps(hooks)}\n"},
            Hooks=[
                {"Name": "errors", "URL": f"{receiver.url}/errors", "States": ["ERROR", "FAILED"]},
                {"Name": "fails", "URL": f"{receiver.url}/fails", "Events": ["fail"]},
                {"Name": "waits", "URL": f"{receiver.url}/waits", "States": ["QUEUED"]},
            ],
        )  # fmt: skip
        done = place.run("again", wait=SECONDS)
        assert (done["state"], done["attempt"]) == ("FAILED", 3)
        retried = [one for one in done["events"] if one["event"] == "retried"]
        assert [(one["attempt"], one["data"]["delay_seconds"]) for one in retried] == [
            (2, 0), (3, 0),
        ]  # fmt: skip
        assert retried[0]["data"]["reason"].startswith("Attempt 1 of 3: ")
        got: dict[str, list] = {}
        for one in receiver.wait_for(3 + 1 + 3 + 3):
            document = one.json()
            got.setdefault(one.path, []).append(
                document.get("status") or document["data"]["event"]["name"]
            )
        assert got == {
            "/own": ["retried", "retried", "fail"],
            "/errors": ["fail"],
            "/fails": ["fail", "fail", "fail"],
            "/waits": ["requested", "retried", "retried"],
        }


def test_an_event_of_smrt_link_starts_a_job(jobs):
    place = jobs(
        {"analyse.yml": "command: echo {{ jobId }} of {{ source }}\n"
         "vars: [{name: jobId, type: int}, {name: source}]\n"},
        Hooks=[{"Name": "auto", "URL": "job:analyse", "Events": ["sl_job_metrics"]}],
    )  # fmt: skip
    system = "1073f4ff-c2b9-5190-bd9a-e6a406d9796a"
    sent = {
        "smrtLinkId": system, "uuid": "2073f4ff-c2b9-5190-bd9a-e6a406d9796a",
        "createdAt": "2026-01-02T12:00:00.000Z", "eventTypeId": "sl_job_metrics",
        "eventTypeVersion": 1, "message": {"jobId": 7, "jobTypeId": "import-dataset",
        "jobState": "SUCCESSFUL"},
    }  # fmt: skip
    answer = place.daemon.ask("POST", "/api/v1/events", sent, token=place.admin)
    assert answer.status == 201, answer.body
    (execution,) = wait_until(
        lambda: place.get("/jobs/analyse").json()["executions"], SECONDS, "the job of the hook"
    )
    done = place.wait_over(execution)
    assert (done["trigger"], done["state"]) == ("hook", "COMPLETE"), done


def test_the_example_of_the_seed_over_http(jobs):
    """From a repository that git's own server gives out, and that is pushed to meanwhile."""
    place = jobs(FILES)
    with smart_http(place.origin.folder.parent) as url:
        place.daemon.stop()
        place.start_again(JobsRepository=f"{url}/origin/.git")
        done = place.run("example-job", wait=SECONDS, positional_var="x", some_opt="a")
        assert (done["state"], done["exit_code"]) == ("COMPLETE", 0)
        place.origin.commit(says__yml="command: echo pushed\n")
        place.daemon.send(signal.SIGHUP)
        head = place.origin.git("rev-parse", "HEAD")
        wait_until(
            lambda: place.get("/jobs/-").json()["commit"] == head, SECONDS, "what HUP asked for"
        )
        assert place.written(place.run("says", wait=SECONDS)) == b"pushed\n"


def test_outputs_are_removed_after_their_time(place):
    done = place.run("example-job", wait=SECONDS, positional_var="x", some_opt="c")
    path = f"/jobs/example-job/{done['id']}"
    assert place.get(f"{path}/stdout").status == 200
    place.rows(
        "update jex.execution_attempts set settled_at = settled_at - interval '31 days'"
        f" where job_id = '{done['uuid']}'"
    )
    database = Database(place.options["DBURI"])
    with closing(database):
        keeper = Keeper(
            Retention(database, "one"),
            Repository(Source(place.origin.url), place.folder / "other", "one"),
            place.runs,
            keep_seconds=30 * 86400,
            in_hand=set,
            ready=lambda _seconds: True,
        )
        keeper.keep()
    gone = place.get(f"{path}/stdout")
    assert (gone.status, "removed" in gone.json()["detail"]) == (410, True)
    assert not place.place(done).path.exists()
    assert place.get(path).json()["attempts"][0]["removed_at"]
