"""Secrets that come with messages: known by their hash, and taken out of what is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from jexevents.model import Arrival, Proof, Secret
from jexevents.redaction import MASK, redact_text
from jexevents.sources.pipelinejobs.words import OF_ADMIN

# Short tokens have 16 or 17 characters; those of `jexevents token` more.
_SHORTEST_TOKEN, _LONGEST_SHORT_TOKEN = 16, 17


def proof(arrival: Arrival, token: str | None) -> Secret | Proof:
    """Give what came with it to be proven by; a retry has the word of who passed before.

    A caller with the role ``admin`` needs no token; one that is sent must be right all the same.
    """
    if arrival.credential is not None:
        return Proof(arrival.credential)
    of_admin = bool(arrival.properties.get(OF_ADMIN))
    if of_admin and not token:
        return Proof.ADMINISTRATOR
    return Secret(hashed(token or ""), of_admin)


def hashed(token: str) -> bytes:
    """Give the SHA-256 of a token as it is kept; the short ones are taken in any case."""
    plain = token.lower() if len(token) <= _LONGEST_SHORT_TOKEN else token
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()


def masked(body: bytes, token: str | None) -> bytes:
    """Give the body without the token, however it was written there."""
    if not _is_secret(token):
        return body
    plain = token.encode("utf-8", "surrogatepass")
    if plain not in body and b"\\" not in body:
        return body
    text = body.replace(plain, MASK.encode())
    if b"\\" not in body and _is_json(text):
        return text
    return json.dumps(without(json.loads(body), token)).encode() if body.strip() else body


def redacted(body: bytes, token: str | None) -> bytes:
    """Give a body of whatever form without the token, and without what it calls one."""
    if _is_secret(token):
        body = body.replace(token.encode("utf-8", "surrogatepass"), MASK.encode())
    text = body.decode("utf-8", "surrogateescape")
    return redact_text(text).encode("utf-8", "surrogateescape") if "oken" in text else body


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def without(value: Any, token: str | None) -> Any:
    """Give a JSON value with ``***`` in the place of the token."""
    if not _is_secret(token):
        return value
    if isinstance(value, str):
        return value.replace(token, MASK)
    if isinstance(value, list):
        return [without(item, token) for item in value]
    if isinstance(value, Mapping):
        return {name.replace(token, MASK): without(item, token) for name, item in value.items()}
    return value


def _is_secret(token: str | None) -> bool:
    """Whether it can be a token; to look for anything shorter would spoil the text."""
    return token is not None and len(token) >= _SHORTEST_TOKEN
