"""Secrets that come with messages: known by their hash, and taken out of what is kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from jexevents.model import NONCE, Arrival, Proof, Right, Secret
from jexevents.redaction import MASK, redact_text
from jexevents.sources.pipelinejobs.words import OF_ADMIN, QUERY

# Short tokens have 16 or 17 characters; those of `jexevents token` more.
_SHORTEST_TOKEN, _LONGEST_SHORT_TOKEN = 16, 17


def proof(arrival: Arrival, token: str | None) -> Secret | Proof:
    """Give what came with it to be proven by; a retry has the word of who passed before.

    A caller with the role ``admin`` needs no token; one that is sent must be right all the same.
    """
    if arrival.credential is not None:
        return Proof(Right(arrival.credential))
    of_admin = arrival.properties.get(OF_ADMIN)
    if of_admin is not None and not token:
        return Proof(Right.ADMINISTRATOR, of_admin)
    return Secret(hashed(token or ""), of_admin)


def hashed(token: str) -> bytes:
    """Give the SHA-256 of a token as it is kept; the short ones are taken in any case."""
    plain = token.lower() if len(token) <= _LONGEST_SHORT_TOKEN else token
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()


def secrets_of(arrival: Arrival, *tokens: str | None) -> re.Pattern[str] | None:
    """Give what finds the secrets that came with a message, in either case; None if there are none.

    Anything shorter than a token is none, and to look for it would spoil the text.
    """
    nonce = arrival.properties.get(QUERY, {}).get(NONCE)
    found = [one for one in (*tokens, nonce) if one is not None and len(one) >= _SHORTEST_TOKEN]
    return re.compile("|".join(map(re.escape, found)), re.IGNORECASE) if found else None


def masked(body: bytes, secrets: re.Pattern[str] | None) -> bytes:
    """Give the body, JSON or nothing, without the secrets, however they were written there."""
    if secrets is None or not body.strip():
        return body
    text = body.decode()
    if "\\" not in text:
        plain = secrets.sub(MASK, text)
        if plain == text or _is_json(plain):
            return plain.encode()
    return json.dumps(without(json.loads(text), secrets)).encode()


def redacted(body: bytes, secrets: re.Pattern[str] | None = None) -> bytes:
    """Give a body of whatever form without the secrets, and without what it calls a token."""
    text = body.decode("utf-8", "surrogateescape")
    if secrets is not None:
        text = secrets.sub(MASK, text)
    text = redact_text(text) if "oken" in text else text
    return text.encode("utf-8", "surrogateescape")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def without(value: Any, secrets: re.Pattern[str] | None) -> Any:
    """Give a JSON value with ``***`` in the place of the secrets."""
    if secrets is None:
        return value
    if isinstance(value, str):
        return secrets.sub(MASK, value)
    if isinstance(value, list):
        return [without(item, secrets) for item in value]
    if isinstance(value, Mapping):
        return {secrets.sub(MASK, name): without(item, secrets) for name, item in value.items()}
    return value
