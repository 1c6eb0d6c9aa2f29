"""The bodies of requests, with the header fields that go with them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import urlencode

# Opens the body of a request; at each attempt anew.
Body = Callable[[], AbstractContextManager[Any]]
Sent = tuple[Body, Mapping[str, str]]


def json_body(value: Any, key: str | None = None) -> Sent:
    """Give a JSON body; ``key`` is the Idempotency-Key, one of its own where there is none."""
    data = json.dumps(value, ensure_ascii=False).encode()
    return _bytes(data, "application/json", key)


def form_body(pairs: Iterable[tuple[str, str]], key: str | None = None) -> Sent:
    """Give a form of names and texts, which may come more than once."""
    return _bytes(urlencode(list(pairs)).encode(), "application/x-www-form-urlencoded", key)


def _bytes(data: bytes, kind: str, key: str | None) -> Sent:
    # Kept over all attempts: what was done already is answered as the first time.
    fields = {"Content-Type": kind, "Idempotency-Key": key or str(uuid.uuid4())}
    return (lambda: nullcontext(data)), fields
