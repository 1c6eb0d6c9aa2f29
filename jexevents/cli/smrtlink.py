"""``jexevents smrtlink``: send events and files to an event server, as SMRT Link does.

Needs no database, and reads no more of the configuration than where the server is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from jexevents.cli.server import (
    add_try_for,
    add_url,
    complain,
    secret_of,
    token_of,
    told,
    url_of,
)
from jexevents.client import address
from jexevents.client.credentials import Credential, NoCredential, Signature
from jexevents.client.documents import completed, documents
from jexevents.client.form import Upload
from jexevents.config.environment import CLIENT_SECRET, CLIENT_TOKEN
from jexevents.errors import Refused
from jexevents.exits import Exit
from jexevents.validation import is_uuid

if TYPE_CHECKING:
    from jexevents.client.poster import Poster

_EVENTS, _FILES = "/api/v1/events", "/api/v1/files"
_ARCHIVES = (".tgz", ".tar.gz")
_FIELDS = ("techsupport_tgz", "file")
_STDIN = "-"
# Nothing else will be taken from this caller, or by this server, either.
_FINAL = (401, 404, 405)


class _Stop(Exception):
    """Ends the command: nothing more can be sent."""


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser("smrtlink", help="send events and files to an event server")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    send = actions.add_parser("send", help="send the events of files")
    send.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a file with an event, an array of them, or one a line; - is the standard input",
    )
    send.add_argument(
        "--system", type=_uuid, metavar="UUID", help="give events that have no ids some"
    )
    send.set_defaults(run=_send, configured=False)
    upload = actions.add_parser("upload", help="upload a file")
    upload.add_argument("file", type=Path, metavar="FILE", help="an archive with its manifest")
    upload.add_argument(
        "--field",
        choices=_FIELDS,
        help="the form's field (default: techsupport_tgz for .tgz and .tar.gz, else file)",
    )
    upload.add_argument(
        "--key", type=_key, help="an Idempotency-Key of your own, to upload once over several runs"
    )
    upload.set_defaults(run=_upload, configured=False)
    for added in (send, upload):
        _add_server(added)
    return [send, upload]


def _add_server(parser: argparse.ArgumentParser) -> None:
    add_url(parser)
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--token", help=f"a bearer token (default: what {CLIENT_TOKEN} holds)")
    who.add_argument(
        "--hmac",
        metavar="UID",
        help=f"sign as this client, by the secret that {CLIENT_SECRET} holds",
    )
    parser.add_argument("--secret-file", type=Path, metavar="PATH", help="the file of that secret")
    add_try_for(parser, 300.0, "5m")


def _uuid(text: str) -> str:
    if not is_uuid(text):
        raise argparse.ArgumentTypeError(f"expected the UUID of a system, got {text!r}")
    return text.lower()


def _key(text: str) -> str:
    if not (1 <= len(text) <= 255 and all("!" <= character <= "~" for character in text)):
        raise argparse.ArgumentTypeError("expected 1 to 255 visible ASCII characters")
    return text


# --- the actions


def _send(options: argparse.Namespace, _config: None) -> Exit:
    def work(poster: Poster) -> bool:
        taken = [_send_file(poster, name, options.system) for name in options.files]
        return all(taken)

    return _sent(options, work)


def _upload(options: argparse.Namespace, _config: None) -> Exit:
    path: Path = options.file
    is_archive = path.name.lower().endswith(_ARCHIVES)
    upload = Upload(path, options.field or _FIELDS[0 if is_archive else 1])
    fields = {
        "Content-Type": upload.content_type,
        # Kept over all attempts: what the server has taken already it answers as the first time.
        "Idempotency-Key": options.key or str(uuid.uuid4()),
    }

    def work(poster: Poster) -> bool:
        if not path.is_file():
            complain(f"{path}: this is no file")
            return False
        return _posted(poster, str(path), _FILES, upload.opened, fields)

    return _sent(options, work)


def _sent(options: argparse.Namespace, work: Callable[[Poster], bool]) -> Exit:
    try:
        url, credential = url_of(options), _credential(options, os.environ)
    except (address.NoAddress, NoCredential) as error:
        complain(str(error))
        return Exit.USAGE
    # Only here: this library takes long to import.
    from jexevents.client.poster import Poster

    with Poster(url, credential, options.try_for, complain) as poster:
        try:
            return Exit.OK if work(poster) else Exit.DATA
        except _Stop:
            return Exit.DATA


def _send_file(poster: Poster, name: str, system: str | None) -> bool:
    """Send the events of one file; say whether all were taken."""
    try:
        if name == _STDIN:
            return _send_stream(poster, "standard input", sys.stdin.buffer, system)
        with Path(name).open("rb") as stream:
            return _send_stream(poster, name, stream, system)
    except BrokenPipeError:  # of our own output
        raise
    except OSError as error:
        complain(f"{name}: {error.strerror or error}")
        return False


def _send_stream(poster: Poster, name: str, stream: BinaryIO, system: str | None) -> bool:
    fields = {"Content-Type": "application/json"}
    taken, found = True, None
    for found in documents(stream):
        place = f"{name}, {found.place}" if found.place else name
        if found.document is None:
            complain(f"{place}: {found.fault}")
            taken = False
            continue
        body = json.dumps(completed(found.document, system), ensure_ascii=False).encode()
        taken &= _posted(poster, place, _EVENTS, lambda body=body: nullcontext(body), fields)
    if found is None:
        complain(f"{name}: there is no event in it")
        return False
    return taken


def _posted(
    poster: Poster, place: str, path: str, body: Callable[[], Any], fields: Mapping[str, str]
) -> bool:
    """Send one thing and print what it was answered with; say whether it was taken."""
    try:
        answer = poster.post(path, body, fields)
    except Refused as refused:
        told(refused, f"{place}: ")
        if refused.status in _FINAL or refused.status < 400:
            raise _Stop from refused
        return False
    except OSError as error:
        complain(f"{place}: {error.strerror or error}")
        return False
    print(json.dumps(answer, ensure_ascii=False), flush=True)
    return True


# --- as who


def _credential(options: argparse.Namespace, environ: Mapping[str, str]) -> Credential:
    if options.hmac is not None:
        secret = secret_of(CLIENT_SECRET, environ, options.secret_file)
        if secret is None:
            remedy = f"Set {CLIENT_SECRET}, or give --secret-file."
            raise NoCredential("There is no secret to sign with.", remedy=remedy)
        return Signature(options.hmac, secret)
    if options.secret_file is not None:
        raise NoCredential("--secret-file needs --hmac UID beside it.")
    return token_of(options)
