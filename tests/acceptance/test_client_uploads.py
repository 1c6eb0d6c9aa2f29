"""The command that uploads, to a daemon: by token and by signature, once over all attempts."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.acceptance.support import make_token, rows, run
from tests.archives import SYSTEM, bundle, member
from tests.support import free_port, wait_until

NOISE = random.Random(7).randbytes(6_000_000)


def uploaded(*arguments: object, **variables: str) -> tuple[int, dict | None, str]:
    done = run("smrtlink", "upload", "--try-for", "20s", *arguments, **variables)
    return done.code, json.loads(done.out) if done.out else None, done.err


def test_uploads_by_token_and_by_signature(start, servers, tmp_path: Path) -> None:
    clients = {"lab": {"Secret": "a secret", "System": SYSTEM}}
    daemon = start(**servers, SMRTLinkClients=clients, UploadDir="../uploads").wait_ready()
    _, token = make_token(daemon.config, "write")
    url = f"http://127.0.0.1:{daemon.port}"
    wait_until(lambda: daemon.ask("POST", "/api/v1/files").status == 401, 10, "the token to count")
    path = tmp_path / "grün.tgz"
    path.write_bytes(bundle(None, member("noise", NOISE)))
    code, event, err = uploaded(path, "--url", url, "--key", "mine", JEXEVENTS_TOKEN=token)
    assert (code, err) == (0, "")
    kept = tmp_path / "uploads" / event["message"]["uploadedBundlePath"]
    assert kept.read_bytes() == path.read_bytes()
    again = uploaded(path, "--url", url, "--key", "mine", JEXEVENTS_TOKEN=token)
    assert (again[0], again[1]["uuid"]) == (0, event["uuid"])
    signed = uploaded(path, "--url", url, "--hmac", "lab", JEXEVENTS_SMRTLINK_SECRET="a secret")
    assert signed[0] == 0
    assert signed[1]["uuid"] != event["uuid"]
    assert rows(servers["DBURI"], "select count(*) from jex.uploads") == [(2,)]


def test_what_is_refused_is_told_at_once_however_long_it_is(start, servers, tmp_path: Path) -> None:
    """The answer is read, though it comes before the server has taken the whole body."""
    daemon = start(**servers, UploadDir="../uploads").wait_ready()
    url = f"http://127.0.0.1:{daemon.port}"
    path = tmp_path / "example.tgz"
    path.write_bytes(bundle(b"{}", member("noise", NOISE)))
    code, _, err = uploaded(path, "--url", url)
    assert (code, "422" in err, "trying again" in err) == (65, True, False)
    path.write_bytes(NOISE * 5)
    code, _, err = uploaded(path, "--url", url)
    assert (code, "413" in err, "trying again" in err) == (65, True, False)
    make_token(daemon.config, "write")
    wait_until(lambda: daemon.ask("POST", "/api/v1/files").status == 401, 10, "the token to count")
    path.write_bytes(bundle(None, member("noise", NOISE)))
    code, _, err = uploaded(path, "--url", url)
    assert (code, "401" in err, "trying again" in err) == (65, True, False)


def test_a_daemon_that_is_started_late(start, servers, tmp_path: Path) -> None:
    port = free_port()
    path = tmp_path / "example.tgz"
    path.write_bytes(bundle())
    daemon = start(**servers, HTTPListenPort=f"127.0.0.1:{port}", UploadDir="../uploads")
    # Not waited for: it comes while the command tries.
    code, event, _ = uploaded(path, "--config", daemon.config)
    assert (code, event and event["smrtLinkId"]) == (0, SYSTEM), daemon.text
