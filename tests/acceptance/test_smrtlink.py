"""The event server of SMRT Link as its users meet it: the seed's variables, requests and files."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from jexevents import smrthmac
from tests.acceptance.support import make_token, publish, run
from tests.archives import bundle, manifest
from tests.support import free_port, wait_until

SYSTEM = "2319db24-f46e-11e6-a35c-3c15c2cc8f88"


def event(**members: object) -> dict:
    return {
        "smrtlinkId": SYSTEM,
        "uuid": str(uuid.uuid4()),
        "createdAt": "2017-02-16T08:36:21.082-08:00",
        "eventTypeId": "smrtlink_job_change_state",
        "eventTypeVersion": 1,
        "message": {"jobId": 1234, "jobTypeId": "pbsmrtpipe", "state": "SUCCCESSFUL"},
        **members,
    }


def test_the_seeds_variables_and_a_file_for_each_event(start, servers, tmp_path: Path) -> None:
    port, root = free_port(), tmp_path / "events" / "below"
    variables = {"SMRTFLOW_SERVER_PORT": str(port), "SMRTFLOW_EVENT_ROOT_DIR": str(root)}
    daemon = start(variables=variables, **servers).wait_ready()
    assert daemon.port == port
    assert root.is_dir()
    by_http, by_amqp = event(), event(message={"jobId": 2, "jobTypeId": "x", "state": "FAILED"})
    answer = daemon.ask("POST", "/api/v1/events", by_http)
    assert answer.status == 201, answer.body
    publish(servers["AMQPURI"], [json.dumps(by_amqp).encode()])
    for sent in (by_http, by_amqp):
        path = root / SYSTEM / f"{sent['uuid']}.json"
        wait_until(path.exists, 10, "the file")
        assert path.read_text().count("\n") == 1
        assert json.loads(path.read_text()) == daemon.get(f"/api/v1/events/{sent['uuid']}").json()
    assert daemon.wait_job(f"{SYSTEM}#2")["phase"] == "ERROR"
    assert daemon.ask("GET", "/status").json()["uptime"] > 0
    # What the server itself refuses has the members of the surface, too.
    long = daemon.ask("POST", "/api/v1/events", None, **{"Content-Length": "9999999999"})
    assert (long.status, long.json()["httpCode"]) == (413, 413)


def test_a_signature_opens_a_ledger_with_tokens(start, servers) -> None:
    clients = {"ann": "a secret", "lab": {"Secret": "another", "System": SYSTEM}}
    daemon = start(SMRTLinkClients=clients, **servers).wait_ready()
    _, token = make_token(daemon.config, "write")
    path = "/api/v1/events"
    wait_until(lambda: daemon.ask("POST", path, event()).status == 401, 10, "the token to count")

    def signed(uid: str, secret: str, document: dict) -> int:
        header = smrthmac.header(uid, secret, "POST", path, time.time())
        return daemon.ask("POST", path, document, Authentication=header).status

    assert daemon.ask("POST", path, event(), token).status == 201
    assert signed("ann", "a secret", event()) == 201
    assert signed("ann", "no secret", event()) == 401
    bare = event()
    del bare["smrtlinkId"]
    assert signed("lab", "another", bare) == 201
    assert signed("lab", "another", event(smrtlinkId=str(uuid.uuid4()))) == 403
    assert "a secret" not in daemon.text


def test_a_schema_of_the_sites_own(start, servers, tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    schema = {"type": "object", "required": ["room"], "properties": {"room": {"type": "integer"}}}
    (folder / "door_opened.3.json").write_text(json.dumps(schema))
    daemon = start(SMRTLinkSchemas=str(folder), **servers).wait_ready()
    opened = event(eventTypeId="door_opened", eventTypeVersion=3, message={"room": "a"})
    answer = daemon.ask("POST", "/api/v1/events", opened)
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (422, "/message/room")
    assert daemon.ask("POST", "/api/v1/events", {**opened, "message": {"room": 7}}).status == 201
    assert daemon.get("/schemas/smrtlink/door_opened.3").json() == schema
    assert daemon.metric("smrtlink_unknown_types_total") == 0
    unknown = event(eventTypeId="door_closed", message={})
    assert daemon.ask("POST", "/api/v1/events", unknown).status == 201
    assert daemon.metric("smrtlink_unknown_types_total") == 1


def test_a_schema_that_is_none_ends_the_start(start, servers, tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "bad.1.json").write_text('{"type": "nonsense"}')
    daemon = start(SMRTLinkSchemas=str(folder), **servers)
    assert daemon.wait() == 78
    assert "bad.1.json" in daemon.text


def test_a_token_of_one_system_by_the_command(start, servers) -> None:
    daemon = start(**servers).wait_ready()
    arguments = ("token", "make", "--config", daemon.config, "--system", SYSTEM)
    assert run(*arguments, "--role", "admin").code == 64
    assert run(*arguments[:-1], "nonsense", "--role", "write").code == 64
    made = run(*arguments, "--role", "write", "--role", "read")
    assert made.code == 0, made.err
    token = made.out.strip()
    assert SYSTEM in run("token", "list", "--config", daemon.config).out
    bare = event()
    del bare["smrtlinkId"]
    path = "/api/v1/events"
    wait_until(lambda: daemon.ask("POST", path, bare, token).status == 201, 10, "the token")
    assert daemon.get("/ledger/jobs", token).status == 403


@pytest.mark.parametrize("has_token", [False, True], ids=["open", "token"])
def test_every_request_of_the_seed_by_curl(start, servers, tmp_path: Path, has_token: bool) -> None:
    daemon = start(UploadDir=str(tmp_path / "uploads"), **servers).wait_ready()
    header: list[str] = []
    if has_token:
        _, token = make_token(daemon.config, "read", "write")
        header = ["-H", f"Authorization: Bearer {token}"]
        wait_until(lambda: daemon.get("/api/v1/events").status == 401, 10, "the token to count")
    sent = event()
    archive = tmp_path / "example.tgz"
    archive.write_bytes(bundle(manifest(smrtLinkSystemId=SYSTEM)))

    def curl(*arguments: str, path: str) -> tuple[int, Any]:
        url = f"http://localhost:{daemon.port}{path}"
        command = ["curl", "-s", "-w", "\n%{http_code}", *header, *arguments, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body)

    assert curl(path="/status")[0] == 200
    status, stored = curl("--data", json.dumps(sent), path="/api/v1/events")
    assert (status, stored["uuid"]) == (201, sent["uuid"])
    assert curl(path=f"/api/v1/events/{sent['uuid']}") == (200, stored)
    assert curl(path=f"/api/v1/events/smrt-link/{SYSTEM}") == (200, [stored])
    status, told = curl("-F", f"techsupport_tgz=@{archive}", path="/api/v1/files")
    assert (status, told["eventTypeId"]) == (201, "sl_ts_bundle_system_status")
    kept = tmp_path / "uploads" / told["message"]["uploadedBundlePath"]
    assert kept.read_bytes() == archive.read_bytes()
    assert curl(path=f"/api/v1/events/smrt-link/{SYSTEM}") == (200, [told, stored])
    assert curl(path="/api/v1/files")[1][0]["id"] == told["uuid"]
