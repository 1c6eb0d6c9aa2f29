"""Where the daemon is that a command asks, and as who it asks."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from jexevents import config
from jexevents.cli.durations import duration
from jexevents.cli.naming import NotOne
from jexevents.client import address
from jexevents.client.credentials import Credential, NoCredential, Nothing, Token
from jexevents.config.environment import CLIENT_TOKEN, CLIENT_URL
from jexevents.errors import Refused
from jexevents.exits import Exit

if TYPE_CHECKING:
    from jexevents.client.poster import Poster

_LONGEST_SECRET_BYTES = 4096
_PATIENCE_SECONDS = 10.0


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a command that asks a daemon."""
    add_url(parser)
    parser.add_argument(
        "--token",
        help=f"a bearer token (default: what {CLIENT_TOKEN} holds, or the file that "
        f"{CLIENT_TOKEN}_FILE names)",
    )
    add_try_for(parser, _PATIENCE_SECONDS, "10s")
    parser.set_defaults(configured=False)


def add_url(parser: argparse.ArgumentParser) -> None:
    """Add the argument that says where the server is."""
    parser.add_argument(
        "--url",
        help=f"the server (default: what {CLIENT_URL} holds, else the one that is configured)",
    )


def add_try_for(parser: argparse.ArgumentParser, seconds: float, told: str) -> None:
    """Add the argument that says for how long to try again."""
    parser.add_argument(
        "--try-for",
        type=_span,
        default=seconds,
        metavar="TIME",
        help=f"how long to try again, like 90s or 5m; 0 for once (default: {told})",
    )


def _span(text: str) -> float:
    return 0.0 if text == "0" else duration(text).total_seconds()


def asking(options: argparse.Namespace, work: Callable[[Poster], Exit | int]) -> Exit | int:
    """Have ``work`` ask the server that the options name; what that refuses is told, and is 65,
    and so is what names no job.

    Raises ServerAway where it does not answer.
    """
    try:
        url, credential = url_of(options), token_of(options)
    except (address.NoAddress, NoCredential) as error:
        complain(str(error))
        return Exit.USAGE
    # Only here: this library takes long to import.
    from jexevents.client.poster import Poster

    with Poster(url, credential, options.try_for, complain) as poster:
        try:
            return work(poster)
        except Refused as refused:
            return told(refused)
        except NotOne as error:
            complain(str(error))
            return Exit.DATA


def told(refused: Refused, place: str = "") -> Exit:
    """Say what the server does not take, fault by fault; ``place`` says first of what."""
    complain(f"{place}{refused}")
    for fault in refused.faults:
        print(f"  {fault}", file=sys.stderr)
    if refused.status == HTTPStatus.UNAUTHORIZED:
        print(
            f"  The token is that of --token, of {CLIENT_TOKEN}, or in the file that "
            f"{CLIENT_TOKEN}_FILE names.",
            file=sys.stderr,
        )
    return Exit.DATA


def complain(text: str) -> None:
    """Say something that is no result."""
    print(f"jexevents: {text}", file=sys.stderr, flush=True)


def url_of(options: argparse.Namespace) -> str:
    """Give where the server is. Raises NoAddress, and ConfigError where that is asked."""
    given = options.url or os.environ.get(CLIENT_URL)
    if given:
        return address.checked(given)
    known = config.load_some(options.config, os.environ, "PublicURL", "HTTPListenPort")
    listen = known["HTTPListenPort"]
    return address.of_configuration(known["PublicURL"], listen.host, listen.port)


def token_of(options: argparse.Namespace) -> Credential:
    """Give what to show: the token that is given, or that of the environment. Raises
    NoCredential."""
    token = options.token or secret_of(CLIENT_TOKEN, os.environ)
    return Nothing() if token is None else Token(token)


def secret_of(variable: str, environ: Mapping[str, str], path: Path | None = None) -> str | None:
    """Give what a file holds, or a variable, or the file that ``..._FILE`` names. Raises
    NoCredential for a file that cannot be read."""
    said_by = ""
    if path is None:
        if environ.get(variable):
            return environ[variable]
        named = environ.get(f"{variable}_FILE")
        if not named:
            return None
        path, said_by = Path(named), f", which {variable}_FILE names,"
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_SECRET_BYTES + 1)
        if len(content) > _LONGEST_SECRET_BYTES:
            raise NoCredential(f"{path}{said_by} is too long for a secret.")
        return content.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise NoCredential(f"{path}{said_by} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise NoCredential(f"{path}{said_by} cannot be read: {error}.") from error
