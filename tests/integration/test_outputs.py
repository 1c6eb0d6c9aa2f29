"""The output of executions over real HTTP, from real supervisors, on this node or another."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.lifecycle.executionid import attempt_id
from jexevents.model import Role
from jexevents.peers import FRAMES, HEADER, Peers, PeerUnavailable
from jexevents.runner.folder import Held, RunFolder
from jexevents.runner.outputs import AttemptOutput, RunOutputs
from jexevents.sidecar.app import build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.bind import Binding
from jexevents.sidecar.server import Server
from jexevents.sidecar.tokens import Tokens
from jexevents.store.database import Database
from jexevents.store.nodes import NodeName
from tests.integration.web import credential
from tests.runs import Runs, ended, heard, holder
from tests.support import wait_until

LOCAL = Binding(("127.0.0.1",), 0)
SECRET = "a secret of the nodes"
SECONDS = 30
KB, MB = 1 << 10, 1 << 20
EVENTS = {"Accept": "text/event-stream"}
# Writes so many bytes, each eight of which say where they are.
COUNT = "import sys; w = sys.stdout.buffer; n = int(sys.argv[1])\n" \
        "for at in range(0, n, 65536):\n" \
        "    w.write(b''.join(b'%07x\\n' % p for p in range(at, min(n, at + 65536), 8)))\n" \
        "w.flush()\n"  # fmt: skip


def counted(start: int, stop: int) -> bytes:
    """What COUNT writes from ``start`` up to ``stop``; multiples of 8."""
    return b"".join(b"%07x\n" % at for at in range(start, stop, 8))


@dataclass
class Execution:
    """An execution of the ledger; what it ran is begun by the test."""

    database: Database
    number: int
    job_id: str

    @property
    def path(self) -> str:
        return f"/jobs/job/{self.number / 1e6!r}"

    def begun(self, attempt: int = 1, node: str = "here") -> None:
        """Note that an attempt was begun."""
        self.run("insert into execution_attempts (job_id, attempt, node, boot)"
                 " values (%s, %s, %s, 'boot')", self.job_id, attempt, node)  # fmt: skip

    def now(self, state: str, phase: str, closed: bool, **more: Any) -> None:
        """Write how it stands."""
        self.run("update jobs set state = %s, phase = %s, closed = %s, exit_code = %s, reason = %s"
                 " where id = %s", state, phase, closed, more.get("exit_code"),
                 more.get("reason"), self.job_id)  # fmt: skip

    def set(self, attempt: int, **columns: str) -> None:
        """Set columns of an attempt to SQL expressions."""
        what = ", ".join(f"{name} = {value}" for name, value in columns.items())
        self.run(f"update execution_attempts set {what} where job_id = %s and attempt = %s",
                 self.job_id, attempt)  # fmt: skip

    def run(self, statement: str, *values: Any) -> None:
        with self.database.transaction() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)


@dataclass
class Node:
    """A node with its own folder and server."""

    name: str
    runs: Runs
    database: Database
    server: Server

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.server.address)

    def get(self, path: str, method: str = "GET", **more: Any) -> requests.Response:
        return requests.request(method, self.url + path, timeout=SECONDS, **more)

    def execution(self, job_id: UUID | None = None, attempt: int = 1) -> Execution:
        """Make an execution in the ledger that has not begun."""
        number = int(time.time() * 1e6)
        made = Execution(self.database, number, str(job_id or uuid4()))
        made.run("insert into jobs (id, kind, key, source, state, phase)"
                 " values (%s, 'command', %s, 'job', 'QUEUED', 'QUEUED')",
                 made.job_id, repr(number / 1e6))  # fmt: skip
        made.run("insert into executions (job_id, execution, definition, attempt, claim)"
                 " values (%s, %s, 'job', %s, 0)", made.job_id, number, attempt)  # fmt: skip
        return made

    def begin(self, *words: Any, **members: Any) -> tuple[Execution, RunFolder]:
        """Begin what runs here."""
        run = self.runs.python(*map(str, words), **members) if words[1:] else \
            self.runs.begin(*words, **members)  # fmt: skip
        execution = self.execution(UUID(run.path.name))
        execution.begun(node=self.name)
        return execution, run

    def ran(self, *words: Any, **members: Any) -> Execution:
        """Run something to its end."""
        execution, run = self.begin(*words, **members)
        ended(run)
        execution.now("COMPLETE", "COMPLETE", True, exit_code=0)
        return execution


@pytest.fixture
def nodes(database: str, tmp_path: Path) -> Iterator[Any]:
    """Give a function that starts a node over the test's database."""
    with ExitStack() as stack:

        def start(name: str = "here", secret: str = SECRET, credentials: Any = (),
                  stream_limit: int = 8, url: bool = True,
                  sleep: Any = time.sleep, outputs: Any = RunOutputs) -> Node:  # fmt: skip
            pool = Database(database)
            stack.callback(pool.close)
            runs = Runs(tmp_path / name)
            stack.callback(runs.close)
            config = from_mapping({"NodeName": name, "NodeSecret": secret}, tmp_path)
            surface = replace(wiring.Surfaces(config, pool).outputs(runs.folder), sleep=sleep)
            surface = replace(surface, outputs=outputs(runs.folder))
            gate = Gate(Tokens(lambda: credentials))
            app = build_app(surface.routes(), gate, check_answers=True, stream_limit=stream_limit)
            server = Server(app, LOCAL, threads=16)
            server.start()
            stack.callback(server.join, 10)
            stack.callback(server.stop)
            node = Node(name, runs, pool, server)
            held = NodeName(pool, name, "daemon", node.url if url else None)
            assert held.hold()
            stack.callback(held.release)
            return node

        yield start


@pytest.fixture
def node(nodes: Any) -> Node:
    return nodes()


@pytest.fixture
def gate_file(tmp_path: Path) -> Path:
    """A FIFO: a job that reads it waits till the test writes."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def open_gate(path: Path) -> None:
    path.write_bytes(b"go\n")


# --- what is there


def test_bytes_as_the_job_wrote_them(node: Node) -> None:
    execution = node.ran("printf 'a\\nb'; sleep 0.1; printf 'c\\377' >&2; sleep 0.1; printf d")
    answers = {
        which: node.get(f"{execution.path}/{which}") for which in ("stdout", "stderr", "output")
    }
    assert [one.status_code for one in answers.values()] == [200] * 3
    assert answers["stdout"].content == b"a\nbd"
    assert answers["stderr"].content == b"c\xff"
    assert answers["output"].content == b"a\nbc\xffd"
    assert answers["stdout"].headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answers["output"].headers["Content-Type"] == "text/plain"
    assert answers["stdout"].headers["X-Content-Type-Options"] == "nosniff"
    assert answers["output"].headers["X-Jexevents-Size"] == "6"
    assert "X-Jexevents-Gaps" not in answers["output"].headers


def test_binary_is_no_text(node: Node) -> None:
    answer = node.get(node.ran("printf 'a\\0b'").path + "/stdout")
    assert (answer.content, answer.headers["Content-Type"]) == (b"a\0b", "application/octet-stream")


def test_large_output_is_whole_and_takes_a_place(nodes: Any) -> None:
    node = nodes(stream_limit=1)
    execution = node.ran(COUNT, 3 * MB)
    answer = node.get(f"{execution.path}/stdout")
    assert answer.content == counted(0, 3 * MB)
    assert answer.headers["Content-Length"] == str(3 * MB)
    head = node.get(f"{execution.path}/stdout", "HEAD")
    told = ("Content-Length", "ETag", "Content-Type", "X-Jexevents-Size")
    assert [head.headers[name] for name in told] == [answer.headers[name] for name in told]


def test_of_unknown_things(node: Node) -> None:
    execution = node.ran("true")
    number = execution.number / 1e6
    for path in (f"/jobs/other/{number!r}/stdout", f"/jobs/job/{number + 1!r}/stdout",
                 "/jobs/job/x/stdout", f"{execution.path}/stdout?attempt=2"):  # fmt: skip
        assert node.get(path).status_code == 404, path
    for query in ("tail=x", "tail=-1", "tail=100001", "follow=yes", "times=2", "gaps=no",
                  "attempt=0", "other=1"):  # fmt: skip
        answer = node.get(f"{execution.path}/stdout?{query}")
        assert (answer.status_code, query.partition("=")[0] in answer.text) == (400, True), query
    for query, accept, last in (("", EVENTS, "17"), ("", EVENTS, "1:x"), ("", {}, "1:x"),
                                ("?attempt=1", EVENTS, "2:17")):  # fmt: skip
        fields = {**accept, "Last-Event-ID": last}
        bad = node.get(f"{execution.path}/stdout{query}", headers=fields)
        assert (bad.status_code, "Last-Event-ID" in bad.text) == (400, True)


def test_longer_forms_of_the_id_are_the_same_execution(node: Node) -> None:
    execution = node.ran("echo a")
    longer = f"/jobs/job/{execution.number // 10**6}.{execution.number % 10**6:06}000"
    assert node.get(f"{longer}/stdout").content == b"a\n"


def test_needs_the_role(nodes: Any) -> None:
    node = nodes(credentials=(credential("r", Role.READ), credential("w", Role.WRITE)))
    execution = node.ran("echo a")
    for token, status in (("r", 200), ("w", 403), ("x", 401)):
        fields = {"Authorization": f"Bearer {token}"}
        assert node.get(f"{execution.path}/stdout", headers=fields).status_code == status


def test_not_begun_is_empty_and_removed_is_gone(node: Node) -> None:
    execution = node.execution()
    answer = node.get(f"{execution.path}/stdout")
    assert (answer.status_code, answer.content) == (200, b"")
    execution.begun()
    assert node.get(f"{execution.path}/output").content == b""  # its folder is not there yet
    execution.set(1, settled_at="now()")
    assert node.get(f"{execution.path}/stdout").status_code == 404
    execution.set(1, removed_at="'2026-11-26 10:00:00Z'")
    for query in ("", "?follow=1"):
        gone = node.get(f"{execution.path}/stdout{query}")
        assert (gone.status_code, "2026-11-26T10:00:00Z" in gone.json()["detail"]) == (410, True)


def test_each_attempt_has_its_own(node: Node) -> None:
    job_id = uuid4()
    execution = node.execution(job_id, attempt=2)
    for number in (1, 2):
        spec = replace(node.runs.spec(f"echo {number}"), id=attempt_id(str(job_id), number))
        run = node.runs.create(spec)
        assert run.start(spec, SECONDS)
        ended(run)
        execution.begun(number)
    for query, attempt in (("", "2"), ("?attempt=1", "1"), ("?attempt=2", "2")):
        answer = node.get(f"{execution.path}/stdout{query}")
        assert answer.content.decode() == f"{attempt}\n"
        assert answer.headers["X-Jexevents-Attempt"] == attempt


def test_last_lines(node: Node) -> None:
    execution = node.ran("seq 1000; printf end")
    whole = b"".join(b"%d\n" % n for n in range(1, 1001)) + b"end"
    for count, start in ((1, b"end"), (3, b"999\n1000\nend"), (0, b""), (5000, whole)):
        answer = node.get(f"{execution.path}/stdout?tail={count}", headers={"Range": "bytes=0-1"})
        assert (answer.status_code, answer.content) == (200, start)
        assert int(answer.headers["X-Jexevents-Offset"]) == len(whole) - len(start)
        assert answer.headers["Accept-Ranges"] == "none"


def test_last_lines_are_looked_for_within_bounds(node: Node, monkeypatch: Any) -> None:
    monkeypatch.setattr("jexevents.sidecar.outputanswers._TAIL_BYTES", 300 * KB)
    execution = node.ran("import sys; sys.stdout.write('x' * int(sys.argv[1]))", MB)
    answer = node.get(f"{execution.path}/stdout?tail=1")
    assert len(answer.content) == 300 * KB


def test_times(node: Node) -> None:
    before = time.time()
    execution = node.ran(
        "printf a; sleep 0.2; printf '\\377' >&2; sleep 0.2;"
        " printf '\\303'; sleep 0.1; printf '\\244'"
    )
    answer = node.get(f"{execution.path}/output?times=1")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.content.splitlines()]
    said = [tuple(map(one.get, ("stream", "offset", "text", "base64"))) for one in lines]
    assert said == [
        ("stdout", 0, "a", None), ("stderr", 1, None, "/w=="), ("stdout", 2, "ä", None),
    ]  # fmt: skip
    moments = [one["at"] for one in lines]
    assert moments == sorted(set(moments))
    assert moments[0] >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before))


# --- ranges


def test_ranges(node: Node) -> None:
    execution = node.ran("printf 0123456789")
    path = f"{execution.path}/stdout"
    etag = node.get(path).headers["ETag"]
    for asked, content, told in (
        ("bytes=2-4", b"234", "bytes 2-4/10"), ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"), ("bytes=0-99", b"0123456789", "bytes 0-9/10"),
    ):  # fmt: skip
        for more in ({}, {"If-Range": etag}):
            answer = node.get(path, headers={"Range": asked, **more})
            assert (answer.status_code, answer.content) == (206, content)
            assert answer.headers["Content-Range"] == told
    for asked in ("bytes=10-", "bytes=-0", "bytes=99-100"):
        answer = node.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10")
    for more in ({"Range": "bytes=1-2,4-5"}, {"Range": "bytes=2-4", "If-Range": '"x"'},
                 {"Range": "lines=1-2"}, {"Range": "bytes=4-2"}):  # fmt: skip
        answer = node.get(path, headers=more)
        assert (answer.status_code, answer.content) == (200, b"0123456789")


def test_ranges_while_it_runs_have_no_end_and_no_tag(node: Node, gate_file: Path) -> None:
    execution, run = node.begin(f"printf 0123; cat {gate_file} > /dev/null")
    heard(run, b"0123")
    path = f"{execution.path}/stdout"
    answer = node.get(path, headers={"Range": "bytes=1-"})
    assert (answer.status_code, answer.content) == (206, b"123")
    assert answer.headers["Content-Range"] == "bytes 1-3/*"
    assert "ETag" not in answer.headers
    whole = node.get(path, headers={"Range": "bytes=1-", "If-Range": '"x"'})
    assert (whole.status_code, whole.content) == (200, b"0123")
    open_gate(gate_file)
    ended(run)


@dataclass
class Gap:
    """An output whose middle was dropped."""

    path: str
    first: int
    last: int
    size: int


@pytest.fixture
def gap(node: Node) -> Gap:
    size = 400 * KB
    execution = node.ran(COUNT, size, max_output_bytes=64 * KB)
    path = f"{execution.path}/stdout"
    told = node.get(path).headers["X-Jexevents-Gaps"]
    place, why = told.split(" ")
    offset, missing = map(int, place.split("+"))
    assert why == "dropped"
    return Gap(path, offset, offset + missing, size)


def kept(gap: Gap) -> tuple[bytes, bytes]:
    whole = counted(0, gap.size)
    return whole[: gap.first], whole[gap.last :]


def test_what_is_missing_is_stated(node: Node, gap: Gap) -> None:
    before, behind = kept(gap)
    answer = node.get(gap.path)
    assert answer.content == before + behind
    assert answer.headers["X-Jexevents-Size"] == str(gap.size)
    missing = gap.last - gap.first
    line = f"[jexevents: {missing} bytes of stdout are missing: dropped]\n".encode()
    assert node.get(f"{gap.path}?gaps=text").content == before + (
        b"" if before.endswith(b"\n") else b"\n") + line + behind  # fmt: skip
    lines = [json.loads(one) for one in node.get(f"{gap.path}?times=1").content.splitlines()]
    assert [one for one in lines if "missing" in one] == [
        {"at": None, "stream": "stdout", "offset": gap.first, "missing": missing, "why": "dropped"}
    ]
    assert "".join(one.get("text", "") for one in lines).encode() == before + behind
    (event,) = [one for one in events(node.get(gap.path, headers=EVENTS)) if one.name == "gap"]
    assert (event.data["offset"], event.data["missing"]) == (gap.first, missing)
    assert event.id == f"1:{gap.last}"


def test_a_range_has_no_gap_in_it(node: Node, gap: Gap) -> None:
    whole = counted(0, gap.size)
    for asked, start, stop in (
        ("bytes=8-", 8, gap.first),
        (f"bytes={gap.first - 4}-{gap.last + 4}", gap.first - 4, gap.first),
        (f"bytes={gap.first}-", gap.last, gap.size), (f"bytes={gap.last - 1}-", gap.last, gap.size),
        (f"bytes={gap.last}-", gap.last, gap.size), ("bytes=-99999999", gap.last, gap.size),
        ("bytes=-7", gap.size - 7, gap.size),
    ):  # fmt: skip
        answer = node.get(gap.path, headers={"Range": asked})
        assert answer.status_code == 206, asked
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{gap.size}"
        assert answer.content == whole[start:stop]
    nothing = node.get(gap.path, headers={"Range": f"bytes={gap.first}-{gap.first + 9}"})
    assert nothing.status_code == 416
    assert "kept" in nothing.json()["detail"]


# --- as it comes


@dataclass
class Event:
    name: str
    id: str
    data: dict


def events(answer: requests.Response) -> list[Event]:
    return list(event_stream(answer.iter_lines()))


def event_stream(lines: Iterator[bytes]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.decode().partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}


class Followed:
    """A follower over a socket of its own, read as it comes."""

    def __init__(self, node: Node, path: str, *fields: str) -> None:
        self.connection = socket.create_connection(node.server.address, timeout=SECONDS)
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", *fields, "", ""]
        self.connection.sendall("\r\n".join(lines).encode())
        self.file = self.connection.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self.file.readline().strip().decode():
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value
        self.body = b""
        self.is_whole = False

    def more(self) -> bool:
        """Read a chunk; False at the end, where ``is_whole`` says whether it was one."""
        head = self.file.readline()
        if not head:
            return False
        size = int(head, 16)
        data = self.file.read(size)
        self.body += data
        self.is_whole = size == 0
        self.file.readline()
        return size > 0

    def until(self, text: bytes) -> None:
        while text not in self.body:
            assert self.more(), self.body

    def rest(self) -> bytes:
        while self.more():
            pass
        self.close()
        return self.body

    def close(self) -> None:
        self.file.close()
        self.connection.close()


def test_follow_gives_it_as_it_comes(node: Node, gate_file: Path) -> None:
    execution, run = node.begin(f"echo one; cat {gate_file}; echo three")
    following = Followed(node, f"{execution.path}/stdout?follow=1")
    following.until(b"one\n")
    assert following.headers["transfer-encoding"] == "chunked"
    open_gate(gate_file)
    assert following.rest() == b"one\ngo\nthree\n"
    assert following.is_whole
    ended(run)
    assert node.get(f"{execution.path}/stdout?follow=1").headers["Content-Length"] == "13"


def test_follow_from_the_last_lines_or_an_offset(node: Node, gate_file: Path) -> None:
    execution, run = node.begin(f"seq 5; cat {gate_file}; echo end")
    heard(run, b"5\n")
    path = f"{execution.path}/stdout?follow=1"
    lines = Followed(node, f"{path}&tail=2")
    ranged = Followed(node, path, "Range: bytes=7-")
    bounded = Followed(node, path, "Range: bytes=8-11")
    ahead = Followed(node, path, "Range: bytes=12-")
    suffix = Followed(node, path, "Range: bytes=-2")
    assert lines.headers["x-jexevents-offset"] == "6"
    assert (ranged.status, ranged.headers["content-range"]) == (206, f"bytes 7-{2**53 - 1}/*")
    assert bounded.headers["content-range"] == "bytes 8-11/*"
    open_gate(gate_file)
    assert lines.rest() == b"4\n5\ngo\nend\n"
    assert ranged.rest() == b"\n5\ngo\nend\n"
    assert bounded.rest() == b"5\ngo"
    assert ahead.rest() == b"\nend\n"
    assert suffix.rest() == b"5\ngo\nend\n"
    ended(run)
    assert node.get(path, headers={"Range": "bytes=17-"}).status_code == 416


def test_a_client_that_comes_again_misses_nothing(node: Node, gate_file: Path) -> None:
    """Cut off after any number of bytes, it goes on from there."""
    execution, run = node.begin(f"seq 100000; cat {gate_file}; seq 100000")
    expected = b"".join(b"%d\n" % n for n in range(1, 100_001))
    got = b""
    while len(got) < len(expected):
        following = Followed(node, f"{execution.path}/stdout?follow=1", f"Range: bytes={len(got)}-")
        if following.status == 206:
            assert following.headers["content-range"].startswith(f"bytes {len(got)}-")
            assert following.more()
            got += following.body[:100_000]
        following.close()
    open_gate(gate_file)
    following = Followed(node, f"{execution.path}/stdout?follow=1", f"Range: bytes={len(got)}-")
    got += following.rest() if following.headers.get("transfer-encoding") else following.file.read(
        int(following.headers["content-length"]))  # fmt: skip
    assert got == expected + b"go\n" + expected
    ended(run)


def test_follow_waits_for_the_beginning(node: Node, gate_file: Path) -> None:
    spec = node.runs.spec(f"cat {gate_file}")
    execution = node.execution(spec.id)
    following = Followed(node, f"{execution.path}/stdout?follow=1")
    ranged = Followed(node, f"{execution.path}/stdout?follow=1", "Range: bytes=1-")
    lines = Followed(node, f"{execution.path}/output?follow=1&times=1")
    assert (following.status, ranged.status, following.body) == (200, 206, b"")
    execution.begun()
    run = node.runs.create(spec)
    assert run.start(spec, SECONDS)
    open_gate(gate_file)
    assert following.rest() == b"go\n"
    assert ranged.rest() == b"o\n"
    assert json.loads(lines.rest())["text"] == "go\n"
    assert following.is_whole
    assert ranged.is_whole


def test_follow_of_what_was_given_up_before_its_folder_was_there(node: Node) -> None:
    execution = node.execution()
    execution.begun()
    following = Followed(node, f"{execution.path}/stdout?follow=1")
    execution.set(1, settled_at="now()")
    assert (following.rest(), following.is_whole) == (b"", True)


class EndsAtALook(RunOutputs):
    """Lets the job end just when somebody asks, for the so-and-so-many-th time, whether it has."""

    def __init__(self, runs: Path, gate: Path, look: int) -> None:
        super().__init__(runs)
        self._gate, self._looks = gate, look

    def of(self, attempt: UUID) -> AttemptOutput:
        output = super().of(attempt)
        standing, run = output.standing, RunFolder(output._folder)

        def ending() -> Any:
            self._looks -= 1
            if self._looks <= 0 and run.standing().held is Held.ALIVE:
                open_gate(self._gate)
                ended(run)
            return standing()

        output.standing = ending
        return output


@pytest.mark.parametrize(("query", "look"), [("", 1), ("?follow=1", 1), ("?follow=1&times=1", 3)])
def test_an_end_between_two_looks_loses_nothing(
    nodes: Any, gate_file: Path, query: str, look: int
) -> None:
    node = nodes(outputs=lambda runs: EndsAtALook(runs, gate_file, look))
    execution, run = node.begin(f"echo a; cat {gate_file}; echo end")
    heard(run, b"a\n")
    answer = node.get(f"{execution.path}/stdout{query}")
    assert ("go" in answer.text, "end" in answer.text) == (True, True)


def test_follow_of_what_never_begins_ends_with_it(node: Node) -> None:
    execution = node.execution()
    following = Followed(node, f"{execution.path}/stdout?follow=1")
    told = Followed(node, f"{execution.path}/stdout", "Accept: text/event-stream")
    execution.now("CANCELLED", "CANCELLED", True, reason="terminated")
    assert (following.rest(), following.is_whole) == (b"", True)
    (event,) = event_stream(iter(told.rest().split(b"\n")))
    assert (event.name, event.data["state"], event.data["reason"]) == (
        "end", "CANCELLED", "terminated")  # fmt: skip


def test_follow_ends_with_a_supervisor_that_was_killed(node: Node, gate_file: Path) -> None:
    from jexevents import processes

    execution, run = node.begin(f"echo a; cat {gate_file}")
    following = Followed(node, f"{execution.path}/stdout?follow=1")
    following.until(b"a\n")
    processes.end([holder(run)])
    assert (following.rest(), following.is_whole) == (b"a\n", True)


class Hold:
    """Sleeps as asked, or till the test lets go."""

    def __init__(self) -> None:
        self.holds, self.released = threading.Event(), threading.Event()
        self.sleeping = threading.Semaphore(0)

    def __call__(self, seconds: float) -> None:
        if self.holds.is_set():
            self.sleeping.release()
            assert self.released.wait(SECONDS)
        else:
            time.sleep(seconds)


def test_follow_at_a_gap_is_cut_unless_it_was_told(nodes: Any, tmp_path: Path) -> None:
    """A late follower is told of it in the head; of one that comes up later, by being cut off, as
    is one who counts bytes at any."""
    hold = Hold()
    node = nodes(sleep=hold)
    gates = [tmp_path / name for name in ("first", "second")]
    for gate in gates:
        os.mkfifo(gate)
    program = (
        f"{COUNT}\nopen({str(gates[0])!r}).read()\nw.write(b'small'); w.flush()\n"
        f"open({str(gates[1])!r}).read()\nw.write(b'b' * n + b'end'); w.flush()\n"
    )
    execution, run = node.begin(program, 400 * KB, max_output_bytes=64 * KB)
    path = f"{execution.path}/stdout"
    wait_until(lambda: int(node.get(path).headers["X-Jexevents-Size"]) == 400 * KB,
               SECONDS, "the first part")  # fmt: skip
    late = Followed(node, f"{path}?follow=1")
    told = Followed(node, f"{path}?follow=1&gaps=text")
    ranged = Followed(node, f"{path}?follow=1", "Range: bytes=0-")
    assert late.headers["x-jexevents-gaps"].endswith(" dropped")
    first = int(late.headers["x-jexevents-gaps"].partition("+")[0])
    assert ranged.rest() == counted(0, 400 * KB)[:first]
    assert not ranged.is_whole
    again = Followed(node, f"{path}?follow=1", f"Range: bytes={first}-")
    behind = int(again.headers["content-range"].split(" ")[1].partition("-")[0])
    assert behind > first
    again.close()
    open_gate(gates[0])
    for one in (late, told):
        one.until(b"small")
    hold.holds.set()
    for _ in (late, told):
        assert hold.sleeping.acquire(timeout=SECONDS)
    open_gate(gates[1])
    ended(run)
    hold.released.set()
    assert late.rest().endswith(b"small")
    assert told.rest().endswith(b"bbbend")
    assert told.body.count(b"bytes of stdout are missing: dropped]\n") == 2
    assert (late.is_whole, told.is_whole) == (False, True)


def test_events(node: Node, gate_file: Path) -> None:
    program = f"printf 'a\\303'; cat {gate_file} > /dev/null; printf '\\244'; sleep 0.1; " \
              "printf '\\377' >&2; exit 3"  # fmt: skip
    execution, run = node.begin(program)
    following = Followed(node, f"{execution.path}/output", "Accept: text/event-stream")
    assert following.headers["content-type"] == "text/event-stream"
    following.until(b'"a"')
    open_gate(gate_file)
    ended(run)
    execution.now("FAILED", "ERROR", True, exit_code=3, reason="exit")
    *told, end = event_stream(iter(following.rest().split(b"\n")))
    assert [(one.name, one.id, one.data.get("text"), one.data.get("base64")) for one in told] == [
        ("stdout", "1:1", "a", None), ("stdout", "1:3", "ä", None), ("stderr", "1:4", None, "/w=="),
    ]  # fmt: skip
    assert (end.name, end.id) == ("end", "1:4:end")
    assert end.data == {"offset": 4, "attempt": 1, "current": 1, "state": "FAILED",
                        "phase": "ERROR", "exit_code": 3, "reason": "exit"}  # fmt: skip
    again = {**EVENTS, "Last-Event-ID": "1:1"}
    rest = events(node.get(f"{execution.path}/output?tail=1", headers=again))
    assert [one.id for one in rest] == ["1:3", "1:4", "1:4:end"]
    over = {**EVENTS, "Last-Event-ID": end.id}
    assert node.get(f"{execution.path}/output", headers=over).status_code == 204


def test_events_say_that_they_are_there(nodes: Any, monkeypatch: Any, gate_file: Path) -> None:
    monkeypatch.setattr("jexevents.sidecar.outputforms.KEEP_ALIVE_SECONDS", 0.1)
    node = nodes()
    execution, run = node.begin(f"cat {gate_file}")
    queued = node.execution()
    for one in (execution, queued):
        following = Followed(node, f"{one.path}/output", "Accept: text/event-stream")
        following.until(b": nothing new\n\n: nothing new\n\n")
        following.close()
    open_gate(gate_file)
    ended(run)


def test_who_comes_again_stays_with_the_attempt(node: Node) -> None:
    execution = node.ran("echo first")
    execution.run("update executions set attempt = 2")
    again = {**EVENTS, "Last-Event-ID": "1:3"}
    answer = node.get(f"{execution.path}/stdout", headers=again)
    told, end = events(answer)
    assert (told.data["text"], end.data["attempt"], end.data["current"]) == ("st\n", 1, 2)


# --- places, ends, those who go away


def test_followers_keep_no_others_out(nodes: Any, gate_file: Path) -> None:
    node = nodes(stream_limit=1)
    execution, run = node.begin(f"echo a; cat {gate_file}")
    heard(run, b"a\n")
    following = Followed(node, f"{execution.path}/stdout?follow=1")
    following.until(b"a\n")
    assert node.get(f"{execution.path}/stdout").content == b"a\n"
    refused = node.get(f"{execution.path}/stdout?follow=1")
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    large = node.ran(COUNT, 2 * MB)
    assert node.get(f"{large.path}/stdout").status_code == 503
    assert node.get(f"{large.path}/stdout", headers={"Range": "bytes=0-99"}).status_code == 206
    open_gate(gate_file)
    following.rest()
    assert node.get(f"{large.path}/stdout").status_code == 200
    ended(run)


@pytest.mark.parametrize("begun", [True, False])
def test_who_goes_away_gives_his_place_back(nodes: Any, gate_file: Path, begun: bool) -> None:
    """Though the job says nothing, so that nothing is ever sent to him."""
    node = nodes(stream_limit=1)
    execution = node.begin(f"cat {gate_file}")[0] if begun else node.execution()
    for _ in range(2):
        following = wait_until(lambda: accepted(node, execution), SECONDS, "a place")
        following.close()
    wait_until(lambda: node.get(f"{execution.path}/output", headers=EVENTS, stream=True).ok,
               SECONDS, "a place")  # fmt: skip
    if begun:
        open_gate(gate_file)


def accepted(node: Node, execution: Execution) -> Followed | None:
    following = Followed(node, f"{execution.path}/stdout?follow=1")
    if following.status == 200:
        return following
    following.close()
    return None


@pytest.mark.parametrize("form", ["?follow=1", "?follow=1&times=1", ""])
def test_the_end_of_the_sidecar_is_no_end_of_the_output(
    nodes: Any, gate_file: Path, form: str
) -> None:
    node = nodes()
    execution, run = node.begin(f"echo a; cat {gate_file}")
    fields = () if form else ("Accept: text/event-stream",)
    following = Followed(node, f"{execution.path}/stdout{form}", *fields)
    following.until(b"a")
    began = time.monotonic()
    node.server.stop()
    following.rest()
    assert node.server.join(10)
    assert time.monotonic() - began < 4, "it was ended by force"
    assert not following.is_whole
    assert b"event: end" not in following.body
    open_gate(gate_file)
    ended(run)


def test_a_reader_that_reads_nothing_is_let_go(nodes: Any) -> None:
    node = nodes()
    node.server._adjustments.channel_timeout = 1
    execution = node.ran(COUNT, 48 * MB)
    connection = socket.create_connection(node.server.address, timeout=SECONDS)
    with closing(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(
            f"GET {execution.path}/stdout HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        before = len(threading.enumerate())
        wait_until(lambda: not any(one.channels() for one in node.server._listeners), SECONDS,
                   "the end of the connection")  # fmt: skip
        assert len(threading.enumerate()) <= before


# --- other nodes


def test_another_node_has_it(nodes: Any) -> None:
    here, there = nodes("here"), nodes("there")
    execution = there.ran("printf 'a\\377'; sleep 0.1; printf b >&2")
    for which in ("stdout", "output"):
        path = f"{execution.path}/{which}"
        own, other = there.get(path), here.get(path)
        assert other.content == own.content
        for name in ("ETag", "Content-Type", "X-Jexevents-Size", "Content-Length", "Accept-Ranges"):
            assert other.headers[name] == own.headers[name]
        assert FRAMES not in other.headers
    path = f"{execution.path}/output"
    head = here.get(path, "HEAD")
    assert (head.status_code, head.headers["Content-Length"]) == (200, "3")
    part = here.get(path, headers={"Range": "bytes=1-"})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (
        206, b"\xffb", "bytes 1-2/3")  # fmt: skip
    refused = here.get(path, headers={"Range": "bytes=3-"})
    assert (refused.status_code, refused.headers["Content-Range"]) == (416, "bytes */3")
    lines = here.get(f"{path}?times=1").content.splitlines()
    assert [json.loads(line)["offset"] for line in lines] == [0, 2]
    execution.now("COMPLETE", "COMPLETE", True)
    assert [one.name for one in events(here.get(path, headers=EVENTS))] == [
        "stdout",
        "stderr",
        "end",
    ]
    again = {**EVENTS, "Last-Event-ID": "1:3:end"}
    assert here.get(path, headers=again).status_code == 204


def test_another_nodes_large_output(nodes: Any) -> None:
    here, there = nodes("here"), nodes("there")
    execution = there.ran(COUNT, 3 * MB)
    answer = here.get(f"{execution.path}/stdout")
    assert answer.content == counted(0, 3 * MB)
    assert answer.headers["Content-Length"] == str(3 * MB)


def test_another_nodes_output_as_it_comes(nodes: Any, gate_file: Path, monkeypatch: Any) -> None:
    """Also before it begins; the head at once, though nothing comes."""
    monkeypatch.setattr("jexevents.peers.FRAME_SECONDS", 1000)
    monkeypatch.setattr("jexevents.peers._PATIENCE_SECONDS", SECONDS)
    here, there = nodes("here"), nodes("there")
    spec = there.runs.spec(f"echo a; cat {gate_file}")
    execution = there.execution(spec.id)
    early = Followed(here, f"{execution.path}/stdout?follow=1")
    execution.begun(node="there")
    run = there.runs.create(spec)
    assert run.start(spec, SECONDS)
    following = Followed(here, f"{execution.path}/stdout?follow=1", "Range: bytes=1-")
    assert following.headers["content-range"] == f"bytes 1-{2**53 - 1}/*"
    quiet = Followed(here, f"{execution.path}/stdout?follow=1", "Range: bytes=2-")
    assert quiet.status == 206
    following.until(b"\n")
    early.until(b"a\n")
    open_gate(gate_file)
    assert (quiet.rest(), quiet.is_whole) == (b"go\n", True)
    assert (following.rest(), following.is_whole) == (b"\ngo\n", True)
    assert (early.rest(), early.is_whole) == (b"a\ngo\n", True)


def test_another_node_is_quiet_for_long(nodes: Any, gate_file: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("jexevents.peers._PATIENCE_SECONDS", 2.0)
    monkeypatch.setattr("jexevents.peers.FRAME_SECONDS", 0.2)
    here, there = nodes("here"), nodes("there")
    execution, run = there.begin(f"cat {gate_file}; cat {gate_file}")
    following = Followed(here, f"{execution.path}/stdout?follow=1")
    quiet_until = time.monotonic() + 4
    wait_until(lambda: time.monotonic() > quiet_until, SECONDS, "longer than its patience")
    open_gate(gate_file)
    following.until(b"go\n")
    open_gate(gate_file)
    assert (following.rest(), following.is_whole) == (b"go\ngo\n", True)
    ended(run)


def test_another_node_that_stops_cuts_its_answers(nodes: Any, gate_file: Path) -> None:
    here, there = nodes("here"), nodes("there")
    execution, run = there.begin(f"echo a; cat {gate_file}")
    following = Followed(here, f"{execution.path}/stdout?follow=1")
    following.until(b"a\n")
    there.server.stop()
    assert (following.rest(), following.is_whole) == (b"a\n", False)
    assert there.server.join(10)
    away = here.get(f"{execution.path}/stdout")
    assert away.status_code == 503
    assert away.json()["detail"].startswith(
        "The output lies on the node 'there', which does not give it: Connection refused."
    )
    open_gate(gate_file)
    ended(run)


def test_who_goes_away_frees_the_other_node(nodes: Any, gate_file: Path) -> None:
    here, there = nodes("here"), nodes("there", stream_limit=1)
    execution, run = there.begin(f"cat {gate_file}")
    Followed(here, f"{execution.path}/stdout?follow=1").close()
    again = wait_until(lambda: accepted(there, execution), SECONDS, "the place of another node")
    open_gate(gate_file)
    assert again.rest() == b"go\n"
    ended(run)


def test_another_node_that_cannot_be_asked(nodes: Any) -> None:
    here, there = nodes("here"), nodes("there", url=False)
    execution = there.ran("echo a")
    answer = here.get(f"{execution.path}/stdout")
    assert (answer.status_code, "The output lies on the node 'there'" in answer.text) == (503, True)
    assert "NodeURL" in answer.text
    other = nodes("other", secret="")
    assert "NodeSecret" in other.get(f"{execution.path}/stdout").text
    wrong = nodes("wrong", secret="another secret!!")
    third = wrong.ran("echo a")
    refused = here.get(f"{third.path}/stdout")
    assert (refused.status_code, "401" in refused.text) == (503, True)


def test_only_nodes_are_answered(nodes: Any) -> None:
    here, there = nodes("here"), nodes("there")
    execution = here.ran("echo a")
    path = f"/nodes/executions/{execution.job_id}/stdout"
    ours = Peers(SECRET)

    def asked(value: str, at: Node = here, query: str = "?attempt=1") -> requests.Response:
        return at.get(path + query, headers={HEADER: value})

    assert asked(ours.sign("GET", path)).content == b"a\n"
    assert asked(ours.sign("GET", path), there).status_code == 404
    assert asked(ours.sign("GET", path), query="?attempt=2").status_code == 404
    for value in ("", ours.sign("GET", path + "x"), Peers("another secret!!").sign("GET", path)):
        assert asked(value).status_code == 401
    strange = f"/nodes/executions/{execution.job_id}/spec.json"
    assert here.get(strange, headers={HEADER: ours.sign("GET", strange)}).status_code == 404
    dots = "/nodes/executions/x/stdout"
    assert here.get(dots, headers={HEADER: ours.sign("GET", dots)}).status_code == 404


def test_base64_is_what_it_says(node: Node) -> None:
    data = bytes(range(256)) * 40
    execution = node.ran(
        "import sys; sys.stdout.buffer.write(bytes(range(256)) * int(sys.argv[1]))", 40
    )
    told = events(node.get(f"{execution.path}/stdout", headers=EVENTS))
    assert b"".join(base64.b64decode(one.data.get("base64", "")) for one in told) == data


BROKEN = {
    "its length": b"Content-Length: 100\r\n\r\nabc",
    "a frame": b"X-Jexevents-Frames: 1\r\nContent-Length: 7\r\n\r\n\0\0\0\x09abc",
    "the length of a frame": b"X-Jexevents-Frames: 1\r\nContent-Length: 2\r\n\r\n\0\0",
    "a chunk": b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
    "the last chunk": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "sense": b"X-Jexevents-Frames: 1\r\nContent-Length: 9\r\n\r\n\xff\xff\xff\xffabcde",
}


@pytest.mark.parametrize("what", BROKEN)
def test_another_node_that_ends_in_the_middle_is_found_out(what: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + BROKEN[what])

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        relayed = Peers(SECRET).relay("there", url, "/x", "", {})
        with pytest.raises(PeerUnavailable, match="'there'"):
            list(relayed.pieces())
        thread.join(10)


# --- runs of containers, by their result and number


def detail_of(execution: Execution, result: int, number: int) -> str:
    """Make of an execution what a container's run is in the ledger; give its path."""
    execution.run("update executions set definition = null, task = 'tool', result_id = %s,"
                  " number = %s where job_id = %s", result, number, execution.job_id)  # fmt: skip
    return f"/result/{result}/detail/{number}"


def test_of_a_containers_run(node: Node) -> None:
    path = detail_of(node.ran("echo one; echo two; echo three >&2"), 5, 2)
    assert node.get(f"{path}/stdout").content == b"one\ntwo\n"
    assert node.get(f"{path}/stderr/").content == b"three\n"
    assert node.get(f"{path}/output?tail=1").content in (b"two\n", b"three\n")
    assert node.get(f"{path}/stdout", headers={"Range": "bytes=4-"}).content == b"two\n"
    assert node.get(f"{path}/stdout?attempt=2").status_code == 404
    assert node.get("/result/5/detail/1/stdout").status_code == 404
    assert node.get("/result/x/detail/2/stdout").status_code == 404


def test_of_a_containers_run_on_another_node(nodes: Any) -> None:
    here, there = nodes("here"), nodes("there")
    path = detail_of(here.ran("printf there"), 1, 1)
    assert there.get(f"{path}/stdout").content == b"there"


def test_of_a_containers_run_as_it_comes(node: Node, gate_file: Path) -> None:
    execution, run = node.begin(f"echo first; read x < {gate_file}; echo last")
    path = detail_of(execution, 3, 1)
    heard(run, b"first\n")
    with closing(node.get(f"{path}/stdout?follow=1", stream=True)) as answer:
        lines = answer.iter_lines()
        assert next(lines) == b"first"
        open_gate(gate_file)
        ended(run)
        execution.now("COMPLETE", "COMPLETE", True, exit_code=0)
        assert list(lines) == [b"last"]
