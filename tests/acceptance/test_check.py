"""``jexevents check`` says what the daemon would meet, and makes nothing."""

import json
import os
import shutil
import signal
import stat
import subprocess
from functools import partial
from pathlib import Path

import pytest

from jexevents.cli.folders import look_at
from jexevents.errors import ConfigError
from tests.acceptance.support import PYTHON, environment, make_token, run, write_config
from tests.gitting import Origin, dumb_http, smart_http
from tests.support import wait_until

NOBODY = 65534
OVERSEER = {"Name": "board", "URL": "http://127.0.0.1:1/", "Format": "overseer"}


@pytest.fixture
def check(tmp_path, servers):
    """Run the command with these options."""

    def run_it(**options):
        return run("check", "--config", write_config(tmp_path, servers | options))

    return run_it


def test_the_schemas_of_the_site(check, tmp_path):
    folder = tmp_path / "schemas"
    folder.mkdir()
    assert "ok    schemas: 0 of your own\n" in check(SMRTLinkSchemas=str(folder)).out
    (folder / "lab_freezer_alarm.1.json").write_text("{}")
    done = check(SMRTLinkSchemas=str(folder))
    assert done.code == 0, done.err
    assert "ok    schemas: 1 of your own (lab_freezer_alarm.1)\n" in done.out
    (folder / "lab.json").write_text("{}")
    done = check(SMRTLinkSchemas=str(folder))
    assert done.code == 78
    assert "WRONG schemas" in done.err
    assert "lab.json: expected a name with a version" in done.err
    done = check(SMRTLinkSchemas=str(tmp_path / "nowhere"))
    assert done.code == 78
    assert "WRONG schemas" in done.err


@pytest.mark.parametrize("option", ["UploadDir", "SMRTLinkEventDir", "JobsDir"])
def test_folders_that_are_written_to(check, tmp_path, option):
    (tmp_path / "file").write_text("")
    if option == "JobsDir":
        origin = Origin(tmp_path / "origin")
        origin.commit(a__yml="command: x\n")
        check = partial(check, JobsRepository=origin.url)
    done = check(**{option: str(tmp_path / "file" / "below")})
    assert done.code == 78
    assert f"{option}: {tmp_path / 'file'} is no folder." in done.err
    folder = tmp_path / "made" / "later"
    done = check(**{option: str(folder)})
    assert done.code == 0, done.err
    assert f"{folder} will be made when the daemon starts, by " in done.out
    assert not folder.parent.exists()
    folder.mkdir(parents=True)
    assert f"{folder} can be written by " in check(**{option: str(folder)}).out


def test_jobs(check, monkeypatch):
    assert "jobs:" not in check().out
    done = check(JobsRepository="--upload-pack=sh")
    assert done.code == 78
    assert "WRONG jobs: The repository of jobs cannot be used" in done.err
    monkeypatch.setenv("PATH", "/nowhere")
    done = check(JobsRepository="https://example.org/jobs.git")
    assert done.code == 78
    assert "WRONG jobs: There is no git program." in done.err


def test_a_folder_of_somebody_else(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        for folder in (locked, locked / "below"):
            with pytest.raises(ConfigError, match=r"UploadDir: .* cannot be written by \w+"):
                list(look_at("UploadDir", str(folder)))
    finally:
        if is_root:
            os.seteuid(0)


def test_nothing_is_made(tmp_path, vhost):
    config = write_config(tmp_path, {"AMQPURI": vhost})
    done = run("check", "--config", config)
    assert done.code == 78
    assert f"WRONG PostgreSQL: {tmp_path / 'var' / 'postgres'} has no database yet" in done.err
    assert "jexevents migrate" in done.err
    assert os.listdir(tmp_path) == [config.name]


def test_what_callers_may_do_without_a_token(check, start, servers):
    assert "ok    PostgreSQL: no token: read and write are open on loopback\n" in check().out
    opened = check(AnonymousRoles=["read"]).out
    assert "without a token all callers have read (AnonymousRoles)\n" in opened
    trusting = check(TrustedProxies=["127.0.0.1", "::1"]).out
    assert "from 127.0.0.1 and ::1, which TrustedProxies has, only to callers" in trusting
    assert "from ::1, which TrustedProxies" in check(TrustedProxies=["::/64"]).out
    assert "TrustedProxies" not in check(TrustedProxies=["10.0.0.0/8"]).out

    daemon = start(**servers, TrustedProxies=["127.0.0.0/8"]).wait_ready()
    asked = {"X-Forwarded-For": "127.0.0.1"}
    assert daemon.ask("GET", "/ledger/jobs").status == 401
    assert daemon.ask("GET", "/ledger/jobs", **asked).status == 200
    make_token(daemon.config, "read")
    wait_until(
        lambda: daemon.ask("GET", "/ledger/jobs", **asked).status == 401, 10, "the token to count"
    )
    told = check(TrustedProxies=["127.0.0.1"]).out
    assert "ok    PostgreSQL: 1 token\n" in told
    assert "loopback" not in told


def test_documents_with_urls_want_a_public_one(check):
    for options, is_told in (
        ({"Hooks": [OVERSEER]}, True),
        ({"Hooks": [OVERSEER], "PublicURL": "https://jex.example.org"}, False),
        ({"Hooks": [{**OVERSEER, "Disabled": True}]}, False),
        ({"Hooks": [{**OVERSEER, "Format": "jex"}]}, False),
    ):
        done = check(**options)
        assert done.code == 0, done.err
        assert ("note  the hook board sends" in done.out) == is_told, json.dumps(options)
        assert ("Set PublicURL." in done.out) == is_told


def test_the_repository_of_jobs(check, tmp_path, monkeypatch):
    origin = Origin(tmp_path / "origin")
    commit = origin.commit(a__yml="command: x\n")
    folder = tmp_path / "jobs"
    options = {"JobsRepository": origin.url, "JobsDir": str(folder)}
    done = check(**options)
    assert done.code == 0, done.err
    assert f"ok    jobs: {origin.url} has commit {commit}\n" in done.out
    assert "ok    jobs: git 2." in done.out
    assert "ok    jobs: 2 slots\n" in done.out
    assert f"{folder} will be made when the daemon starts" in done.out
    assert not folder.exists()
    (folder / "runs" / "some").mkdir(parents=True)
    (folder / "node").write_text("somebody\n")
    done = check(**options)
    assert (done.code, "of the node 'somebody'" in done.err) == (78, True)
    shutil.rmtree(folder)
    done = check(**options, JobsBranch="other")
    assert (done.code, "has no branch other" in done.err) == (78, True)
    done = check(**options | {"JobsRepository": f"file://{tmp_path}/nowhere"})
    assert (done.code, "WRONG jobs" in done.err) == (69, True)
    (tmp_path / "file").write_text("")
    done = check(**options | {"JobsDir": str(tmp_path / "file")})
    assert (done.code, "JobsDir" in done.err) == (78, True)
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin" / "git"
    git.write_text("#!/bin/sh\necho git version 2.20.1\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(git.parent))
    done = check(**options)
    assert (done.code, "2.20.1" in done.err, "2.30" in done.err) == (78, True, True)
    git.unlink()
    done = check(**options)
    assert (done.code, "There is no git program" in done.err) == (78, True)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files that the command has; it is empty at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert os.listdir(folder) == []


def test_the_newest_commit_is_loaded(check, tmp_path, temporary):
    origin = Origin(tmp_path / "origin")
    commit = origin.commit(a__yml="command: x\n", b__yml="- name: c\n- name: d\n")
    options = {"JobsRepository": origin.url, "JobsDir": str(tmp_path / "jobs")}
    done = check(**options)
    assert (done.code, f"ok    jobs: commit {commit} defines 3 jobs\n" in done.out) == (0, True)
    broken = origin.commit(a__yml="comand: x\ntimeout: -1\n", b__yml="- name: c\n  vars: 5\n")
    done = check(**options)
    assert (done.code, done.err) == (0, "")
    notes = [line.split(" expected")[0] for line in done.out.splitlines() if "note  jobs" in line]
    assert notes == [
        f"note  jobs: commit {broken} cannot be put in force, the last good one stays: 3 faults",
        "note  jobs: a.yml:1: /comand:", "note  jobs: a.yml:2: /timeout:",
        "note  jobs: b.yml:2: c: /0/vars:",
    ]  # fmt: skip
    done = check(**options, JobsFolder="elsewhere")
    assert (done.code, "has no folder elsewhere" in done.out) == (0, True)
    assert not (tmp_path / "jobs").exists()


def test_the_newest_commit_is_all_that_is_fetched(check, tmp_path, temporary, monkeypatch):
    """Where the server can do that; from one that cannot, all of it."""
    origin = Origin(tmp_path / "origin")
    origin.commit(a__yml="command: x\n")
    commit = origin.commit(b__yml="command: x\n")
    origin.git("update-server-info")
    asked = tmp_path / "asked"
    put_git(tmp_path, monkeypatch, f'echo "$@" >>{asked}')
    with smart_http(tmp_path) as smart, dumb_http(tmp_path) as dumb:
        for base, fetches in (
            (smart, [True]),
            (dumb, [True, False]),
            ("file://" + str(tmp_path), [True]),
        ):
            asked.write_text("")
            done = check(JobsRepository=f"{base}/origin/.git")
            assert f"commit {commit} defines 2 jobs\n" in done.out, done.out + done.err
            told = [line for line in asked.read_text().splitlines() if " fetch " in line]
            assert ["--depth=1" in line for line in told] == fetches


def test_a_check_that_is_ended_leaves_nothing(tmp_path, servers, temporary, monkeypatch):
    origin = Origin(tmp_path / "origin")
    origin.commit(a__yml="command: x\n")
    begun = tmp_path / "begun"
    put_git(
        tmp_path, monkeypatch, f'case "$*" in *" fetch "*) echo $$ >{begun}; exec sleep 300;; esac'
    )
    config = write_config(tmp_path, servers | {"JobsRepository": origin.url})
    with subprocess.Popen(
        [*PYTHON, "check", "--config", str(config)], env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        wait_until(lambda: begun.exists() and begun.read_text().endswith("\n"), 30, "the fetch")
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    fetching = Path(f"/proc/{begun.read_text().strip()}")
    wait_until(lambda: not fetching.exists(), 30, "the fetch to be gone")


def test_no_room_for_the_newest_commit(check, tmp_path, monkeypatch):
    origin = Origin(tmp_path / "origin")
    origin.commit(a__yml="command: x\n")
    put_git(tmp_path, monkeypatch, 'case "$*" in *" fetch "*) '
            'echo "fatal: write error: No space left on device" >&2; exit 128;; esac')  # fmt: skip
    done = check(JobsRepository=origin.url)
    assert (done.code, done.err) == (0, "")
    assert "note  jobs: the newest commit was not looked at: " in done.out


def put_git(folder, monkeypatch, before):
    """Have a git found first that does something before it is git."""
    program = folder / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n{before}\nexec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_the_secrets_of_jobs(check, tmp_path):
    origin = Origin(tmp_path / "origin")
    origin.commit(a__yml="command: x\n")
    secret = tmp_path / "secret"
    secrets = {"TOKEN": {"File": str(secret)}}
    options = {"JobsRepository": origin.url, "JobSecrets": secrets}
    done = check(**options)
    assert (done.code, "TOKEN" in done.err) == (78, True)
    secret.write_text("opensesame")
    done = check(**options)
    assert (done.code, "ok    secrets of jobs: TOKEN\n" in done.out) == (0, True)
    assert "opensesame" not in done.out + done.err


def test_the_engine(check, tmp_path, engine):
    done = check(ContainerEngine=engine.client.address, TaskMountFolders=["/nowhere/at/all"])
    assert done.code == 0, done.err
    assert f"ok    containers: {engine.client.address} answers: " in done.out
    assert "note  containers: TaskMountFolders has /nowhere/at/all, which is no folder" in done.out
    done = check(ContainerEngine=f"unix://{tmp_path}/nobody.sock")
    assert done.code == 69
    assert "WRONG containers: The container engine at unix://" in done.err
    assert "containers" not in check(ContainerEngine="none").out
