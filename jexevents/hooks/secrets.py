"""What is secret of a hook and may come back in an answer, so that nobody keeps it; pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

from jexevents.hooks.hook import Hook

_PREFIX = "whsec_"
# Parts of a path that are as long are often what lets somebody in; shorter ones are words.
_KEY_CHARACTERS = 16
# What stands among the headers by which a request is signed, and is told to everybody.
_OPEN = ("webhook-id", "webhook-timestamp")


def secrets_of(hook: Hook) -> frozenset[str]:
    """Give what is secret of a hook: of its URL, its headers, its keys."""
    found = {*_of_url(hook.url), *_of_values(hook.headers.values())}
    for secret in hook.secrets:
        found |= {secret, secret.removeprefix(_PREFIX)}
    if hook.hmac is not None:
        found.add(hook.hmac.secret)
    return frozenset(found - {""})


def of_signatures(headers: Mapping[str, str]) -> frozenset[str]:
    """Give the signatures among the headers by which a request is signed."""
    found: set[str] = set()
    for name, value in headers.items():
        if name not in _OPEN:
            # v1,SIGNATURE v1,SIGNATURE or hmac UID:SIGNATURE
            words = [word for word in value.split() if "," in word or ":" in word]
            found |= {value, *words, *(re.split("[,:]", word)[-1] for word in words)}
    return frozenset(found)


def _of_values(values: Iterable[str]) -> Iterator[str]:
    """Give values, and the words of those that have several: ``Bearer KEY``."""
    for value in values:
        yield value
        yield from value.split()[1:]


def _of_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    yield from (target, parts.path, parts.query)
    yield from (part for part in parts.path.split("/") if len(part) >= _KEY_CHARACTERS)
    for pair in parts.query.split("&"):
        value = pair.partition("=")[2]
        yield from (value, unquote(value))
    credentials, _, _ = parts.netloc.rpartition("@")
    if credentials:
        user, _, password = credentials.partition(":")
        plain = f"{unquote(user)}:{unquote(password)}"
        # How it is sent.
        yield base64.b64encode(plain.encode("latin-1", "replace")).decode()
        yield from (password, unquote(password), *(() if password else (user, unquote(user))))
