"""Requests over real connections: what receivers get, and that none of them holds a thread."""

from __future__ import annotations

import http.client
import ipaddress
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from jexevents import __version__
from jexevents.errors import ConfigError
from jexevents.hooks.transport import KEPT_BYTES, Answer, Outgoing, Transport, tls_context
from tests.integration.certificates import Certificate, make_certificate
from tests.receiver import Receiver, Reply, hang_up, receiving
from tests.support import free_port

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
SECOND = 1.0
# On a machine that others use, too; without a deadline it would be for ever.
PATIENCE = 60.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport((), tls_context())
    yield made
    made.close()


def post(url: str, **headers: str) -> Outgoing:
    return Outgoing("POST", url, headers, b'{"a": 1}')


def by(way: Callable[[BaseHTTPRequestHandler], None]) -> Callable[..., Reply]:
    return lambda _received: Reply(by=way)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte of a head now and then, without end."""
    while True:
        handler.wfile.write(b"H")
        time.sleep(SECOND / 10)


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    """Answer, and then send a byte of the body now and then, without end."""
    handler.send_response(200)
    handler.end_headers()
    drip(handler)


def test_a_request_as_it_arrives(receiver: Receiver, transport: Transport) -> None:
    answer = transport.send(post(f"{receiver.url}/in?x=1", X_Own="7"), 20)
    (came,) = receiver.received
    assert (answer.status, answer.text, answer.error) == (200, "ok", "")
    assert (came.method, came.path, came.body) == ("POST", "/in?x=1", b'{"a": 1}')
    assert came.headers["User-Agent"] == f"jexevents/{__version__}"
    assert came.headers["X_Own"] == "7"


def test_connections_are_kept(receiver: Receiver, transport: Transport) -> None:
    for _ in range(5):
        assert transport.send(post(receiver.url), 20).accepted
    assert receiver.connections == 1


def test_one_that_the_receiver_closed_meanwhile_costs_no_try(
    receiver: Receiver, transport: Transport
) -> None:
    replies = iter([Reply(), Reply(by=hang_up), Reply()])
    receiver.answer = lambda _received: next(replies)
    assert transport.send(post(receiver.url), 20).accepted
    assert transport.send(post(receiver.url), 20).accepted
    assert receiver.connections == 2


def test_a_new_one_that_is_closed_does(receiver: Receiver, transport: Transport) -> None:
    receiver.answer = by(hang_up)
    answer = transport.send(post(receiver.url), 20)
    assert answer.status is None
    assert "closed" in answer.error
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 204 No Content\r\nServer: x\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    ],
)
def test_an_answer_that_is_cut_in_its_head_is_none(
    receiver: Receiver, transport: Transport, head: bytes
) -> None:
    receiver.answer = by(lambda handler: _say(handler, head))
    answer = transport.send(post(receiver.url), 20)
    assert answer.status is None
    assert "in the middle of an answer's head" in answer.error
    receiver.answer = by(lambda handler: _say(handler, b"HTTP/1.0 200 OK\r\n\r\ncut"))
    assert transport.send(post(receiver.url), 20).text == "cut"


def _say(handler: BaseHTTPRequestHandler, text: bytes) -> None:
    handler.wfile.write(text)
    handler.close_connection = True


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, transport: Transport, status: int) -> None:
    receiver.answer = lambda _received: Reply(status, {"Location": f"{receiver.url}/there"})
    answer = transport.send(post(receiver.url), 20)
    assert (answer.status, answer.accepted) == (status, False)
    assert f"redirect to {receiver.url}/there" in answer.error
    assert len(receiver.received) == 1


@pytest.mark.parametrize("way", [drip, lambda _handler: threading.Event().wait(10 * SECOND)])
def test_an_answer_that_does_not_come_takes_no_longer_than_it_may(
    receiver: Receiver, transport: Transport, way: Callable
) -> None:
    receiver.answer = by(way)
    began = time.monotonic()
    answer = transport.send(post(receiver.url), SECOND)
    assert time.monotonic() - began < PATIENCE
    assert answer.status is None
    assert answer.error == "No answer in 1 s."


def test_a_body_that_drips_is_cut_and_the_status_counts(
    receiver: Receiver, transport: Transport
) -> None:
    receiver.answer = by(drip_body)
    began = time.monotonic()
    answer = transport.send(post(receiver.url), SECOND)
    assert time.monotonic() - began < PATIENCE
    assert answer.accepted
    assert set(answer.text) == {"H"}


def test_who_takes_no_connection_holds_nobody(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        began = time.monotonic()
        answer = transport.send(post(f"http://127.0.0.1:{address[1]}"), SECOND)
        assert time.monotonic() - began < PATIENCE
        assert (answer.status, answer.error) == (None, "No answer in 1 s.")
        for one in waiting:
            one.close()


def test_of_a_long_answer_little_is_read_and_less_is_kept(
    receiver: Receiver, transport: Transport
) -> None:
    receiver.answer = lambda _received: Reply(500, body=b"x" * (64 << 20))
    answer = transport.send(post(receiver.url), 20)
    assert answer.status == 500
    assert answer.text == "x" * KEPT_BYTES
    receiver.answer = lambda _received: Reply(500, body=b"\xff\0" + b"y" * 20_000)
    assert transport.send(post(receiver.url), 20).text.startswith("\ufffd\0y")
    # The first connection was left; the second, read to its end, is still good.
    assert transport.send(post(receiver.url), 20).status == 500
    assert receiver.connections == 2


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def pour(handler: BaseHTTPRequestHandler) -> None:
    """Answer with a redirect, and 150 MB behind it."""
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", str(150 << 20))
    handler.end_headers()
    with suppress(OSError):
        for _ in range(150):
            handler.wfile.write(bytes(1 << 20))
    handler.close_connection = True


def test_no_more_is_read_of_a_redirect(receiver: Receiver, transport: Transport) -> None:
    receiver.answer = by(pour)
    before = peak_bytes()
    assert transport.send(post(receiver.url), 20).status == 302
    assert peak_bytes() - before < 20 << 20


@pytest.mark.parametrize("location", ["http://[", "http://a b:c/", "//", "http://x:99999/", ""])
def test_a_redirect_to_nowhere_is_an_answer_like_others(
    receiver: Receiver, transport: Transport, location: str
) -> None:
    receiver.answer = lambda _received: Reply(302, {"Location": location})
    answer = transport.send(post(receiver.url), 20)
    assert (answer.status, answer.accepted) == (302, False)


@pytest.mark.parametrize("error", [ValueError, RuntimeError, RecursionError, UnicodeError])
def test_what_the_libraries_stumble_over_is_an_error_like_others(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def stumble(*_arguments: object, **_more: object) -> None:
        raise error("over /services/KEY-OF-THE-URL")

    monkeypatch.setattr(requests.Session, "request", stumble)
    outgoing = Outgoing("POST", "http://h/", {}, secrets=("KEY-OF-THE-URL",))
    answer = transport.send(outgoing, 20)
    assert (answer.status, answer.error) == (None, "The connection failed: over /services/***.")


def test_secrets_that_come_back_are_kept_nowhere(receiver: Receiver, transport: Transport) -> None:
    key = "k-very/secret"
    location = f"{receiver.url}/in?key={key}"
    receiver.answer = lambda _received: Reply(
        307, {"Location": location, "X-Seen": key, "Set-Cookie": "a=b"}, f"{key}: bad".encode()
    )
    outgoing = Outgoing("POST", receiver.url, {"X-Key": key}, b"{}", secrets=(key,))
    answer = transport.send(outgoing, 20)
    assert answer.text == "***: bad"
    assert f"redirect to {receiver.url}/in?key=***;" in answer.error
    assert (answer.headers["X-Seen"], answer.headers["Set-Cookie"]) == ("***", "***")
    assert key not in repr(answer) + repr(outgoing)


@pytest.mark.parametrize("before", [0, KEPT_BYTES - 10, 60 << 10])
def test_nor_is_a_part_of_one_that_a_cut_leaves(
    receiver: Receiver, transport: Transport, before: int
) -> None:
    key = "0123456789" * 400
    body = b"x" * before + key.encode() * 40
    receiver.answer = lambda _received: Reply(500, body=body)
    answer = transport.send(Outgoing("POST", receiver.url, {}, b"{}", secrets=(key,)), 20)
    assert not set(answer.text) - set("x*")
    assert len(answer.text) <= KEPT_BYTES


def test_what_looks_like_a_secret_is_kept_nowhere(receiver: Receiver, transport: Transport) -> None:
    receiver.answer = lambda _received: Reply(500, body=b"Authorization: Bearer abcdefghijk")
    assert "abcdefghijk" not in transport.send(post(receiver.url), 20).text


def test_cookies_are_not_kept(receiver: Receiver, transport: Transport) -> None:
    receiver.answer = lambda _received: Reply(headers={"Set-Cookie": "who=me; Path=/"})
    for _ in range(2):
        transport.send(post(receiver.url), 20)
    assert "Cookie" not in receiver.received[1].headers


def test_the_environments_proxies_are_not_asked(
    receiver: Receiver, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert transport.send(post(receiver.url), 20).accepted


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
def test_nothing_is_sent_to_forbidden_addresses(receiver: Receiver, host: str) -> None:
    transport = Transport(LOOPBACK, tls_context())
    answer = transport.send(post(f"http://{host}:{receiver.port}"), 20)
    assert answer.status is None
    assert "HookForbiddenNetworks" in answer.error
    assert receiver.connections == 0


def test_the_address_that_is_looked_at_is_the_one_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means another address when it is asked for again gets nowhere."""
    asked: list[str] = []

    def changing(host: str, port: int, *_rest: object, **_more: object) -> list:
        asked.append(host)
        address = "192.0.2.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    transport = Transport(LOOPBACK, tls_context())
    transport.send(post(f"http://rebinding.example:{receiver.port}"), 0.2)
    assert asked == ["rebinding.example"]
    assert receiver.connections == 0


def test_what_goes_wrong_is_said(transport: Transport) -> None:
    port = free_port()
    for url, words in (
        (f"http://127.0.0.1:{port}/", "connection refused"),
        ("http://nowhere.invalid/", "nowhere.invalid is not known"),
        ("http://[::1/", "failed"),
        ("http://\u0661\u0662\u200d/", "failed"),
    ):
        answer = transport.send(post(url), 20)
        assert answer.status is None
        assert words in answer.error, answer


def test_an_answer_that_is_no_http_is_an_error(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 mail.example.org ESMTP\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        answer = transport.send(post(f"http://127.0.0.1:{server.getsockname()[1]}"), 20)
        thread.join()
    assert (answer.status, answer.accepted) == (None, False)
    assert "220 mail" in answer.error


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(certificate: Certificate) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    with receiving(context) as started:
        yield started


def sent(receiver: Receiver, ca_file: Path | str, seconds: float = 20) -> Answer:
    transport = Transport((), tls_context(str(ca_file)))
    try:
        return transport.send(post(receiver.url), seconds)
    finally:
        transport.close()


def test_a_certificate_that_no_authority_knows_is_refused(secure: Receiver) -> None:
    answer = sent(secure, "")
    assert answer.status is None
    assert "certificate verify failed" in answer.error
    assert secure.received == []


def test_with_its_authority_it_is_taken(secure: Receiver, certificate: Certificate) -> None:
    assert sent(secure, certificate.cert).accepted


def test_the_deadline_holds_over_tls(secure: Receiver, certificate: Certificate) -> None:
    secure.answer = by(drip)
    began = time.monotonic()
    answer = sent(secure, certificate.cert, SECOND)
    assert time.monotonic() - began < PATIENCE
    assert answer.error == "No answer in 1 s."


def test_a_file_that_is_no_authority_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for name in ("empty.pem", "not-there.pem"):
        with pytest.raises(ConfigError, match="HookCAFile"):
            tls_context(str(tmp_path / name))


def test_an_answer_without_a_body(receiver: Receiver, transport: Transport) -> None:
    receiver.answer = lambda _received: Reply(204, body=b"")
    outgoing = Outgoing("DELETE", f"{receiver.url}/stop/1", {})
    assert transport.send(outgoing, 20).status == http.client.NO_CONTENT
    assert transport.send(outgoing, 20).status == http.client.NO_CONTENT
    (first, _) = receiver.received
    assert (first.method, first.body) == ("DELETE", b"")
