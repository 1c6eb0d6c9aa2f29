"""Uploads to the daemon itself: killed, started again, two nodes, pruned by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from jexevents.uploads.folder import INCOMING
from tests.acceptance.support import Daemon, rows, run
from tests.archives import bundle
from tests.support import ROOT, free_port

SECRET = "a secret of the nodes"
_KILLED = """
import os, signal, sys
from pathlib import Path
from jexevents.uploads.folder import UploadFolder
UploadFolder(Path(sys.argv[1])).incoming().write(b"x")
os.kill(os.getpid(), signal.SIGKILL)
"""


def post(daemon: Daemon) -> Any:
    files = {"techsupport_tgz": ("example.tgz", bundle())}
    answer = requests.post(f"{base(daemon)}/api/v1/files", files=files, timeout=30)
    assert answer.status_code == 201, answer.text
    return answer.json()


def base(daemon: Daemon) -> str:
    return f"http://127.0.0.1:{daemon.port}"


def test_uploaded_swept_and_pruned(start, servers, tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    subprocess.run([sys.executable, "-c", _KILLED, str(folder)], cwd=ROOT, check=False)
    assert list(folder.glob(f"{INCOMING}*"))
    daemon = start(**servers, UploadDir="../uploads").wait_ready()
    assert daemon.wait_logged("uploads_left_by_others_removed")["files"] == 1
    assert not list(folder.glob(f"{INCOMING}*"))
    event = post(daemon)
    path = folder / event["message"]["uploadedBundlePath"]
    assert path.read_bytes() == bundle()
    bad = requests.post(f"{base(daemon)}/api/v1/files", timeout=30,
                        files={"techsupport_tgz": ("example.tgz", b"no archive")})  # fmt: skip
    assert bad.status_code == 422, bad.text
    assert daemon.metric("uploads_total", outcome="taken") == 1
    assert daemon.metric("uploads_total", outcome="refused") == 1
    assert daemon.metric("upload_bytes_total") == len(bundle())
    rows(servers["DBURI"], "update jex.uploads set received_at = now() - interval '3 days'")
    done = run("prune", "--config", daemon.config, "--older-than", "1d", "--dry-run")
    assert " 1 uploads" in done.out
    lost = path.with_name("00000000-0000-4000-8000-000000000000-lost.tgz")
    lost.write_bytes(b"x")
    os.utime(lost, (1, 1))
    done = run("prune", "--config", daemon.config, "--older-than", "1d")
    assert (done.code, done.err) == (0, "")
    assert "1 uploads" in done.out.splitlines()[-2]
    assert done.out.splitlines()[-1] == "Removed 1 file that no upload is known of."
    assert not path.parent.exists()
    assert rows(servers["DBURI"], "select count(*) from jex.uploads") == [(0,)]


def test_two_nodes(start, servers) -> None:
    ports = free_port(), free_port()
    here, there = (
        start(**servers, NodeName=name, NodeSecret=SECRET, HTTPListenPort=f"127.0.0.1:{port}",
              NodeURL=f"http://127.0.0.1:{port}")
        for name, port in zip(("here", "there"), ports, strict=True)
    )  # fmt: skip
    here.wait_ready()
    there.wait_ready()
    place = f"/api/v1/files/{post(here)['uuid']}"
    assert requests.get(f"{base(there)}{place}/content", timeout=10).content == bundle()
    assert here.stop() == 0
    away = requests.get(f"{base(there)}{place}/content", timeout=10)
    assert away.status_code == 503
    assert "'here'" in json.loads(away.content)["detail"]
    assert requests.get(f"{base(there)}{place}", timeout=10).json()["node"] == "here"
    rows(servers["DBURI"], "update jex.uploads set received_at = now() - interval '3 days'")
    done = run("prune", "--config", there.config, "--older-than", "1d")
    assert "1 upload of other nodes" in done.out
    assert done.code == 0
    assert rows(servers["DBURI"], "select node from jex.uploads") == [("here",)]
    assert SECRET not in there.text
