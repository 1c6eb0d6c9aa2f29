"""A WSGI caller, a raw HTTP caller, and the routes and credentials that the tests share."""

from __future__ import annotations

import io
import json
import socket
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256

from requests.structures import CaseInsensitiveDict

from jexevents.errors import ConfigError, Conflict, Invalid, Malformed, StoreUnavailable
from jexevents.model import Credential, Fault, Role
from jexevents.sidecar import health
from jexevents.sidecar.app import App, build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.problems import too_many
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.tokens import Tokens
from jexevents.validation import Schemas

SCHEMAS = Schemas()
NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
JOB = {
    "Submitter": "wregglej",
    "AppID": "c7f05682-23c8-4182-b9a2-e09650a5f49b",
    "CommandLine": "/bin/true",
    "CondorID": "222",
}
READY = {"database": health.Check(True, "answers"), "batch": health.Check(True, "late", 1.25)}


def credential(token: str, *roles: Role, expires_at: datetime | None = None) -> Credential:
    return Credential(
        f"id-{token}", token, sha256(token.encode()).digest(), frozenset(roles), expires_at
    )


CREDENTIALS = (
    *(credential(role.value, role) for role in Role),
    credential("both", Role.READ, Role.WRITE),
    credential("expired", Role.ADMIN, expires_at=NOW),
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CaseInsensitiveDict
    body: bytes

    def json(self):
        return json.loads(self.body)


def call(app: App, method: str, path: str, body: bytes = b"", query: str = "", **environ) -> Answer:
    """Call an app in-process; further keywords go into the environment, HTTP_ fields included."""
    seen: list = []
    full = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        **environ,
    }
    pieces = app(full, lambda status, headers, exc_info=None: seen.append((status, headers)))
    try:
        content = b"".join(pieces)
    finally:
        getattr(pieces, "close", lambda: None)()
    assert len(seen) == 1
    assert full["wsgi.errors"].getvalue() == ""
    status, headers = seen[0]
    assert len({name.lower() for name, _ in headers}) == len(headers)
    return Answer(int(status[:3]), CaseInsensitiveDict(headers), content)


def bearer(token: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def raises(error):
    def handler(_request):
        raise error if isinstance(error, Exception) else error()

    return handler


def echo(request) -> dict:
    return {
        "parameters": dict(request.parameters),
        "query": dict(request.query),
        "caller": request.caller.name,
        "address": request.caller.address,
        "path": request.path,
        "bytes": len(request.body()),
    }


def insert(request) -> tuple:
    document = request.json()
    record = {"UUID": document["AppID"], "InvocationID": document["AppID"], "Source": ""}
    return 201, {**record, "CondorID": document["CondorID"], "Status": "Submitted"}


FAULT = Fault("/a", "one", "other")
ERRORS = {
    "malformed": (400, Malformed("m", [FAULT])),
    "invalid": (422, Invalid("i", [FAULT])),
    "conflict": (409, Conflict("The job is Completed; nothing follows.", [FAULT])),
    "unavailable": (503, StoreUnavailable()),
    "too_many": (429, too_many("slower", 7)),
    "config": (500, ConfigError("hidden")),
    "bug": (500, ZeroDivisionError("hidden")),
    "recursion": (500, RecursionError("hidden")),
    "unicode": (500, lambda: UnicodeError("hidden \ud800")),
}


def error_routes() -> list[Route]:
    return [
        Route(
            method="GET",
            path=f"/errors/{name}",
            role=Role.READ,
            handler=raises(error),
            summary="Fail.",
            statuses=(status,),
        )
        for name, (status, error) in ERRORS.items()
    ]


def routes() -> list[Route]:
    return [
        *health.routes(lambda: READY),
        Route(
            method="POST",
            path="/jobs",
            role=Role.WRITE,
            handler=insert,
            summary="Insert a job.",
            request="job_insertion",
            answer="job_record",
            statuses=(201,),
        ),
        Route(method="GET", path="/jobs/<uuid>", role=Role.READ, handler=echo, summary="Show."),
        Route(method="DELETE", path="/jobs/<uuid>", role=Role.RUN, handler=echo, summary="End."),
        Route(
            method="GET",
            path="/search",
            role=Role.READ,
            handler=echo,
            summary="Search.",
            query=("name", "limit"),
        ),
        Route(method="PUT", path="/any/<x>/<rest:path>", role=Role.ADMIN, handler=echo,
              summary="Take anything.", others=True),
        Route(method="POST", path="/agave/<job_token>", role=None, handler=echo,
              summary="Call back.", any_host=True, max_body_bytes=10),
        Route(method="POST", path="/free", role=None, handler=echo, summary="Public."),
        Route(
            method="GET",
            path="/follow",
            role=Role.READ,
            handler=lambda request: Response(200, iter([b"a\n", b"b\n"])),
            summary="Follow.",
            streams=True,
        ),
        Route(method="GET", path="/nothing", role=Role.READ, handler=lambda r: None, summary="No.",
              statuses=(204,)),
        Route(method="GET", path="/nan", role=Role.READ, handler=lambda r: {"x": float("nan")},
              summary="Answer what is no JSON.", statuses=(500,)),
        Route(method="GET", path="/wrong", role=Role.READ, handler=lambda r: 17,
              summary="Answer what is no answer.", statuses=(500,)),
        *error_routes(),
    ]  # fmt: skip


def gate(credentials=(), **options) -> Gate:
    return Gate(Tokens(lambda: credentials), now=lambda: NOW, **options)


def app(credentials=(), *, max_body_bytes: int = 1000, **options) -> App:
    return build_app(
        routes(),
        gate(credentials, **options),
        schemas=SCHEMAS,
        max_body_bytes=max_body_bytes,
        stream_limit=1,
        check_answers=True,
    )


def assert_problem(answer: Answer, status: int, *, sent: str = "") -> dict:
    """Hold an error answer to the one shape that all of them have; give its document.

    What was ``sent`` may be told back.
    """
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.json()
    assert SCHEMAS.check("problem", document) == []
    assert document["status"] == status
    assert document["request_id"] == answer.headers["X-Request-Id"]
    for word in (b"Traceback", b"<html", b"<h1", b"hidden", b".py"):
        assert word not in answer.body or word.decode() in sent
    return document


def exchange(address: tuple[str, int], data: bytes, *, end: bool = False) -> bytes:
    """Send bytes as they are and read to the end of the connection."""
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def parsed(raw: bytes) -> Answer:
    """Read the last answer in raw bytes that ends with the connection."""
    head, _, body = raw[raw.rindex(b"HTTP/1.") :].partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = CaseInsensitiveDict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), fields, body)
