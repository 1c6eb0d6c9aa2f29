"""The repository of definitions: real git over file and HTTP, and all that can go wrong with it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jexevents import processes
from jexevents.definitions.checkouts import Limits
from jexevents.definitions.definition import DefinitionsRefused
from jexevents.definitions.repository import Repository, Source, Standing
from jexevents.errors import RepositoryUnavailable
from tests.gitting import Origin, dumb_http, hanging, smart_http
from tests.support import running_in, wait_until

GOOD = "command: echo {{ x }}\nvars: [{name: x}]\n"


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "origin")


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    wait_until(lambda: not running_in(tmp_path), 10, "the end of all git")


def follow(
    origin: Origin | str, tmp_path: Path, branch: str = "", folder: str = "", **more
) -> Repository:
    url = origin if isinstance(origin, str) else origin.url
    more.setdefault("fetch_seconds", 30.0)
    return Repository(Source(url, branch, folder), tmp_path / "place", "node", **more)


def good(standing: Standing) -> str:
    assert standing.fault is None, standing.fault
    assert standing.in_force is not None
    assert standing.in_force.id == standing.fetched
    return standing.in_force.id


def fault(standing: Standing) -> str:
    assert isinstance(standing.fault, RepositoryUnavailable), standing.fault
    return standing.fault.reason


def names(standing: Standing) -> list[str]:
    return list(standing.in_force.definitions)


# --- what is followed


def test_definitions_by_file(origin: Origin, tmp_path: Path) -> None:
    repository = follow(origin, tmp_path)
    assert repository.open() == Standing()
    assert fault(repository.refresh()) == "no-branch"
    first = origin.commit(my_job__yml=GOOD)
    standing = repository.refresh()
    assert good(standing) == first
    assert names(standing) == ["my-job"]
    assert (standing.in_force.folder / "my_job.yml").read_text() == GOOD
    assert not standing.forced
    second = origin.commit(b__yml=GOOD)
    assert good(repository.refresh()) == second
    assert names(repository.standing) == ["b", "my-job"]
    since = repository.standing.since
    assert repository.refresh().since == since


def test_definitions_by_http(origin: Origin, tmp_path: Path) -> None:
    commit = origin.commit(a__yml=GOOD)
    with smart_http(tmp_path) as url:
        repository = follow(f"{url}/origin/.git", tmp_path)
        assert good(repository.refresh()) == commit
        commit = origin.commit(b__yml=GOOD)
        assert good(repository.refresh()) == commit
    assert fault(repository.refresh()) == "away"
    assert names(repository.standing) == ["a", "b"]


def test_definitions_by_http_that_only_has_files(origin: Origin, tmp_path: Path) -> None:
    commit = origin.commit(a__yml=GOOD)
    origin.git("update-server-info")
    with dumb_http(tmp_path) as url:
        assert good(follow(f"{url}/origin/.git", tmp_path).refresh()) == commit


def test_branches_folders_and_tags(origin: Origin, tmp_path: Path) -> None:
    first = origin.commit(**{"sub/a__yml": GOOD, "x__yml": "oops: 1"})
    origin.git("tag", "-a", "-m", "t", "v1")
    origin.git("switch", "--quiet", "-c", "other/branch")
    second = origin.commit(**{"sub/b__yml": GOOD})
    assert good(follow(origin, tmp_path, "main", "sub").refresh()) == first
    assert good(follow(origin, tmp_path, "refs/tags/v1", "sub/").refresh()) == first
    assert good(follow(origin, tmp_path, "other/branch", "./sub").refresh()) == second
    assert good(follow(origin, tmp_path, "", "sub").refresh()) == second
    assert isinstance(follow(origin, tmp_path).refresh().fault, DefinitionsRefused)
    assert fault(follow(origin, tmp_path, "", "nowhere").refresh()) == "no-folder"
    assert fault(follow(origin, tmp_path, "nowhere").refresh()) == "no-branch"


def test_a_repository_with_longer_hashes(tmp_path: Path) -> None:
    origin = Origin(tmp_path / "origin", hashes="sha256")
    commit = origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    assert good(repository.refresh()) == commit
    assert len(commit) == 64
    assert repository.take(commit, "x").is_dir()


@pytest.mark.parametrize(
    ("url", "branch", "folder"),
    [
        ("", "", ""), ("--upload-pack=x", "", ""), ("a\nb", "", ""), ("x", "-b", ""), ("x", "a b",
        ""),
        ("x", "a:b", ""), ("x", "+a", ""), ("x", "", "../x"), ("x", "", "/x"), ("x", "", "a\0"),
    ],
)  # fmt: skip
def test_sources_that_are_none(url: str, branch: str, folder: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Source(url, branch, folder)


# --- what was good stays


def test_a_broken_commit_changes_nothing(origin: Origin, tmp_path: Path) -> None:
    first = origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    second = origin.commit(b__yml="comand: x\n", c__json="{")
    for _ in range(2):
        standing = repository.refresh()
        assert standing.in_force.id == first
        assert standing.fetched == second
        assert [(one.file, one.line) for one in standing.fault.problems] == [
            ("b.yml", 1),
            ("c.json", 1),
        ]
    third = origin.commit(b__yml=GOOD, c__json=None)
    assert good(repository.refresh()) == third
    origin.commit(b__yml="x: 1")
    assert isinstance(repository.refresh().fault, DefinitionsRefused)
    origin.git("reset", "--quiet", "--hard", third)
    assert good(repository.refresh()) == third


def test_a_commit_without_a_job_changes_nothing(origin: Origin, tmp_path: Path) -> None:
    origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    origin.commit(a__yml=None)
    assert "at least one job" in str(repository.refresh().fault)
    assert names(repository.standing) == ["a"]


def test_a_repository_that_is_away_over_a_restart(origin: Origin, tmp_path: Path) -> None:
    commit = origin.commit(a__yml=GOOD)
    good(follow(origin, tmp_path).refresh())
    origin.folder.rename(tmp_path / "elsewhere")
    repository = follow(origin, tmp_path)
    opened = repository.open()
    assert (opened.in_force.id, opened.fault, names(opened)) == (commit, None, ["a"])
    assert fault(repository.refresh()) == "away"
    assert names(repository.standing) == ["a"]
    (tmp_path / "elsewhere").rename(origin.folder)
    assert good(repository.refresh()) == commit


def test_a_commit_that_a_newer_version_refuses_is_told_at_the_start(
    origin: Origin, tmp_path: Path
) -> None:
    origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    top = good(repository.refresh()) and repository.standing.in_force.top
    (top / "a.yml").chmod(0o644)
    (top / "a.yml").write_text("oops: 1")
    again = follow(origin, tmp_path)
    assert isinstance(again.open().fault, DefinitionsRefused)
    assert again.standing.in_force is None


def test_a_branch_that_is_forced(origin: Origin, tmp_path: Path) -> None:
    first = origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    held = repository.take(first, "execution-1")
    origin.git("commit", "--quiet", "--amend", "-m", "other")
    origin.git("reflog", "expire", "--expire=now", "--all")
    origin.git("gc", "--quiet", "--prune=now")
    standing = repository.refresh()
    assert good(standing) != first
    assert standing.forced
    assert (held / "a.yml").read_text() == GOOD
    # What ran on it can be repeated on it, though nobody else has it any more.
    repository.release(first, "execution-1")
    assert first in repository.prune()
    assert not held.exists()
    assert (repository.take(first, "execution-2") / "a.yml").read_text() == GOOD
    assert repository.at(first).id == first


@pytest.mark.parametrize("how", ["branch", "all", "folder"])
def test_what_is_gone(origin: Origin, tmp_path: Path, how: str) -> None:
    commit = origin.commit(**{"sub/a__yml": GOOD})
    repository = follow(origin, tmp_path, "main", "sub")
    good(repository.refresh())
    if how == "branch":
        origin.git("branch", "-m", "main", "trunk")
    elif how == "all":
        origin.folder.rename(tmp_path / "old")
        Origin(origin.folder)
    else:
        origin.commit(**{"sub/a__yml": None, "b__yml": GOOD})
    reason = "no-folder" if how == "folder" else "no-branch"
    assert fault(repository.refresh()) == reason
    assert repository.standing.in_force.id == commit
    assert names(repository.standing) == ["a"]


def test_a_repository_that_hangs(origin: Origin, tmp_path: Path) -> None:
    with hanging() as (url, _):
        repository = follow(url, tmp_path, fetch_seconds=0.5)
        before = time.monotonic()
        assert fault(repository.refresh()) == "hangs"
        assert time.monotonic() - before < 10
        wait_until(lambda: not running_in(tmp_path), 10, "git to be gone")


def test_what_hangs_ends_with_the_daemon(tmp_path: Path) -> None:
    with hanging() as (url, called):
        repository = follow(url, tmp_path, fetch_seconds=600)
        thread = threading.Thread(target=repository.refresh)
        thread.start()
        assert called.wait(20)
        repository.close()
        thread.join(10)
        assert not thread.is_alive()
        assert fault(repository.standing) == "away"
        # What was killed may take a moment to be gone.
        wait_until(lambda: not running_in(tmp_path), 10, "git to be gone")


def test_executions_do_not_wait_for_a_fetch(origin: Origin, tmp_path: Path) -> None:
    commit = origin.commit(a__yml=GOOD)
    with hanging() as (url, called), smart_http(tmp_path) as good_url:
        config = tmp_path / "config"
        config.write_text("")
        repository = follow(f"{good_url}/origin/.git", tmp_path, fetch_seconds=600)
        good(repository.refresh())
        repository._mirror._url = url
        thread = threading.Thread(target=repository.refresh)
        thread.start()
        assert called.wait(20)
        before = time.monotonic()
        repository.take(commit, "e1")
        repository.release(commit, "e1")
        assert repository.at(commit).id == commit
        assert time.monotonic() - before < 5
        assert thread.is_alive()
        repository.close()
        thread.join(10)


def test_nobody_is_asked_for_a_password(origin: Origin, tmp_path: Path) -> None:
    origin.commit(a__yml=GOOD)
    with smart_http(tmp_path, password="x") as url:
        place = url.replace("http://", "http://ann:hunter2@")
        refused = follow(f"{url}/origin/.git", tmp_path).refresh()
        assert fault(refused) == "away"
        # With the credentials in the URL it is let in; they are shown nowhere.
        assert good(follow(f"{place}/origin/.git", tmp_path).refresh())
    away = follow(f"{place}/origin/.git", tmp_path)
    assert fault(away.refresh()) == "away"
    assert "hunter2" not in str(away.standing.fault)
    assert "hunter2" not in "".join(
        path.read_text("latin-1") for path in (tmp_path / "place").rglob("*") if path.is_file()
    )


def test_credentials_are_git_s_own(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.commit(a__yml=GOOD)
    helper = "!f() { echo username=ann; echo password=pw; }; f"
    (tmp_path / "config").write_text(f'[credential]\n\thelper = "{helper}"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    with smart_http(tmp_path, password="x") as url:
        assert good(follow(f"{url}/origin/.git", tmp_path).refresh())


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_ssh_asks_nothing_and_has_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    ssh = program(tmp_path / "ssh", f'{{ echo "$@"; env; }} >{told}; exit 1')
    monkeypatch.setenv("JEXEVENTS_DB_URI", "postgresql://u:hunter2@h/db")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", f"{ssh} -i key")
    assert fault(follow("git@example.invalid:x.git", tmp_path).refresh()) == "away"
    words = told.read_text()
    assert words.startswith("-i key -oBatchMode=yes -oConnectTimeout=20")
    assert "hunter2" not in words
    assert "GIT_DIR=/nowhere" not in words
    assert "GIT_TERMINAL_PROMPT=0" in words
    monkeypatch.delenv("GIT_SSH_COMMAND")
    (tmp_path / "config").write_text(f"[core]\n\tsshCommand = {ssh} -i other\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    assert fault(follow("git@example.invalid:x.git", tmp_path).refresh()) == "away"
    assert told.read_text().startswith("-i other -oBatchMode=yes")


def test_without_git_it_is_told(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    standing = follow(origin, tmp_path).refresh()
    assert fault(standing) == "away"
    assert "Install git" in str(standing.fault)


# --- hostile repositories


def test_nothing_of_a_repository_or_of_the_user_is_run(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    touch = program(tmp_path / "touch", f"touch {canary}; cat")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in (
        "post-checkout",
        "reference-transaction",
        "post-merge",
        "pre-auto-gc",
        "post-fetch",
    ):
        program(hooks / name, f"touch {canary}")
        program(origin.folder / ".git" / "hooks" / name, "exit 0")
    origin.commit(
        a__yml=GOOD, plain__txt="one\ntwo\n$Id$\n", left__out="x",
        __gitattributes="* filter=evil\n*.txt text eol=crlf ident\n"
        "left.out export-ignore\n", __gitmodules="[submodule]\n",
    )  # fmt: skip
    (tmp_path / "config").write_text(
        f"[core]\n\thooksPath = {hooks}\n\tfsmonitor = {touch}\n\tautocrlf = true\n"
        f'\taskPass = {touch}\n[filter "evil"]\n\tsmudge = {touch}\n\tclean = {touch}\n'
        f'\trequired = true\n[protocol "ext"]\n\tallow = always\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    repository.prune()
    top = repository.standing.in_force.top
    assert (top / "plain.txt").read_bytes() == b"one\ntwo\n$Id$\n"
    assert (top / "left.out").exists()
    assert fault(follow(f"ext::{touch}", tmp_path).refresh()) == "away"
    assert not canary.exists()


def test_submodules_are_empty_folders(origin: Origin, tmp_path: Path) -> None:
    inner = Origin(tmp_path / "inner")
    inner.commit(x="y")
    origin.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.url, "mod")
    origin.commit(a__yml=GOOD)
    top = good(follow(origin, tmp_path).refresh()) and next((tmp_path / "place").rglob("mod"))
    assert list(top.iterdir()) == []


def test_links_stay_links_and_lead_nowhere(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "secret.yml").write_text("command: x")
    (origin.folder / "out.yml").symlink_to(tmp_path / "secret.yml")
    (origin.folder / "ok.yml").symlink_to("a.yml")
    origin.commit(a__yml=GOOD)
    standing = follow(origin, tmp_path).refresh()
    assert [one.file for one in standing.fault.problems] == ["out.yml"]
    (origin.folder / "out.yml").unlink()
    (origin.folder / "sub").symlink_to("/")
    commit = origin.commit()
    repository = follow(origin, tmp_path)
    assert good(repository.refresh()) == commit
    assert names(repository.standing) == ["a", "ok"]
    assert fault(follow(origin, tmp_path, folder="sub").refresh()) == "no-folder"


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"", b"a/b"])
def test_trees_with_names_that_are_none(origin: Origin, tmp_path: Path, name: bytes) -> None:
    good_blob, evil = origin.blob(GOOD.encode()), origin.blob(b"evil")
    tree = origin.git("mktree", stdin=f"100644 blob {evil}\tx\n".encode())
    origin.commit_tree(("100644", b"a.yml", good_blob), ("40000", name, tree))
    standing = follow(origin, tmp_path).refresh()
    assert standing.fault is not None or name == b"a/b"
    assert not (tmp_path / "x").exists()
    assert not list((tmp_path / "place").rglob("checkouts/x"))


def test_a_tree_that_writes_through_its_own_link(origin: Origin, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    evil, link = origin.blob(b"evil"), origin.blob(str(outside).encode())
    tree = origin.git("mktree", stdin=f"100644 blob {evil}\tx\n".encode())
    job = origin.blob(GOOD.encode())
    for entries in (
        [("120000", b"d", link), ("40000", b"d", tree)],
        [("40000", b"d", tree), ("120000", b"d", link)],
        [("100644", b"d", evil), ("100644", b"d", evil)],
        [("120000", b"x", link), ("100644", b"x", evil)],
    ):
        origin.commit_tree(("100644", b"a.yml", job), *entries)
        assert fault(follow(origin, tmp_path).refresh()) in ("checkout", "broken")
        assert list(outside.iterdir()) == []


def test_what_is_too_big_is_not_written(origin: Origin, tmp_path: Path) -> None:
    first = origin.commit(a__yml=GOOD)
    limits = Limits(files=3, file_bytes=1000, all_bytes=1500)
    repository = follow(origin, tmp_path, limits=limits)
    assert good(repository.refresh()) == first
    for files, told in (
        ({"big": "x" * 1001}, "big has 1001 bytes"), ({"b": "x" * 900, "c": "x" * 900}, "1500"),
        ({"b": "", "c": "", "d": ""}, "4 files"),
    ):  # fmt: skip
        origin.commit(**files)
        standing = repository.refresh()
        assert fault(standing) == "checkout"
        assert told in str(standing.fault)
        assert standing.in_force.id == first
        origin.git("reset", "--quiet", "--hard", first)


def test_names_of_files_are_bytes(origin: Origin, tmp_path: Path) -> None:
    for name in (b"new\nline", b"\xff\xfe", b"tab\there", "\u00e9".encode(), b"-x", b" y "):
        Path(os.fsdecode(os.fsencode(origin.folder) + b"/" + name)).write_bytes(name)
    origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    top = repository.standing.in_force.top
    assert {os.fsencode(path.name): path.read_bytes() for path in top.iterdir()} == {
        b"new\nline": b"new\nline", b"\xff\xfe": b"\xff\xfe", b"tab\there": b"tab\there",
        "\u00e9".encode(): "\u00e9".encode(), b"-x": b"-x", b" y ": b" y ", b"a.yml": GOOD.encode(),
    }  # fmt: skip


def test_thousands_of_files(origin: Origin, tmp_path: Path) -> None:
    for number in range(3000):
        path = origin.folder / "data" / str(number % 50) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("same" if number % 2 else str(number))
    origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    assert sum(len(files) for _, _, files in os.walk(repository.standing.in_force.top)) == 3001


# --- checkouts


def test_a_checkout_is_read_only_and_as_it_was_committed(origin: Origin, tmp_path: Path) -> None:
    program(origin.folder / "run", "echo hi")
    (origin.folder / "empty").touch()
    (origin.folder / "link").symlink_to("run")
    origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    top = repository.standing.in_force.top
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in [top, *top.iterdir()]}
    assert modes[top.name] == 0o555
    assert (modes["run"], modes["a.yml"], modes["empty"]) == (0o555, 0o444, 0o444)
    assert os.readlink(top / "link") == "run"
    assert subprocess.run([top / "run"], capture_output=True, check=True).stdout == b"hi\n"
    for folder in (top.parent, top.parent.parent, top.parent.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o711
    assert stat.S_IMODE((top.parent.parent.parent / "mirror.git").stat().st_mode) == 0o700


def test_what_is_held_is_not_pruned(origin: Origin, tmp_path: Path) -> None:
    repository = follow(origin, tmp_path)
    commits = []
    for number in range(3):
        commits.append(origin.commit(a__yml=GOOD + f"# {number}"))
        good(repository.refresh())
        repository.take(commits[-1], f"execution-{number}")
    repository.take(commits[0], "another")
    assert repository.held() == {
        commits[0]: {"execution-0", "another"}, commits[1]: {"execution-1"},
        commits[2]: {"execution-2"},
    }  # fmt: skip
    repository.release(commits[0], "execution-0")
    repository.release(commits[1], "execution-1")
    repository.release(commits[2], "execution-2")
    repository.release(commits[2], "never-taken")
    # The second is held by nobody, the last one by the daemon, the first by another execution.
    assert repository.prune() == [commits[1]]
    assert follow(origin, tmp_path).held() == {commits[0]: {"another"}}
    assert good(repository.refresh()) == commits[2]
    assert (repository.standing.in_force.top / "a.yml").exists()


def test_commits_that_nobody_wants_are_forgotten(origin: Origin, tmp_path: Path) -> None:
    repository = follow(origin, tmp_path)
    commits = []
    for number in range(3):
        origin.git("checkout", "--quiet", "--orphan", f"b{number}")
        commits.append(origin.commit(a__yml=GOOD + f"# {number}"))
        origin.git("branch", "-f", "main")
        good(repository.refresh())
    repository.prune(wanted=[commits[0]])
    mirror = repository._mirror
    assert set(mirror.kept()) == {commits[0], commits[2]}
    mirror._git.run("gc", "--prune=now", "--quiet", seconds=60)
    repository.take(commits[0], "e")
    with pytest.raises(RepositoryUnavailable, match="not here any more") as caught:
        repository.take(commits[1], "e")
    assert caught.value.reason == "no-commit"
    with pytest.raises(RepositoryUnavailable):
        repository.at("0" * 40)
    with pytest.raises(ValueError, match="commit"):
        repository.take("../../x", "e")
    with pytest.raises(ValueError, match="holder"):
        repository.take(commits[0], "../x")


def test_checkouts_of_another_boot_are_made_anew(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    old = repository.standing.in_force.top
    monkeypatch.setattr("jexevents.definitions.checkouts.boot", lambda: "another-boot")
    again = follow(origin, tmp_path)
    assert again.open().in_force.id == commit
    assert again.standing.in_force.top != old
    again.prune()
    assert not old.exists()
    assert (again.standing.in_force.top / "a.yml").exists()


def test_what_was_left_unfinished_is_no_checkout(origin: Origin, tmp_path: Path) -> None:
    commit = origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    left = repository.standing.in_force.top.parent / ".new-abc"
    (left / "sub").mkdir(parents=True)
    (left / "sub").chmod(0o555)
    hold = repository._checkouts._holds / commit / f"{repository._owner}.cut-off"
    hold.touch()
    again = follow(origin, tmp_path)
    again.open()
    assert again.prune() == []
    assert not left.exists()
    assert not hold.exists()


def test_a_folder_that_cannot_be_used_is_told(origin: Origin, tmp_path: Path) -> None:
    origin.commit(a__yml=GOOD)
    (tmp_path / "place").write_text("a file")
    repository = follow(origin, tmp_path)
    assert fault(repository.open()) == "disk"
    assert fault(repository.refresh()) == "disk"


# --- what others leave behind, and several daemons


def test_locks_that_a_killed_git_has_left_are_removed(origin: Origin, tmp_path: Path) -> None:
    origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    mirror = next((tmp_path / "place").rglob("mirror.git"))
    for path in ("HEAD.lock", "packed-refs.lock", "config.lock", "shallow.lock"):
        (mirror / path).touch()
    for ref in list((mirror / "refs").rglob("*")):
        if ref.is_file():
            ref.with_name(ref.name + ".lock").touch()
    (mirror / "objects/pack/tmp_pack_x").touch()
    (mirror / "objects/tmp_objdir-incoming-x").mkdir()
    commit = origin.commit(b__yml=GOOD)
    assert good(repository.refresh()) == commit
    assert not list(mirror.rglob("*.lock"))
    assert not list(mirror.rglob("tmp_*"))


@pytest.mark.parametrize("how", ["objects", "head", "config", "one", "gone"])
def test_a_broken_mirror_is_made_anew(origin: Origin, tmp_path: Path, how: str) -> None:
    first = origin.commit(a__yml=GOOD)
    repository = follow(origin, tmp_path)
    good(repository.refresh())
    second = origin.commit(b__yml=GOOD)
    mirror = next((tmp_path / "place").rglob("mirror.git"))
    objects = [path for path in (mirror / "objects").rglob("*") if path.is_file()]
    if how == "gone":
        mirror.rename(tmp_path / "gone")
    elif how == "head":
        (mirror / "HEAD").write_text("")
    elif how == "config":
        (mirror / "config").write_text("[core\nx")
    else:
        for path in objects if how == "objects" else objects[:1]:
            path.chmod(0o644)
            path.write_bytes(b"")
    assert good(repository.refresh()) == second
    assert good(follow(origin, tmp_path).refresh()) == second
    assert (repository.take(first, "e") / "a.yml").exists()


_REFRESH = """
import sys
from pathlib import Path
from jexevents.definitions.repository import Repository, Source
url, place, owner, rounds, seconds = sys.argv[1:]
repository = Repository(Source(url), Path(place), owner, fetch_seconds=float(seconds))
repository.open()
for number in range(int(rounds)):
    standing = repository.refresh()
    assert standing.fault is None, standing.fault
    commit = standing.in_force.id
    name = f"{owner}-{number}"
    top = repository.take(commit, name)
    assert (top / "a.yml").read_text() and (standing.in_force.top / "a.yml").read_text()
    repository.prune()
    assert (top / "a.yml").read_text() and (standing.in_force.top / "a.yml").read_text()
    repository.release(commit, name)
print("ok")
"""


def daemon(
    url: str, tmp_path: Path, owner: str, rounds: int = 1, seconds: float = 60
) -> subprocess.Popen:
    words = [url, str(tmp_path / "place"), owner, str(rounds), str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-c", _REFRESH, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def test_daemons_share_a_folder(origin: Origin, tmp_path: Path) -> None:
    origin.commit(a__yml=GOOD)
    running = [daemon(origin.url, tmp_path, f"node{n}", 6) for n in range(3)]
    while any(one.poll() is None for one in running):
        origin.commit(a__yml=GOOD + f"# {time.monotonic()}")
    told = [one.communicate()[0].decode() for one in running]
    assert told == ["ok\n"] * 3


def test_a_git_that_outlives_its_daemon_keeps_the_lock(tmp_path: Path) -> None:
    with hanging() as (url, called):
        first = daemon(url, tmp_path, "a", seconds=600)
        assert called.wait(30)
        first.kill()
        first.communicate()
        orphans = processes.select(lambda pid: url in processes.command_line(pid))
        assert orphans
        assert fault(follow(url, tmp_path, fetch_seconds=0.5).refresh()) == "busy"
        processes.end(orphans, first=signal.SIGKILL)
        wait_until(
            lambda: fault(follow(url, tmp_path, fetch_seconds=0.5).refresh()) == "hangs",
            20,
            "the lock",
        )


def test_a_kill_at_any_moment_leaves_what_the_next_can_use(origin: Origin, tmp_path: Path) -> None:
    for number in range(200):
        (origin.folder / f"file{number}").write_text(str(number) * 100)
    origin.commit(a__yml=GOOD)
    for delay in (0.15, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6):
        killed = daemon(origin.url, tmp_path, "a", 50)
        threading.Event().wait(delay)
        killed.kill()
        killed.communicate()
        commit = origin.commit(a__yml=GOOD + f"# {delay}")
        repository = follow(origin, tmp_path)
        repository.open()
        assert good(repository.refresh()) == commit
        assert len(list(repository.standing.in_force.top.iterdir())) == 201
