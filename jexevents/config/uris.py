"""Checks and normal forms of the addresses in a configuration. Pure; nothing is connected.

No text of a ``Misfit`` from here holds any part of the address: it may have a password in it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from jexevents.config.misfit import Misfit
from jexevents.hookwords import JOB, MAILTO, are_addresses, is_address

EMBEDDED = "embedded:"

_ENCODE = "special characters of user and password percent-encoded (@ as %40, / as %2F, # as %23)"
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")
_LISTEN = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:\s/@]*):)?(?P<port>[0-9]{1,5})")
_POSTGRES = re.compile(
    r"postgres(?:ql)?://(?:[^:@/]*(?::[^@/]*)?@)?(?P<hosts>[^/?@]*)"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)
_POSTGRES_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?")
_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_STARTTLS = re.compile(r"starttls=(?:required|offered|none)")
_PARAMETER = re.compile(r"[a-z_]+=[^=]*")
_PAIR = re.compile(
    r"\s*(?P<name>[a-z_]+)\s*=\s*(?:'(?:\\.|[^'\\])*'|(?:\\.|[^\s\\'])(?:\\.|[^\s\\])*|(?=\s|$))"
    r"(?=\s|$)",
    re.DOTALL,
)


class ListenAddress(NamedTuple):
    """Where to listen: ``host`` is None where the configuration names none; port 0 is any free."""

    host: str | None
    port: int

    def __str__(self) -> str:
        """Give it as it is written in a configuration: ``:8080``, ``[::1]:8080``."""
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def read_listen_address(value: object) -> ListenAddress:
    """Read ``:8080``, ``8080`` (text or number), ``host:port`` or ``[::1]:8080``.

    Raises Misfit. The form with the bare colon is the original's (Go's ``http.ListenAndServe``).
    """
    text = str(value) if type(value) is int else value
    match = _LISTEN.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match["port"]) > 65535:
        raise Misfit('":PORT", "HOST:PORT", "[IPV6]:PORT" or a port, from 0 to 65535')
    return ListenAddress((match["host"] or "").strip("[]") or None, int(match["port"]))


def read_amqp_uri(value: object) -> str:
    """Give an ``amqp://`` or ``amqps://`` URI with its virtual host written out. Raises Misfit.

    ``amqp://h``, ``amqp://h/`` and ``amqp://h/%2F`` all mean the virtual host ``/`` (so it is for
    the Go client, whose configuration this is) and come out as the last; of an unencoded
    ``/a/b`` that client makes ``a/b``, pika only ``a``: it comes out as ``/a%2Fb``.
    """
    parts = _split("an amqp:// or amqps:// URI", value, ("amqp", "amqps"))
    if "@" in parts.path + parts.query:
        # More likely the rest of a password with a "/" in it than a virtual host.
        raise Misfit(f"an amqp:// or amqps:// URI with {_ENCODE}")
    vhost = unquote(parts.path[1:]) or "/"
    return parts._replace(path="/" + quote(vhost, safe="")).geturl()


def read_http_url(value: object) -> str:
    """Give an ``http://`` or ``https://`` URL without its closing slash. Raises Misfit."""
    parts = _split("an http:// or https:// URL", value, ("http", "https"))
    return parts.geturl().rstrip("/")


def read_event_url(value: object) -> str:
    """Give an ``http://`` or ``https://`` URL as it is written. Raises Misfit."""
    return _split("an http:// or https:// URL", value, ("http", "https")).geturl()


def read_hook_url(value: object) -> str:
    """Give a URL as ``read_event_url``, ``mailto:`` with addresses, or ``job:`` with a job's name.

    Raises Misfit.
    """
    if isinstance(value, str) and value.startswith(MAILTO):
        if not are_addresses(value.removeprefix(MAILTO)):
            raise Misfit("mailto: and addresses such as ann@example.org, with commas in between")
        return value
    if isinstance(value, str) and value.startswith(JOB):
        if not _JOB_NAME.fullmatch(value.removeprefix(JOB)):
            raise Misfit("job: and the name of a job, such as job:nightly-report")
        # The names of jobs are written so.
        return value.replace("_", "-")
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise Misfit(
            "an http:// or https:// URL, mailto: and addresses, or job: and the name of a job"
        )
    return read_event_url(value)


def read_smtp_uri(value: object) -> str:
    """Check ``smtp://USER:PASSWORD@HOST:PORT?starttls=...`` or ``smtps://...``, or "" for none.

    User and password are ASCII, for Python's client knows how to send no others. Raises Misfit.
    """
    if value == "":
        return ""
    parts = _split("an smtp:// or smtps:// URI", value, ("smtp", "smtps"))
    if parts.path.strip("/") or "@" in parts.query:
        # More likely the rest of a password with a "/" or "?" in it.
        raise Misfit(f"an smtp:// or smtps:// URI without path, with {_ENCODE}")
    if parts.query and (parts.scheme == "smtps" or not _STARTTLS.fullmatch(parts.query)):
        raise Misfit("?starttls=required, offered or none behind an smtp:// URI, and no more")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password) or not (user + password).isascii():
        raise Misfit("an smtp:// or smtps:// URI with user and password, both in ASCII, or neither")
    return str(value)


def read_mail_address(value: object) -> str:
    """Give an address such as ``jexevents@example.org``. Raises Misfit."""
    if not isinstance(value, str) or not is_address(value):
        raise Misfit("an address such as jexevents@example.org")
    return value


def read_public_url(value: object) -> str:
    """Give the URL that callers reach us by: as ``read_http_url``, but without credentials.

    A query has no place in it either, since paths are appended. Raises Misfit.
    """
    url = read_http_url(value)
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query:
        raise Misfit("an http:// or https:// URL without credentials and without query")
    return url


def read_db_uri(value: object) -> str:
    """Check a PostgreSQL URI, a libpq ``key=value`` string or ``embedded:PATH``. Raises Misfit.

    Checked is the form, as libpq reads it (PostgreSQL manual, 34.1.1): its own complaints would
    quote the faulty part, and that can be the password.
    """
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise Misfit("a postgres:// URI, a libpq key=value string or embedded:PATH")
    if value.startswith(EMBEDDED):
        return _check_embedded(value)
    if "://" in value.partition("=")[0]:
        return _check_postgres_uri(value)
    return _check_pairs(value)


def resolve_db_uri(uri: str, folder: Path) -> str:
    """Make the path of ``embedded:PATH`` absolute, from ``folder``; others come back as they are.

    ``~`` is the home folder, as in a shell.
    """
    if not uri.startswith(EMBEDDED):
        return uri
    return EMBEDDED + resolve_path(uri.removeprefix(EMBEDDED), folder)


def resolve_repository(url: str, folder: Path) -> str:
    """Make a path that begins with ``./``, ``../`` or ``~/`` absolute, from ``folder``; whatever
    else git takes comes back as it is."""
    return resolve_path(url, folder) if url.startswith(("./", "../", "~/")) else url


def resolve_path(path: str, folder: Path) -> str:
    """Make a path absolute, from ``folder``; the empty text is none. ``~`` is the home folder."""
    return os.path.normpath(folder.absolute() / Path(path).expanduser()) if path else ""


def read_host(value: object) -> str:
    """Give a host name or address in lower case, without the brackets of IPv6. Raises Misfit."""
    text = value.lower() if isinstance(value, str) else ""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not (
        _HOST_NAME.fullmatch(bare) or re.fullmatch(r"[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*", bare)
    ):
        raise Misfit("a list of host names or addresses, without scheme and port")
    return bare


def _split(expected: str, value: object, schemes: tuple[str, ...]) -> SplitResult:
    """Split a URI and check all that can be said without knowing its purpose."""
    if not isinstance(value, str) or _BLANK.search(value):
        raise Misfit(f"{expected} without white space")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        # Not chained: urlsplit quotes what it takes for the port, and that can be the password.
        raise Misfit(f"{expected} with a port from 1 to 65535 and {_ENCODE}") from None
    if parts.scheme not in schemes or "://" not in value:
        raise Misfit(expected)
    if parts.netloc.count("@") > 1 or "#" in value or not _is_encoded(value):
        raise Misfit(f"{expected} with {_ENCODE}")
    if not parts.hostname or port == 0:
        raise Misfit(f"{expected} with a host name, and a port from 1 to 65535 if any")
    return parts


def _is_encoded(value: str) -> bool:
    try:
        unquote(value, errors="strict")
    except UnicodeDecodeError:
        return False
    return _BAD_PERCENT.search(value) is None


def _check_embedded(value: str) -> str:
    if not value.removeprefix(EMBEDDED).strip():
        raise Misfit("embedded:PATH with the path of the folder for the data")
    return value


def _check_postgres_uri(value: str) -> str:
    match = _POSTGRES.fullmatch(value)
    if match is None or _BLANK.search(value) or not _is_encoded(value):
        raise Misfit(f"a postgres:// or postgresql:// URI with {_ENCODE}")
    if not all(_has_good_port(host) for host in match["hosts"].split(",")):
        raise Misfit(f"a postgres:// URI with ports from 1 to 65535 and {_ENCODE}")
    if match["query"] and not all(map(_PARAMETER.fullmatch, match["query"].split("&"))):
        raise Misfit("a postgres:// URI with parameters of the form ?name=value&name=value")
    return value


def _has_good_port(host: str) -> bool:
    match = _POSTGRES_HOST.fullmatch(host)
    return match is not None and (not match["port"] or 1 <= int(match["port"][:6]) <= 65535)


def _check_pairs(value: str) -> str:
    position = 0
    while position < len(value.rstrip()):
        match = _PAIR.match(value, position)
        if match is None:
            raise Misfit("a postgres:// URI, a libpq key=value string or embedded:PATH")
        position = match.end()
    return value
