"""The server through real sockets: what clients send, well or badly, and how it stops."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.errors import ConfigError
from jexevents.model import Role
from jexevents.sidecar.app import build_app
from jexevents.sidecar.bind import LOOPBACK, Binding
from jexevents.sidecar.channel import Channel
from jexevents.sidecar.compose import Access, sidecar
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.server import GRACE_SECONDS, Server
from jexevents.sidecar.streams import HEAD, Cut
from tests.integration.web import (
    CREDENTIALS,
    JOB,
    app,
    assert_problem,
    credential,
    exchange,
    gate,
    parsed,
    read_all,
    routes,
)
from tests.support import wait_until

BODY = json.dumps(JOB).encode()
LOCAL = Binding(("127.0.0.1",), 0)
BOUND_BYTES = 1000
MORE_THAN_TWICE = b"FFF\r\n" + b" " * 0xFFF


@pytest.fixture(scope="module")
def server():
    one = Server(app(max_body_bytes=BOUND_BYTES), LOCAL, max_body_bytes=BOUND_BYTES)
    one.start()
    yield one
    one.stop()
    assert one.join(10)
    assert not one.failed


@pytest.fixture
def url(server):
    return "http://{}:{}".format(*server.address)


@pytest.fixture
def serve():
    started: list[Server] = []

    def start(wsgi, binding: Binding = LOCAL, **options) -> Server:
        one = Server(wsgi, binding, **options)
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.stop()
    for one in started:
        assert one.join(20)


def request(line: str, *fields: str, body: bytes = b"", close: bool = True) -> bytes:
    lines = [line, "Host: localhost", *fields, *(["Connection: close"] if close else [])]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def route(handler, **options) -> Route:
    return Route(
        **{"method": "GET", "path": "/it", "role": None, "handler": handler, "summary": "s"}
        | options
    )


def test_a_client_library_inserts_a_job(url):
    answer = requests.post(f"{url}/jobs", json=JOB, timeout=20)
    assert answer.status_code == 201
    assert answer.json()["UUID"] == JOB["AppID"]
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Server"] == "jexevents"


def test_a_chunked_body_is_read(url):
    answer = requests.post(f"{url}/jobs", data=iter([BODY[:7], BODY[7:]]), timeout=20)
    assert answer.status_code == 201


def test_tokens_through_the_socket(serve):
    one = serve(app(CREDENTIALS))
    place = "http://{}:{}/jobs/x".format(*one.address)
    assert requests.get(place, timeout=20).status_code == 401
    fields = {"Authorization": "Bearer read"}
    assert requests.get(place, headers=fields, timeout=20).status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"])
def test_a_request_through_an_unknown_proxy_is_not_a_local_one(url, name):
    assert requests.get(f"{url}/jobs/x", timeout=20).status_code == 200
    answer = requests.get(f"{url}/jobs/x", headers={name: "127.0.0.1"}, timeout=20)
    assert answer.status_code == 401


BAD = {
    "nonsense": (400, b"nonsense\r\n\r\n"),
    "lower-case method": (400, b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "no field name": (400, request("GET / HTTP/1.1", ": x")),
    "bare line feed": (400, b"GET /healthz HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
    "length no number": (400, request("POST /jobs HTTP/1.1", "Content-Length: ten")),
    "length below zero": (400, request("POST /jobs HTTP/1.1", "Content-Length: -1")),
    "two lengths": (400, request("POST /jobs HTTP/1.1", "Content-Length: 1", "Content-Length: 2")),
    "length of many digits": (
        400, request("POST /jobs HTTP/1.1", "Content-Length: " + "9" * 5000)),
    "length too large": (413, request("POST /jobs HTTP/1.1", "Content-Length: 999999999")),
    "body too large": (
        413, request("POST /jobs HTTP/1.1", "Content-Length: 1500", body=b"{" + b" " * 1499)),
    "chunks too large": (413, request(
        "POST /jobs HTTP/1.1", "Transfer-Encoding: chunked", body=MORE_THAN_TWICE)),
    "bad chunk": (
        400, request("POST /jobs HTTP/1.1", "Transfer-Encoding: chunked", body=b"zz\r\n\r\n")),
    "other transfer encoding": (
        501, request("POST /jobs HTTP/1.1", "Transfer-Encoding: gzip, chunked")),
    "target without bracket": (400, request("GET http://[::1/healthz HTTP/1.1")),
    "long target": (431, request("GET /" + "a" * 100_000 + " HTTP/1.1")),
    "long query": (431, request("GET /search?name=" + "a" * 100_000 + " HTTP/1.1")),
    "many fields": (431, request("GET /healthz HTTP/1.1", *(f"X-{n}: y" for n in range(20_000)))),
    "long field": (431, request("GET /healthz HTTP/1.1", "X: " + "y" * 200_000)),
    "endless head": (431, b"GET / HTTP/1.1\r\nX: " + b"y" * 300_000),
    "NUL in the path": (400, request("GET /jobs/%00 HTTP/1.1")),
    "dots": (400, request("GET /jobs/../healthz HTTP/1.1")),
    "encoded dots": (400, request("GET /jobs/%2e%2e HTTP/1.1")),
    "bad escape in the path": (400, request("GET /jobs/%zz HTTP/1.1")),
    "bad escape in the query": (400, request("GET /search?name=%zz HTTP/1.1")),
    "path not UTF-8": (400, request("GET /jobs/%ff HTTP/1.1")),
    "raw bytes in the path": (400, request("GET /jobs/\xff HTTP/1.1")),
    "query not UTF-8": (400, request("GET /search?name=\xff HTTP/1.1")),
    "two hosts": (403, request("GET /jobs/x HTTP/1.1", "Host: evil.example")),
    "unknown host": (403, b"GET /jobs/x HTTP/1.1\r\nHost: e.example\r\nConnection: close\r\n\r\n"),
    "two tokens": (401, request(
        "GET /jobs/x HTTP/1.1", "Authorization: Bearer a", "Authorization: Bearer b")),
    "CONNECT": (404, request("CONNECT localhost:80 HTTP/1.1")),
    "TRACE": (405, request("TRACE /healthz HTTP/1.1")),
    "other version": (404, request("GET /nope HTTP/3.7")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_problems_on_the_wire_too(server, name):
    status, data = BAD[name]
    answer = parsed(exchange(server.address, data))
    assert_problem(answer, status)
    assert len(answer.body) == int(answer.headers["Content-Length"])


GOOD = {
    "HTTP/1.0": b"GET /healthz HTTP/1.0\r\n\r\n",
    "HTTP/0.9 style": b"GET /healthz\r\n\r\n",
    "absolute form": request("GET http://localhost/healthz HTTP/1.1"),
    "absolute form of another host": request("GET http://other.example/healthz HTTP/1.1"),
    "slash at the end": request("GET /healthz/ HTTP/1.1"),
    "slashes at the start": request("GET //healthz HTTP/1.1"),
    "escaped letters": request("GET /%68ealthz HTTP/1.1"),
    "fragment": request("GET /healthz#x HTTP/1.1"),
    "blank lines before": b"\r\n\r\n" + request("GET /healthz HTTP/1.1"),
    "body on GET": request("GET /healthz HTTP/1.1", "Content-Length: 2", body=b"{}"),
    "folded field": request("GET /healthz HTTP/1.1", "X: a", " b"),
}


@pytest.mark.parametrize("name", GOOD)
def test_unusual_requests_that_are_right(server, name):
    answer = parsed(exchange(server.address, GOOD[name]))
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})


def test_pipelined_requests_are_answered_in_order(server):
    data = b"".join([
        request("GET /jobs/a HTTP/1.1", close=False),
        request("POST /jobs HTTP/1.1", f"Content-Length: {len(BODY)}", body=BODY, close=False),
        request("GET /nope HTTP/1.1", close=False),
        request("GET /jobs/z HTTP/1.1"),
    ])  # fmt: skip
    raw = exchange(server.address, data)
    assert re.findall(rb"HTTP/1\.1 (\d+)", raw) == [b"200", b"201", b"404", b"200"]


def test_head_has_no_body_and_keeps_the_connection_in_step(server):
    data = request("HEAD /healthz HTTP/1.1", close=False) + request("GET /healthz HTTP/1.1")
    raw = exchange(server.address, data)
    assert raw.count(b"HTTP/1.1 200") == 2
    assert raw.count(b'{"status"') == 1


def test_expect_continue_is_answered_and_a_body_too_large_is_not_asked_for(server):
    head = request("POST /jobs HTTP/1.1", f"Content-Length: {len(BODY)}", "Expect: 100-continue")
    with socket.create_connection(server.address, timeout=20) as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert b"201 Created" in read_all(connection)
    huge = request("POST /jobs HTTP/1.1", "Content-Length: 99999", "Expect: 100-continue")
    raw = exchange(server.address, huge)
    assert b"100 Continue" not in raw
    assert_problem(parsed(raw), 413)


@pytest.mark.parametrize("field", ["Content-Length: 999999", "Transfer-Encoding: chunked"])
def test_a_413_names_the_bound_however_much_comes(server, field):
    raw = exchange(server.address, request("POST /jobs HTTP/1.1", field, body=MORE_THAN_TWICE))
    assert f"larger than {BOUND_BYTES} bytes" in parsed(raw).json()["detail"]


def test_a_client_that_sends_too_much_still_reads_its_413(server):
    size = 20_000_000
    head = request("POST /jobs HTTP/1.1", f"Content-Length: {size}", close=False)
    with socket.create_connection(server.address, timeout=20) as connection:
        connection.sendall(head)
        sender = threading.Thread(target=send_quietly, args=(connection, b" " * size))
        sender.start()
        answer = parsed(read_all(connection))
        assert_problem(answer, 413)
        connection.close()
        sender.join(20)


def send_quietly(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"GET ", b"POST /jobs HTTP/1.1\r\n"]))
def test_any_bytes_get_a_problem_or_an_end(server, noise, start):
    raw = exchange(server.address, start + noise + b"\r\n\r\n", end=True)
    if raw:
        answer = parsed(raw)
        assert answer.status < 500 or answer.status == 501
        if answer.status >= 400 and answer.body:
            assert_problem(answer, answer.status, sent=noise.decode("latin-1"))


def test_a_failing_handler_and_a_failing_app_are_problems(serve, url):
    assert_problem(parsed_get(url, "/errors/bug"), 500)

    def broken(environ, start_response):
        raise ZeroDivisionError("hidden")

    one = serve(broken)
    answer = parsed(exchange(one.address, request("GET / HTTP/1.1")))
    assert_problem(answer, 500)


def parsed_get(url: str, path: str):
    host, port = url.removeprefix("http://").split(":")
    return parsed(exchange((host, int(port)), request(f"GET {path} HTTP/1.1")))


def test_an_answer_that_fails_midway_is_cut_off_and_the_server_lives(serve):
    def pieces():
        yield b"begun"
        raise ZeroDivisionError

    one = serve(build_app([route(lambda r: Response(200, pieces()))], gate()))
    for _ in range(3):
        raw = exchange(one.address, request("GET /it HTTP/1.1"))
        assert b"begun" in raw
        assert not raw.endswith(b"0\r\n\r\n")


def test_long_answers_leave_threads_for_health(serve):
    release, begun = threading.Event(), threading.Semaphore(0)

    def pieces():
        begun.release()
        yield b"a"
        assert release.wait(20)

    follow = route(lambda r: Response(200, pieces()), path="/long", streams=True)
    one = serve(build_app([follow, *routes()], gate(), stream_limit=1), threads=2)
    place = "http://{}:{}".format(*one.address)
    with requests.get(f"{place}/long", stream=True, timeout=20) as held:
        assert held.status_code == 200
        assert begun.acquire(timeout=20)
        refused = requests.get(f"{place}/long", timeout=20)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert requests.get(f"{place}/healthz", timeout=20).status_code == 200
        release.set()
        assert held.content == b"a"
    assert requests.get(f"{place}/long", timeout=20).status_code == 200


def test_a_reader_that_goes_away_gives_its_place_back(serve):
    ended = threading.Event()

    def pieces():
        try:
            while True:
                yield b"x" * 65536
        finally:
            ended.set()

    follow = route(lambda r: Response(200, pieces()), streams=True)
    one = serve(build_app([follow], gate(), stream_limit=1))
    with socket.create_connection(one.address, timeout=20) as connection:
        connection.sendall(request("GET /it HTTP/1.1"))
        assert connection.recv(100)
    assert ended.wait(20)


def test_slow_and_idle_clients_are_let_go(serve):
    one = serve(app(), idle_seconds=1)
    idle = socket.create_connection(one.address, timeout=20)
    slow = socket.create_connection(one.address, timeout=20)
    slow.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
    began, ended = time.monotonic(), threading.Event()
    dripping = threading.Thread(target=drip, args=(slow, ended))
    dripping.start()
    with idle, slow:
        assert idle.recv(1) == b""
        assert end_of(slow) == b""
    ended.set()
    dripping.join(20)
    assert time.monotonic() - began < 15


def drip(connection: socket.socket, ended: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while not ended.wait(0.2):
            connection.sendall(b"y")


def end_of(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1)
    except ConnectionResetError:
        return b""


def test_a_client_that_does_not_read_does_not_hold_a_thread(serve):
    done = threading.Event()

    def pieces():
        try:
            for _ in range(1000):
                yield b"x" * 1_000_000
        finally:
            done.set()

    one = serve(build_app([route(lambda r: Response(200, pieces()))], gate()), idle_seconds=1)
    with socket.create_connection(one.address, timeout=20) as connection:
        connection.sendall(request("GET /it HTTP/1.1"))
        assert done.wait(20)


def test_a_port_in_use_is_a_config_error_with_a_remedy(server):
    with pytest.raises(ConfigError, match="HTTPListenPort") as caught:
        Server(app(), Binding(("127.0.0.1",), server.address[1])).start()
    assert "Another program" in caught.value.remedy


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 300, ""])
def test_an_address_that_cannot_be_had_is_a_config_error(host):
    with pytest.raises(ConfigError, match="HTTPListenPort"):
        Server(app(), Binding((host or "\xff..",), 0)).start()


def test_loopback_is_bound_on_both_families_under_one_port(serve):
    one = serve(app(), Binding(LOOPBACK, 0))
    host, port = one.address
    assert host == "127.0.0.1"
    assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=20).status_code == 200
    if len(one.addresses) > 1:
        assert requests.get(f"http://[::1]:{port}/healthz", timeout=20).status_code == 200


def test_start_stop_and_join_in_any_order_and_number():
    one = Server(app(), LOCAL)
    assert one.join(0)
    one.start()
    one.start()
    assert not one.join(0)
    for _ in range(3):
        one.stop()
    assert one.join(10)
    assert one.join(0)
    one.start()  # stopped is for good
    assert one.join(0)
    assert not one.failed


def test_an_idle_server_stops_at_once_not_at_its_next_turn():
    one = Server(app(), LOCAL)
    one.start()
    with requests.Session() as kept:
        place = "http://{}:{}/healthz".format(*one.address)
        assert kept.get(place, timeout=20).status_code == 200
        assert not one.join(0.2)  # by now its loop waits for something to happen
        one.stop()
        assert one.join(3)


def test_stopped_before_its_start_it_never_runs():
    one = Server(app(), LOCAL)
    one.stop()
    one.start()
    assert one.join(0)


def test_stop_finishes_what_runs_and_accepts_nothing_new(serve):
    entered, release = threading.Event(), threading.Event()

    def slow(_request):
        entered.set()
        assert release.wait(20)
        return {"done": True}

    one = serve(build_app([route(slow, role=Role.READ)], gate()), grace_seconds=20)
    running = socket.create_connection(one.address, timeout=20)
    idle = socket.create_connection(one.address, timeout=20)
    running.sendall(request("GET /it HTTP/1.1", close=False))
    assert entered.wait(20)
    one.stop()
    assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(one.address, timeout=20)
    release.set()
    with running, idle:
        assert b'{"done": true}' in read_all(running)
    assert one.join(20)
    assert not one.failed


@contextlib.contextmanager
def asking(server: Server, connections: int):
    """Ask on that many kept connections, each all the time; give how often each was answered."""
    answered, ended = [0] * connections, threading.Event()

    def ask(number: int) -> None:
        wanted = request("GET /healthz HTTP/1.1", close=False)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(server.address, 10) as connection,
        ):
            while not ended.is_set():
                connection.sendall(wanted)
                if not connection.recv(65536):
                    return
                answered[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        ended.set()
        for thread in threads:
            thread.join(10)


def test_nobody_but_the_loop_closes_a_connection(serve, monkeypatch):
    """Whoever else did, the loop might take the next with the same number for it."""
    closing, close = set(), Channel.handle_close

    def note_and_close(channel):
        closing.add(threading.current_thread())
        close(channel)

    monkeypatch.setattr(Channel, "handle_close", note_and_close)
    one = serve(app())
    for _ in range(20):
        with socket.create_connection(one.address, 10) as asking:
            asking.sendall(request("GET /healthz HTTP/1.1", close=False))
            assert asking.recv(65536).endswith(b"}\n")
    wait_until(lambda: closing, 10, "a connection to be closed")
    one.stop()
    assert one.join(10)
    assert {thread.name for thread in closing} == {one.name}


def test_who_asks_all_the_time_leaves_threads_to_others(serve):
    one = serve(app(), threads=2)
    with asking(one, 6) as answered:
        wait_until(lambda: min(answered) > 50, 20, "answers on each connection")


def test_who_sends_many_at_once_leaves_threads_to_others(serve):
    answered = []

    def note(request):
        answered.append(request.query["by"])
        return {}

    one = serve(build_app([route(note, query=("by",))], gate(), check_answers=True), threads=1)
    many = request("GET /it?by=many HTTP/1.1", close=False) * 100
    with socket.create_connection(one.address, 10) as busy:
        busy.sendall(many)
        wait_until(lambda: answered, 10, "the first answer")
        exchange(one.address, request("GET /it?by=other HTTP/1.1"))
        assert answered.count("many") < 100
        wait_until(lambda: answered.count("many") == 100, 10, "the others")


def test_a_kept_connection_is_told_to_continue_once(serve):
    one = serve(app())
    head = f"Content-Length: {len(BODY)}", "Content-Type: application/json", "Expect: 100-continue"
    with asking(one, 4), socket.create_connection(one.address, 10) as kept:
        for _ in range(50):
            kept.sendall(request("GET /healthz HTTP/1.1", close=False))
            assert kept.recv(65536).endswith(b"}\n")
            kept.sendall(request("POST /jobs HTTP/1.1", *head, close=False))
            assert kept.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            kept.sendall(BODY)
            assert kept.recv(65536).startswith(b"HTTP/1.1 201")


def test_a_thread_that_outlives_its_server_touches_nothing(serve):
    begun, go_on = threading.Event(), threading.Event()
    outlived = []

    def wait(_request):
        outlived.append(threading.current_thread())
        begun.set()
        go_on.wait(20)
        return {}

    one = serve(build_app([route(wait)], gate(), check_answers=True), grace_seconds=0.1)
    with socket.create_connection(one.address, 10) as asking:
        asking.sendall(request("GET /it HTTP/1.1", close=False))
        assert begun.wait(10)
        one.stop()
        assert one.join(10)
        # Some of these get the numbers that the server's had.
        with contextlib.ExitStack() as stack:
            pairs = [socket.socketpair() for _ in range(20)]
            ends = [stack.enter_context(end) for pair in pairs for end in pair]
            go_on.set()
            wait_until(lambda: not outlived[0].is_alive(), 10, "its end")
            for end in ends:
                end.setblocking(False)
                with pytest.raises(BlockingIOError):
                    end.recv(1)


def test_who_asks_all_the_time_does_not_put_the_end_off(serve):
    one = serve(app(), grace_seconds=60)
    with asking(one, 3) as answered:
        wait_until(lambda: min(answered) > 10, 20, "answers on each connection")
        one.stop()
        assert one.join(10)


def test_a_thread_that_waits_for_the_next_request_does_not_wait_for_long(serve):
    one = serve(app(), threads=1)
    with socket.create_connection(one.address, 10) as kept:
        kept.sendall(request("GET /healthz HTTP/1.1", close=False))
        # The head and the body come as one.
        assert kept.recv(65536).endswith(b"}\n")
        assert parsed(exchange(one.address, request("GET /healthz HTTP/1.1"))).status == 200
        kept.sendall(request("GET /healthz HTTP/1.1"))
        assert read_all(kept).startswith(b"HTTP/1.1 200")


def test_stop_is_bounded_where_something_does_not_finish(serve):
    entered, release = threading.Event(), threading.Event()

    def stuck(_request):
        entered.set()
        release.wait(30)
        return {}

    one = serve(build_app([route(stuck)], gate()), grace_seconds=0.3)
    with socket.create_connection(one.address, timeout=20) as connection:
        connection.sendall(request("GET /it HTTP/1.1"))
        assert entered.wait(20)
        began = time.monotonic()
        one.stop()
        assert one.join(10)
        assert time.monotonic() - began < 5
        assert connection.recv(100) == b""
    release.set()


def test_an_answer_knows_when_nobody_wants_it_any_more(serve):
    """Though it says nothing, by which the server would see it."""
    ended, at_end = threading.Event(), threading.Event()

    def pieces(request):
        yield HEAD
        wait_until(request.unwanted, 20, "the end of the wish")
        (ended if begun == 1 else at_end).set()

    def follow(request):
        assert not request.unwanted()
        return Response(200, pieces(request))

    one = serve(build_app([route(follow)], gate()))
    begun = 1
    with socket.create_connection(one.address, timeout=20) as connection:
        connection.sendall(request("GET /it HTTP/1.1"))
        assert b"chunked" in connection.recv(1000), "the head comes before any of the body"
        assert not ended.is_set()
    assert ended.wait(20)
    begun = 2
    with socket.create_connection(one.address, timeout=20) as connection:
        connection.sendall(request("GET /it HTTP/1.1"))
        assert connection.recv(1000)
        one.stop()
        assert at_end.wait(GRACE_SECONDS / 2), "it was ended by force"
    assert one.join(20)


def test_an_answer_that_is_cut_has_no_end_and_no_word_in_the_log(serve, caplog):
    def pieces():
        yield b"begun"
        raise Cut

    one = serve(build_app([route(lambda r: Response(200, pieces()))], gate()))
    raw = exchange(one.address, request("GET /it HTTP/1.1"))
    assert raw.endswith(b"begun\r\n")
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


def test_peers_that_went_without_a_word_are_found_out(serve):
    one = serve(app())
    with socket.create_connection(one.address, timeout=20) as connection:
        connection.sendall(request("GET /healthz HTTP/1.1", close=False))
        assert connection.recv(1000)
        (channel,) = one._listeners[0].channels()
        assert channel.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert channel.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


def test_long_answers_have_threads_of_their_own():
    """As many are hung up by the database as may be, and as many are long: others are answered."""
    release, begun = threading.Event(), threading.Semaphore(0)

    def hang(_request):
        begun.release()
        assert release.wait(20)
        return {}

    def pieces():
        yield HEAD
        hang(None)

    table = [
        route(hang, path="/hang", role=Role.READ),
        route(lambda r: Response(200, pieces()), path="/long", role=Role.READ, streams=True),
        *routes(),
    ]
    access = Access("127.0.0.1", 0, threads=3, stream_limit=2, anonymous_roles={Role.READ})
    one = sidecar(table, access, lambda: [credential("t", Role.READ)]).server
    one.start()
    try:
        with ThreadPoolExecutor(5) as clients:
            place = "http://{}:{}".format(*one.address)
            for path in ("/long",) * 2 + ("/hang",) * 3:
                clients.submit(requests.get, place + path, timeout=20)
                assert begun.acquire(timeout=20)
            assert requests.get(f"{place}/healthz", timeout=5).status_code == 200
            release.set()
    finally:
        release.set()
        one.stop()
        assert one.join(20)
