"""What a handler gets to see of a request, and the reading of it: bounded and strict."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from jexevents import strictjson
from jexevents.errors import Invalid
from jexevents.faults import fit, names_secret, shown
from jexevents.model import Fault
from jexevents.redaction import MASK
from jexevents.sidecar.auth import Caller
from jexevents.sidecar.parameters import IDEMPOTENCY_KEY
from jexevents.sidecar.problems import Problem, malformed, too_large
from jexevents.sidecar.routes import Route
from jexevents.sidecar.slots import Aside
from jexevents.sidecar.streams import Place
from jexevents.validation import Schemas

MAX_QUERY_PARAMETERS = 100

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json|text/json", re.IGNORECASE)
_JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[\[{]")
_DIGITS = re.compile("[0-9]{1,19}")
_READ_BYTES = 65536


class Headers(Mapping[str, str]):
    """The request's header fields by name, in any case; repeated fields joined by commas."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._fields = {
            _field_name(key): value
            for key, value in environ.items()
            if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        }

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __contains__(self, name: object) -> bool:
        # As the Mapping would find out, without raising an error for each that is not there.
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self):
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def get(self, name: str, default: Any = None) -> Any:
        """Give a field, or the default where it is not there."""
        return self._fields.get(name.lower(), default)


def _field_name(key: str) -> str:
    return key.removeprefix("HTTP_").replace("_", "-").lower()


@dataclass(frozen=True, slots=True)
class Request:
    """One request, admitted: the caller has the role that the route asks for.

    ``parameters`` are the path's, ``texts`` those of each parameter of the query, which may come
    more than once on some routes, and ``query`` the last of each; decoded. ``values`` are what the
    parameters mean that the route knows, those that did not come included. ``stream`` is the body
    for handlers that read it in pieces; they keep to ``max_body_bytes`` themselves. Long answers
    ask now and then whether they are ``unwanted``: nobody waits any more, or the sidecar stops.
    ``place`` is theirs among the long ones. A handler that waits does so ``aside``, or it would
    keep others from the database: ``with request.aside():``.
    """

    id: str
    route: Route
    method: str
    path: str
    parameters: Mapping[str, str]
    texts: Mapping[str, Sequence[str]]
    values: Mapping[str, Any]
    headers: Headers
    caller: Caller
    stream: BinaryIO
    max_body_bytes: int
    schemas: Schemas
    place: Place
    unwanted: Callable[[], bool]
    aside: Aside
    query: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Take the last text of each parameter of the query."""
        query = {name: texts[-1] for name, texts in self.texts.items()}
        object.__setattr__(self, "query", query)

    def body(self) -> bytes:
        """Read the body. Raises Problem (413 over the bound, 415 where it is encoded)."""
        refuse_encoding(self.headers)
        pieces: list[bytes] = []
        room = self.max_body_bytes + 1
        while room and (piece := self.stream.read(min(room, _READ_BYTES))):
            pieces.append(piece)
            room -= len(piece)
        if not room:
            raise too_large(self.max_body_bytes)
        return b"".join(pieces)

    def json(self, body: bytes | None = None, other: str = "") -> Any:
        """Read the body as strict JSON and hold it to the route's request schema.

        ``body`` is what ``body()`` gave, where the handler needs that as well; ``other`` is the
        type of what it takes beside JSON.

        A body that starts with ``{`` or ``[`` is JSON whatever its Content-Type says: curl's
        --data says form. Raises Problem (413, 415), Malformed (400), Invalid (422).
        """
        value = strictjson.loads(self.json_text(body, other))
        faults = self.schemas.check(self.route.request, value) if self.route.request else ()
        if faults:
            raise Invalid(f"The body is no {self.route.request}: {faults[0]}.", faults)
        return value

    def json_text(self, body: bytes | None = None, other: str = "") -> bytes:
        """Give the body if it can be meant for JSON. Raises Problem (413, 415)."""
        body = self.body() if body is None else body
        if body.strip() and not _JSON_START.match(body) and not self._claims_json():
            raise _unfitting(self.headers.get("Content-Type", ""), other)
        return body

    def idempotency_key(self) -> str | None:
        """Give the key by which the caller says that it sends the same again. Raises Invalid."""
        key = self.headers.get(IDEMPOTENCY_KEY.name)
        if key is None:
            return None
        try:
            return IDEMPOTENCY_KEY.read(key)
        except ValueError as error:
            fault = Fault(IDEMPOTENCY_KEY.name, IDEMPOTENCY_KEY.expected, repr(key)[:80])
            raise Invalid("The Idempotency-Key cannot be used.", [fault]) from error

    def _claims_json(self) -> bool:
        claimed = self.headers.get("Content-Type", "").partition(";")[0].strip()
        return not claimed or _JSON_TYPE.fullmatch(claimed) is not None


def _unfitting(content_type: str, other: str) -> Problem:
    types = f"application/json or {other}" if other else "application/json"
    fault = Fault("Content-Type", types, shown(content_type))
    detail = "The body is not JSON, and does not say that it is"
    return Problem(415, f"{detail}, or that it is {other}." if other else f"{detail}.", [fault])


def refuse_encoding(headers: Mapping[str, str]) -> None:
    """Raise Problem (415) for a body in any Content-Encoding but identity (RFC 7694)."""
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        fault = Fault("Content-Encoding", "identity", shown(encoding))
        raise Problem(
            415, "Encoded bodies are not read.", [fault], headers={"Accept-Encoding": "identity"}
        )


def content_length(environ: Mapping[str, Any]) -> int | None:
    """Give the declared length in bytes, None where there is none. Raises Problem (400)."""
    text = environ.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    if not _DIGITS.fullmatch(text):
        raise malformed("Content-Length is no length.", "Content-Length", "digits", shown(text))
    return int(text)


def asked_path(environ: Mapping[str, Any]) -> str:
    """Give the path to the letter, as who signs a request signs it."""
    path = environ.get("REQUEST_URI", "").partition("?")[0]
    # Proxies send whole URIs (RFC 9112, section 3.2.2).
    return path if path.startswith("/") else environ.get("PATH_INFO", "")


def read_path(environ: Mapping[str, Any]) -> str:
    """Give the decoded path, without one slash at its end.

    Raises Problem (400) for a bad percent-encoding, bytes that are not UTF-8, control
    characters, and the segments ``.`` and ``..``, which clients resolve before they send.
    """
    target = environ.get("REQUEST_URI", "").partition("?")[0]
    path = environ.get("PATH_INFO", "") or "/"
    if _BAD_ESCAPE.search(target):
        raise malformed("The path is badly encoded.", "path", "%XX escapes", shown(target))
    decoded = _utf8(path.encode("latin-1", "replace"), "path")
    if {".", ".."} & set(decoded.split("/")):
        raise malformed("The path has dot segments.", "path", "none", shown(decoded))
    return decoded.removesuffix("/") or "/"


def read_query(text: str, route: Route) -> dict[str, list[str]]:
    """Read a query string as a route takes it; give all texts of each parameter, in their order.

    Raises Problem (400) with a fault for each parameter that is wrong.
    """
    parts = [part for part in text.split("&") if part]
    if len(parts) > MAX_QUERY_PARAMETERS:
        expected = f"at most {MAX_QUERY_PARAMETERS} parameters"
        raise malformed("The query is too long.", "query", expected, str(len(parts)))
    names = tuple(one.name for one in route.in_query)
    read: dict[str, list[str]] = {}
    faults: list[Fault] = []
    for part in parts:
        name, _, value = (_decoded(piece) for piece in part.partition("="))
        if name not in names and not route.others:
            faults.append(Fault(fit(name), _one_of(names), "an unknown parameter"))
        elif name in read and (name in names or not route.repeats):
            faults.append(Fault(fit(name), "the parameter once", "more than once"))
        read.setdefault(name, []).append(value)
    _refuse(faults)
    return read


def values_of(texts: Mapping[str, Sequence[str]], route: Route) -> dict[str, Any]:
    """Give the values of the parameters that a route knows, those that did not come included.

    Raises Problem (400) with a fault for each that is wrong.
    """
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for one in route.in_query:
        try:
            values[one.name] = one.read(texts[one.name][-1]) if one.name in texts else one.default
        except ValueError:
            faults.append(Fault(one.name, one.expected, shown(texts[one.name][-1])))
    _refuse(faults)
    return values


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise Problem(400, f"The query cannot be used: {faults[0]}.", faults)


def masked_query(text: str) -> str:
    """Give a query string for the log: values of secret parameters replaced, and shortened."""
    return fit("&".join(_masked(part) for part in text[:2000].split("&")), 500)


def masked_path(path: str, spans: Iterable[tuple[int, int]]) -> str:
    """Give a path for the log: without the secrets at ``spans``, from the right, and shortened."""
    for begin, end in spans:
        path = path[:begin] + MASK + path[end:]
    return fit(path, 500)


def _masked(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}={MASK}" if equals and names_secret(name) else part


def _one_of(names: tuple[str, ...]) -> str:
    return f"one of {', '.join(names)}" if names else "no query parameters"


def _decoded(piece: str) -> str:
    if _BAD_ESCAPE.search(piece):
        raise malformed("The query is badly encoded.", "query", "%XX escapes", "another one")
    return _utf8(unquote_to_bytes(piece.replace("+", " ").encode("latin-1", "replace")), "query")


def _utf8(data: bytes, what: str) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise malformed(f"The {what} is not UTF-8.", what, "UTF-8", "other bytes") from exc
    if _CONTROL.search(text):
        raise malformed(f"The {what} has control characters.", what, "none", shown(text))
    return text
