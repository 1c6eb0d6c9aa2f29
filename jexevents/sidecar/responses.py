"""What a handler answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

JSON = "application/json"

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer.

    ``body`` is a JSON value (dict or list), ``bytes`` or ``str`` of ``content_type``, an
    iterable of ``bytes`` that is sent as it comes and closed at the end, or None for none.
    """

    status: int = 200
    body: dict | list | str | bytes | Iterable[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON


def response_of(answer: object) -> Response:
    """Read what a handler returned.

    A Response; a dict or list, for 200; None, for 204; or a tuple (status, body) or (status,
    body, headers). Raises TypeError for anything else.
    """
    if isinstance(answer, Response):
        return answer
    if answer is None:
        return Response(204)
    if isinstance(answer, (dict, list)):
        return Response(200, answer)
    if isinstance(answer, tuple) and len(answer) in (2, 3):
        return Response(*answer)
    raise TypeError(f"A handler answered with {type(answer).__name__}.")


def payload(response: Response) -> bytes | Iterable[bytes]:
    """Give the bytes of an answer's body. Raises ValueError where it is no JSON (NaN)."""
    body = response.body
    if body is None:
        return b""
    if isinstance(body, (dict, list)):
        return encode(body)
    return body.encode("utf-8") if isinstance(body, str) else body


def encode(value: object) -> bytes:
    """Write a JSON value in UTF-8, with a line feed at its end for those who read it by curl."""
    return _ENCODER.encode(value).encode("utf-8") + b"\n"
