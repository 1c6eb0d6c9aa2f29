"""Mails over SMTP to a real server: what arrives, how it is guarded, and what goes wrong."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from jexevents.hooks import mail
from jexevents.hooks.carrier import Carrier, Ways, receivers
from jexevents.hooks.hook import Hook
from jexevents.hooks.mail import Mail, Server
from jexevents.hooks.transport import Answer, tls_context
from tests.integration.certificates import Certificate, make_certificate
from tests.support import free_port
from tests.unit.deliveries import MESSAGE_ID, delivery

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
MAIL = Mail("00ff", ("ann@example.org", "bob@example.org"), "Grüße: Failed", "Größe\nfive\n")


class Box:
    """What a mail server took; ``refuse`` are receivers that it does not."""

    def __init__(self) -> None:
        self.taken: list[tuple[Any, EmailMessage]] = []
        self.refuse: set[str] = set()

    async def handle_RCPT(self, _server, _session, envelope, address, options) -> str:  # noqa: N802
        if address in self.refuse:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server, session, envelope) -> str:  # noqa: N802
        read = message_from_bytes(envelope.content, policy=policy.default)
        self.taken.append((_seen(session, envelope), read))
        return "250 taken"


def _seen(session: Any, envelope: Any) -> dict[str, Any]:
    """What the server saw of how a mail came."""
    return {
        "to": list(envelope.rcpt_tos),
        "from": envelope.mail_from,
        "tls": session.ssl is not None,
        "login": session.auth_data,
    }


@contextmanager
def serving(box: Box, **options: Any) -> Iterator[Server]:
    """Run a mail server; give how to reach it."""
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield Server("127.0.0.1", controller.port, "jex@example.org")
    finally:
        controller.stop()


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def sent(server: Server, what: Mail = MAIL, ca: Path | str = "", seconds: float = 20) -> Answer:
    return mail.send(what, server, tls_context(str(ca)), NOON, seconds)


def test_a_mail_as_it_arrives(box: Box) -> None:
    with serving(box) as server:
        answer = sent(server)
    assert (answer.status, answer.accepted, answer.error) == (250, True, "")
    ((how, came),) = box.taken
    assert how == {
        "to": list(MAIL.to), "from": "jex@example.org", "tls": False, "login": None,
    }  # fmt: skip
    assert came["From"] == "jex@example.org"
    assert came["To"] == "ann@example.org, bob@example.org"
    assert came["Subject"] == MAIL.subject
    assert came["Message-ID"] == "<00ff@jexevents>"
    assert came["Auto-Submitted"] == "auto-generated"
    assert came["Date"].datetime == NOON
    assert came.get_content().splitlines() == ["Größe", "five"]


def test_of_a_delivery(box: Box) -> None:
    with serving(box) as server:
        hook = Hook("post", "mailto:ann@example.org,bob+jex@example.org")
        carrier = Carrier(hook, Ways(tls_context(), "https://jex.example.org", (), server))
        assert carrier.send(delivery(), NOON).accepted
        carrier.close()
    ((how, came),) = box.taken
    assert how["to"] == ["ann@example.org", "bob+jex@example.org"]
    assert came["Subject"] == "[jexevents] condor job 222.0: Failed"
    assert came["Message-ID"] == f"<{MESSAGE_ID.replace('-', '')}@jexevents>"
    assert "https://jex.example.org/ledger/jobs/" in came.get_content()


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("place", ["subject", "to"])
def test_no_header_can_be_smuggled_in(box: Box, end: str, place: str) -> None:
    hostile = f"x{end}Bcc: all@example.org"
    what = replace(MAIL, **{place: hostile if place == "subject" else (hostile,)})
    with serving(box) as server:
        answer = sent(server, what)
    assert answer.status is None
    assert "not sent" in answer.error
    assert box.taken == []


def test_lines_of_a_text_end_nothing(box: Box) -> None:
    text = "a\n.\nb\r\n.\r\nQUIT\r\n"
    with serving(box) as server:
        assert sent(server, replace(MAIL, text=text)).accepted
    ((_, came),) = box.taken
    assert came.get_content().splitlines() == ["a", ".", "b", ".", "QUIT"]


def test_one_receiver_of_two_is_enough_and_the_other_is_named(box: Box) -> None:
    box.refuse = {"bob@example.org"}
    with serving(box) as server:
        answer = sent(server)
        assert answer.accepted
        assert answer.text == "refused: bob@example.org"
        box.refuse = set(MAIL.to)
        answer = sent(server)
    assert (answer.status, answer.accepted) == (550, False)
    assert "nobody of that name" in answer.error
    assert len(box.taken) == 1


def login_is(user: str, password: str) -> dict[str, Any]:
    def check(_server, _session, _envelope, _mechanism, given) -> AuthResult:
        right = (given.login, given.password) == (user.encode(), password.encode())
        told = None if right else f"535 no good: {given.password.decode()}"
        return AuthResult(
            success=right, handled=False, message=told, auth_data=user if right else None
        )

    return {"authenticator": check, "auth_required": True}


def server_tls(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


def test_login_over_starttls(box: Box, certificate: Certificate) -> None:
    options = {"tls_context": server_tls(certificate), **login_is("jex", "pass word")}
    with serving(box, **options) as server:
        server = replace(server, user="jex", password="pass word", tls="required")
        assert sent(server, ca=certificate.cert).accepted
        wrong = sent(replace(server, password="wrong"), ca=certificate.cert)
        assert (wrong.status, wrong.accepted) == (535, False)
        assert "535 no good: ***" in wrong.error
        stranger = sent(server)
        assert "certificate verify failed" in stranger.error
    ((how, _),) = box.taken
    assert (how["tls"], how["login"]) == (True, "jex")


def test_where_tls_is_required_nothing_goes_without(box: Box) -> None:
    with serving(box) as server:
        answer = sent(replace(server, tls="required"))
    assert "STARTTLS" in answer.error
    assert box.taken == []


def test_tls_that_is_offered_is_taken(box: Box, certificate: Certificate) -> None:
    with serving(box, tls_context=server_tls(certificate)) as server:
        assert sent(server, ca=certificate.cert).accepted
        assert sent(replace(server, tls="none")).accepted
    assert [how["tls"] for how, _ in box.taken] == [True, False]


def test_tls_from_the_first_byte(box: Box, certificate: Certificate) -> None:
    with serving(box, ssl_context=server_tls(certificate)) as server:
        answer = sent(replace(server, tls="implicit"), ca=certificate.cert)
    assert answer.accepted, answer.error
    assert len(box.taken) == 1


def test_a_server_that_drips_holds_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while True:
                    try:
                        connection.sendall(b"220-wait\r\n")
                    except OSError:
                        return
                    time.sleep(0.05)

        thread = threading.Thread(target=serve)
        thread.start()
        began = time.monotonic()
        answer = sent(Server("127.0.0.1", listening.getsockname()[1], "a@b"), seconds=1)
        assert time.monotonic() - began < 60
        thread.join()
    assert answer.status is None
    assert answer.error == "The mail server did not take it in 1 s."


def test_a_server_that_is_away_is_said() -> None:
    port = free_port()
    answer = sent(Server("127.0.0.1", port, "a@b"))
    assert f"127.0.0.1:{port} cannot be reached" in answer.error


def test_receivers_of_a_url() -> None:
    assert receivers("mailto:a@b") == ("a@b",)
    assert receivers("mailto:a+x@b,c@d") == ("a+x@b", "c@d")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("smtp://h", Server("h", 25, "a@b", tls="offered")),
        ("smtp://h:26?starttls=none", Server("h", 26, "a@b", tls="none")),
        ("smtp://u%40x:p%2F@h", Server("h", 25, "a@b", "u@x", "p/", "required")),
        ("smtp://u:p@h?starttls=offered", Server("h", 25, "a@b", "u", "p", "offered")),
        ("smtps://u:p@[::1]", Server("::1", 465, "a@b", "u", "p", "implicit")),
    ],
)
def test_the_server_of_a_uri(uri: str, expected: Server) -> None:
    assert mail.server_of(uri, "a@b") == expected
    assert "p/" not in repr(expected)
