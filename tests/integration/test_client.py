"""The commands that send: to a real event server, to one that comes late, and to bad ones."""

from __future__ import annotations

import io
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jexevents.cli.main import main
from jexevents.client.credentials import Nothing
from jexevents.client.poster import Poster
from jexevents.errors import ServerAway
from jexevents.exits import Exit
from jexevents.model import Role
from jexevents.sidecar.app import build_app
from jexevents.sidecar.auth import Gate, Signer
from jexevents.sidecar.bind import Binding
from jexevents.sidecar.server import Server
from jexevents.sidecar.tokens import Tokens
from tests.ledger import TestLedger
from tests.support import Clock, free_port, wait_until

SYSTEM = "2319db24-f46e-11e6-a35c-3c15c2cc8f88"
SIGNERS = [Signer("ann", "a secret"), Signer("lab", "another", SYSTEM)]
MAX_BYTES = 1 << 20
EVENTS = "/api/v1/events"


def event(**members: Any) -> dict[str, Any]:
    return {
        "smrtLinkId": SYSTEM, "uuid": str(uuid.uuid4()), "createdAt": "2017-02-16T16:36:21.082Z",
        "eventTypeId": "sl_test_event", "eventTypeVersion": 1, "message": {"note": "grün"},
        **members,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "TOKEN", "TOKEN_FILE", "SMRTLINK_SECRET", "SMRTLINK_SECRET_FILE", "CONFIG"):
        monkeypatch.delenv(f"JEXEVENTS_{name}", raising=False)


@contextmanager
def serving(ledger: TestLedger, port: int = 0) -> Iterator[str]:
    """Serve a ledger's routes; give the URL."""
    tokens = Tokens(ledger.tokens.in_force, cache_seconds=0, ask_again_seconds=0)
    app = build_app(ledger.app.routes, Gate(tokens, signers=SIGNERS))
    server = Server(app, Binding(("127.0.0.1",), port), max_body_bytes=MAX_BYTES)
    server.start()
    try:
        yield "http://{}:{}".format(*server.address)
    finally:
        server.stop()
        assert server.join(10)


@pytest.fixture
def url(ledger: TestLedger) -> Iterator[str]:
    with serving(ledger) as url:
        yield url


Run = Callable[..., tuple[int, list[dict], str]]


@pytest.fixture
def run() -> Run:
    """Run a command of ``jexevents smrtlink``; give its code, its answers, its complaints."""

    def run_one(*arguments: object) -> tuple[int, list[dict], str]:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(["smrtlink", *map(str, arguments)])
        # The server in this process may write its log there, too.
        lines = [line for line in out.getvalue().splitlines() if line[:1] == "{"]
        return code, list(map(json.loads, lines)), err.getvalue()

    return run_one


def write(folder: Path, *events: Any, name: str = "events.json") -> Path:
    path = folder / name
    path.write_text("\n".join(json.dumps(one) for one in events))
    return path


# --- sending to a real server


def test_events_are_sent_and_their_answers_printed(
    ledger: TestLedger, run: Run, url: str, tmp_path: Path
) -> None:
    sent = [event() for _ in range(5)]
    files = [write(tmp_path, *sent[:2]), write(tmp_path, sent[2:], name="array.json")]
    for _ in range(2):
        code, answers, err = run("send", *files, "--url", url)
        assert (code, err) == (Exit.OK, "")
        assert [one["uuid"] for one in answers] == [one["uuid"] for one in sent]
        assert answers[0]["message"] == {"note": "grün"}
        assert ledger.count("events") == 5


def test_the_standard_input(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps([event(), event()]).encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    code, answers, _ = run("send", "-", "--url", url)
    assert (code, len(answers)) == (Exit.OK, 2)


def test_what_is_refused_is_told_and_the_others_are_sent(
    ledger: TestLedger, run: Run, url: str, tmp_path: Path
) -> None:
    path = write(tmp_path, event(), event(createdAt="yesterday"), 7, event())
    code, answers, err = run("send", tmp_path / "missing", path, "--url", url)
    assert (code, len(answers), ledger.count("events")) == (Exit.DATA, 2, 2)
    assert f"{path}, line 2: Refused with 422" in err
    assert "  /createdAt: expected an RFC 3339 time stamp" in err
    assert f"{path}, line 3: expected a JSON object" in err
    assert "missing: No such file" in err
    again = event(uuid=answers[0]["uuid"], message={"note": "other"})
    code, _, err = run("send", write(tmp_path, again), "--url", url)
    assert (code, "409" in err) == (Exit.DATA, True)
    assert run("send", write(tmp_path, event(), 7), "--url", url)[0] == Exit.DATA
    code, _, err = run("send", write(tmp_path, name="empty"), "--url", url)
    assert (code, "no event in it" in err) == (Exit.DATA, True)


def test_missing_ids_are_added(run: Run, url: str, tmp_path: Path) -> None:
    short = event()
    del short["smrtLinkId"], short["uuid"]
    path = write(tmp_path, short)
    assert run("send", path, "--url", url)[0] == Exit.DATA
    code, (answer,), _ = run("send", path, "--url", url, "--system", SYSTEM.upper())
    assert (code, answer["smrtLinkId"]) == (Exit.OK, SYSTEM)
    assert uuid.UUID(answer["uuid"])


def test_tokens_and_signatures(
    ledger: TestLedger, run: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = ledger.token(Role.WRITE)
    path = write(tmp_path, event())
    other = event(smrtLinkId=str(uuid.uuid4()))
    secret = tmp_path / "secret"
    secret.write_text("another\n")
    sending = ("send", path, "--url", url)
    code, _, err = run(*sending)
    assert (code, "401" in err) == (Exit.DATA, True)
    assert run(*sending, "--token", "wrong")[0] == Exit.DATA
    assert run(*sending, "--token", token)[0] == Exit.OK
    assert run(*sending, "--hmac", "lab", "--secret-file", secret)[0] == Exit.OK
    by_lab = ("--url", url, "--hmac", "lab", "--secret-file", secret)
    code, _, err = run("send", write(tmp_path, other), *by_lab)
    assert (code, "403" in err) == (Exit.DATA, True)
    monkeypatch.setenv("JEXEVENTS_TOKEN", token)
    assert run(*sending)[0] == Exit.OK
    monkeypatch.setenv("JEXEVENTS_SMRTLINK_SECRET", "a secret")
    assert run(*sending, "--hmac", "ann")[0] == Exit.OK
    assert run(*sending, "--hmac", "lab")[0] == Exit.DATA
    monkeypatch.delenv("JEXEVENTS_TOKEN")
    monkeypatch.delenv("JEXEVENTS_SMRTLINK_SECRET")
    secret.write_text(token)
    monkeypatch.setenv("JEXEVENTS_TOKEN_FILE", str(secret))
    assert run(*sending)[0] == Exit.OK


def test_nothing_else_is_sent_where_the_caller_is_not_let_in(
    ledger: TestLedger, run: Run, url: str, tmp_path: Path
) -> None:
    ledger.token(Role.WRITE)
    code, _, err = run("send", write(tmp_path, event(), event()), "--url", url)
    assert (code, err.count("401")) == (Exit.DATA, 1)


def test_a_netrc_is_no_credential(
    ledger: TestLedger, run: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv("NETRC", str(netrc))
    path, token = write(tmp_path, event()), ledger.token(Role.WRITE)
    assert run("send", path, "--url", url, "--token", token)[0] == Exit.OK
    with scripted([Script(201)]) as peer:
        assert run("send", path, "--url", peer.url)[0] == Exit.OK
    assert "Authorization" not in peer.seen[0].headers


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "localhost:8080"],
        ["--url", "http://h", "--hmac", "ann"],
        ["--url", "http://h", "--secret-file", "x"],
        ["--url", "http://h", "--hmac", "ann", "--secret-file", "/no/such"],
        ["--url", "http://h", "--token", "a\nb"],
    ],
)
def test_what_cannot_be_asked_for(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    code, _, err = run("send", write(tmp_path, event()), *arguments)
    assert code == Exit.USAGE
    assert err.startswith("jexevents: ")


def test_the_server_of_the_configuration(
    run: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, config = write(tmp_path, event()), tmp_path / "config.json"
    config.write_text(json.dumps({"PublicURL": url, "DBURI": "nonsense", "NoSuch": 1}))
    monkeypatch.setenv("JEXEVENTS_AMQPURI", "nonsense")
    assert run("send", path, "--config", config)[0] == Exit.OK
    config.write_text(json.dumps({"HTTPListenPort": url.removeprefix("http://")}))
    assert run("send", path, "--config", config)[0] == Exit.OK
    config.write_text(json.dumps({"HTTPListenPort": ":0"}))
    assert run("send", path, "--config", config)[0] == Exit.USAGE
    config.write_text(json.dumps({"HTTPListenPort": "x"}))
    assert run("send", path, "--config", config)[0] == Exit.CONFIG


# --- a server that is away, or not well


def test_a_server_that_is_away(run: Run, tmp_path: Path) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    path = write(tmp_path, event(), event())
    code, answers, err = run("send", path, "--url", gone, "--try-for", "0")
    assert (code, answers) == (Exit.UNAVAILABLE, [])
    assert "Connection refused" in err
    code, _, err = run("send", path, "--url", gone, "--try-for", "1s")
    assert code == Exit.UNAVAILABLE
    assert "trying again" in err


def test_a_server_that_comes_late(ledger: TestLedger) -> None:
    port, body = free_port(), json.dumps(event()).encode()
    said: list[str] = []
    poster = Poster(f"http://127.0.0.1:{port}", Nothing(), 60, said.append)
    with poster, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(poster.post, EVENTS, lambda: nullcontext(body), {})
        wait_until(lambda: said, 20, "the first attempt to fail")
        with serving(ledger, port):
            assert answer.result(60)["message"] == {"note": "grün"}
    assert "Connection refused" in said[0]
    assert ledger.count("events") == 1


class Script:
    """How to answer one request: a status and fields, or, without a status, not at all."""

    def __init__(self, status: int | None, body: bytes = b"{}", **fields: str) -> None:
        self.status, self.body = status, body
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}


class Peer:
    """A server that answers as it is told, and what it saw."""

    def __init__(self, server: ThreadingHTTPServer, seen: list) -> None:
        self.url = "http://{}:{}".format(*server.server_address)
        self.seen = seen


@contextmanager
def scripted(scripts: Sequence[Script]) -> Iterator[Peer]:
    seen: list = []
    waiting = iter(scripts)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self)
            script = next(waiting)
            if script.status is None:
                self.close_connection = True
                return
            self.send_response(script.status)
            for name, value in {"Content-Length": str(len(script.body)), **script.fields}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(script.body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Peer(server, seen)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Waiting(Clock):
    """A clock that goes on by what is waited, and remembers it."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def posted(url: str, clock: Waiting, try_for: float = 300) -> dict:
    said: list[str] = []
    with Poster(url, Nothing(), try_for, said.append, clock=clock, wait=clock.wait) as poster:
        return poster.post("/x", lambda: nullcontext(b"body"), {"A": "b"})


def test_what_is_worth_it_is_tried_again() -> None:
    bad = [Script(503), Script(502), Script(504), Script(429), Script(None)]
    cut = Script(201, b"{", Content_Length="50", Connection="close")
    clock = Waiting()
    with scripted([*bad, cut, Script(201, b'{"a": 1}')]) as peer:
        assert posted(peer.url, clock) == {"a": 1}
    assert len(clock.waits) == len(bad) + 1
    assert {one.body for one in peer.seen} == {b"body"}
    assert {one.headers["A"] for one in peer.seen} == {"b"}


def test_retry_after_is_waited_for() -> None:
    clock = Waiting()
    with scripted(
        [Script(503, Retry_After="40"), Script(429, Retry_After="7"), Script(201)]
    ) as peer:
        posted(peer.url, clock)
    assert 40 <= clock.waits[0] <= 40.5
    assert 7 <= clock.waits[1] <= 8


def test_waits_grow_and_end_when_the_time_is_over() -> None:
    clock = Waiting()
    began = clock.now
    with scripted([Script(503)] * 100) as peer, pytest.raises(ServerAway, match="tried for 300 s"):
        posted(peer.url, clock)
    assert 5 < len(clock.waits) < 100
    assert max(clock.waits) <= 30
    assert max(clock.waits[:3]) <= 2
    assert clock.now - began == pytest.approx(300)


def test_a_server_that_asks_for_longer_than_that_is_left_at_once() -> None:
    clock = Waiting()
    with scripted([Script(503, Retry_After="301")]) as peer, pytest.raises(ServerAway, match="301"):
        posted(peer.url, clock)
    assert clock.waits == []


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(500, b'{"detail": "The server failed."}'), Exit.UNAVAILABLE),
        (Script(507), Exit.UNAVAILABLE),
        (Script(200, b"<html>"), Exit.UNAVAILABLE),
        (Script(302, Location="http://127.0.0.1:9/"), Exit.DATA),
        (Script(404, b"<html>"), Exit.DATA),
    ],
)
def test_what_is_not_tried_again(run: Run, tmp_path: Path, script: Script, code: int) -> None:
    with scripted([script]) as peer:
        assert run("send", write(tmp_path, event(), event()), "--url", peer.url)[0] == code
    assert len(peer.seen) == 1


def test_an_answer_without_end_is_none() -> None:
    endless = Script(201, b"x" * (5 << 20))
    clock = Waiting()
    with scripted([endless, Script(201)]) as peer:
        assert posted(peer.url, clock) == {}
    assert len(clock.waits) == 1


# --- uploads


def test_an_upload_keeps_its_key_over_all_attempts(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "example.tgz"
    path.write_bytes(b"x" * 100_000)
    with scripted([Script(503), Script(None), Script(201), Script(201)]) as peer:
        assert run("upload", path, "--url", peer.url)[0] == Exit.OK
        assert run("upload", path, "--url", peer.url)[0] == Exit.OK
    keys = [one.headers["Idempotency-Key"] for one in peer.seen]
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]
    assert all(b"x" * 100_000 in one.body for one in peer.seen)
    assert {one.path for one in peer.seen} == {"/api/v1/files"}


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("a.tgz", [], b"techsupport_tgz"),
        ("a.TAR.GZ", [], b"techsupport_tgz"),
        ("a.zip", [], b"file"),
        ("a.tar.gz", ["--field", "file"], b"file"),
    ],
)
def test_fields(run: Run, tmp_path: Path, name: str, arguments: list, field: bytes) -> None:
    (tmp_path / name).write_bytes(b"x")
    with scripted([Script(201)]) as peer:
        done = run("upload", tmp_path / name, "--url", peer.url, "--key", "mine", *arguments)
    assert done[0] == Exit.OK
    assert b'name="' + field + b'"' in peer.seen[0].body
    assert peer.seen[0].headers["Idempotency-Key"] == "mine"


def test_what_is_no_file(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.tgz"):
        code, _, err = run("upload", path, "--url", "http://127.0.0.1:9")
        assert (code, err) == (Exit.DATA, f"jexevents: {path}: this is no file\n")
