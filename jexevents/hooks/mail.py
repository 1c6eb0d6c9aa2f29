"""Sends mails over SMTP, and gives what became of them; raises nothing."""

from __future__ import annotations

import smtplib
import socket
import time
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from ssl import SSLContext
from urllib.parse import unquote, urlsplit

from jexevents.errors import JexError
from jexevents.faults import fit, in_words
from jexevents.hooks import network
from jexevents.hooks.transport import Answer
from jexevents.redaction import without

_DOMAIN = "jexevents"
_TAKEN = 250
_GOODBYE_SECONDS = 1.0
_PORTS = {"smtp": 25, "smtps": 465}


class NoTLS(JexError):
    """The server offers no STARTTLS, and nothing is sent without."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where mails go to, and who sends them.

    ``tls`` is ``implicit`` (smtps), ``required`` (STARTTLS or nothing), ``offered`` (STARTTLS if
    the server has it) or ``none``. ``sender`` is an address.
    """

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    tls: str = "offered"


def server_of(uri: str, sender: str) -> Server:
    """Give the server that a checked ``smtp://`` or ``smtps://`` URI names.

    With a password TLS is required, unless the URI says otherwise.
    """
    parts = urlsplit(uri)
    tls = parts.query.partition("=")[2] or ("required" if parts.username else "offered")
    if parts.scheme == "smtps":
        tls = "implicit"
    return Server(
        parts.hostname or "",
        parts.port or _PORTS[parts.scheme],
        sender,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        tls,
    )


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail; ``id`` is the same at each attempt, so that receivers can tell a second copy."""

    id: str
    to: Sequence[str]
    subject: str
    text: str


def message(mail: Mail, sender: str, at: datetime) -> EmailMessage:
    """Give a mail as SMTP sends it.

    Raises ValueError where a header would have a line's end in it.
    """
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = ", ".join(mail.to)
    made["Subject"] = mail.subject
    made["Date"] = format_datetime(at.astimezone(timezone.utc))
    made["Message-ID"] = f"<{mail.id}@{_DOMAIN}>"
    # No answer of a machine to a machine's mail (RFC 3834).
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(mail.text)
    return made


def send(
    mail: Mail, server: Server, tls: SSLContext, at: datetime, timeout_seconds: float
) -> Answer:
    """Send a mail within ``timeout_seconds``.

    The answer's status is the code of SMTP. It counts as accepted if one receiver of
    several was taken, for to try again would send to that one twice; ``text`` names the others.
    """
    began = time.monotonic()
    try:
        with network.deadline(timeout_seconds):
            refused = _send(message(mail, server.sender, at), server, tls)
        told = f"refused: {', '.join(sorted(refused))}" if refused else ""
        return Answer(_TAKEN, time.monotonic() - began, text=told)
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        told = f"All receivers were refused: {code} {_text(said)}."
        return _failed(began, told, server, code)
    except smtplib.SMTPResponseException as error:
        told = f"The mail server answered {error.smtp_code} {_text(error.smtp_error)}."
        return _failed(began, told, server, error.smtp_code)
    except (smtplib.SMTPException, JexError, OSError, ValueError, MessageError) as error:
        if time.monotonic() - began >= timeout_seconds:
            told = f"The mail server did not take it in {timeout_seconds:g} s."
            return _failed(began, told, server)
        return _failed(began, f"The mail was not sent: {in_words(error)}", server)


def _send(made: EmailMessage, server: Server, tls: SSLContext) -> dict[str, tuple[int, bytes]]:
    kind = _Implicit if server.tls == "implicit" else _Client
    client = kind(server.host, tls)
    try:
        client.connect(server.host, server.port)
        client.ehlo_or_helo_if_needed()
        _secure(client, server)
        if server.user:
            client.login(server.user, server.password)
        refused = client.send_message(made)
        # The mail is taken: what the server says to a goodbye changes nothing.
        with suppress(smtplib.SMTPException, OSError), network.deadline(_GOODBYE_SECONDS):
            client.quit()
        return refused
    finally:
        client.close()


def _secure(client: _Client, server: Server) -> None:
    if server.tls not in ("required", "offered"):
        return
    if client.has_extn("starttls"):
        client.starttls(context=client.tls)
        client.ehlo()
    elif server.tls == "required":
        raise NoTLS()


class _Client(smtplib.SMTP):
    """A client whose sockets keep the deadline; it does not connect by itself."""

    def __init__(self, host: str, tls: SSLContext) -> None:
        super().__init__(local_hostname=_own_name())
        self.tls = tls
        # Whose certificate it must be; the library notes it only if it connects at once.
        self._host = host

    def _get_socket(self, host: str, port: int, _timeout: object) -> socket.socket:
        return network.connect(host, port)


class _Implicit(_Client):
    """The same, over TLS from the first byte."""

    def _get_socket(self, host: str, port: int, timeout: object) -> socket.socket:
        plain = super()._get_socket(host, port, timeout)
        return self.tls.wrap_socket(plain, server_hostname=host)


def _own_name() -> str:
    # Without it smtplib asks the resolver, which nobody bounds.
    return socket.gethostname() or "localhost"


def _failed(began: float, error: str, server: Server, code: int | None = None) -> Answer:
    """Give what went wrong; servers quote what they were told, a password too."""
    sent = (f"\0{server.user}\0{server.password}", server.password)
    secrets = [server.password, *(b64encode(one.encode()).decode() for one in sent)]
    return Answer(code, time.monotonic() - began, fit(without(secrets, error), 1000))


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
