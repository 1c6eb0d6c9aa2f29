"""Takes secrets out of what is shown: URIs, connection strings, texts and fields of logs.

It hides too much rather than too little. A password with an unencoded ``@`` or ``/`` cannot be
told from a host, so everything up to the last ``@`` goes.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date
from enum import Enum
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

MASK = "***"

_SECRET_WORDS = (
    "password|passwd|passphrase|pwd|secret|token|nonce|authorization|cookie|signature"
    "|credential|api[-_]?key|private[-_]?key|ssl_options"
)
_SECRET_NAME = re.compile(rf"(?i).*(?:{_SECRET_WORDS})s?")
_USER = re.compile(r"://[^:/@\s]*:")
_TOKEN = re.compile(r"\S+")
_QUERY = re.compile(r"(?P<head>[?&](?P<name>[^=&?\s]+)=)[^&\s]*")
# A value is quoted (with backslashes, the closing quote possibly cut off) or runs to white
# space, which a backslash can hide: both as libpq reads them. One that is masked stays so.
_VALUE = (
    r"""(?:\*{3}(?=[&\s"',;})\]]|$)|'(?:\\.|[^'\\])*(?:'|$)|"(?:\\.|[^"\\])*(?:"|$)"""
    r"""|(?:\\.|[^\s\\])+)"""
)
_PAIR = re.compile(
    rf"""(?is)(?P<head>(?<![\w-])[\w-]*(?:{_SECRET_WORDS})s?["']?\s*[=:]\s*(?:b(?=["']))?)"""
    rf"""(?:(?:bearer|basic|digest|hmac)\s+)?(?P<value>{_VALUE})"""
)
# What is shorter is in every other text, and nobody's secret.
_LEAST_CHARACTERS = 4
_BEARER = re.compile(r"(?i)(?P<head>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}")


def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name holds a secret: it ends in a word for one.

    ``token`` and ``DBPassword`` do; ``token_id`` and ``nonce_count`` name something beside it.
    """
    return _SECRET_NAME.fullmatch(name) is not None


def redact_uri(uri: str) -> str:
    """Give one URI or libpq connection string with its passwords replaced by ``***``.

    Takes the whole text for one URI; for a text that has URIs in it, see ``redact_text``.
    """
    return redact_text(_mask_userinfo(uri))


def shown_url(url: str) -> str:
    """Give the scheme, host and port of an ``http:`` or ``https:`` URL, ``/***`` for all else.

    Who may send to a URL is often known by its path or query. What is given is a URL again. Those
    of other schemes are given as ``redact_uri`` does.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    if parts.scheme not in ("http", "https"):
        return redact_uri(url)
    rest = f"{parts.path}?{parts.query}#{parts.fragment}"
    host = MASK if "@" in rest else parts.netloc.rpartition("@")[2]
    is_more = rest not in ("?#", "/?#") or "@" in parts.netloc
    return f"{parts.scheme}://{host}{f'/{MASK}' if is_more else parts.path}"


def without(secrets: Iterable[str], text: str) -> str:
    """Give a text with these secrets replaced by ``***``, and what ``redact_text`` finds.

    Each is found as it is, and as JSON, URLs and HTML write it.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        # No way of writing makes one shorter.
        if _LEAST_CHARACTERS <= len(secret) <= len(text):
            for form in _forms(secret):
                text = text.replace(form, MASK)
    return redact_text(text)


# A receiver is told the same ones with each request.
@lru_cache(maxsize=1024)
def _forms(secret: str) -> frozenset[str]:
    as_json = json.dumps(secret)[1:-1]
    return frozenset(
        (
            secret,
            as_json,
            as_json.replace("/", "\\/"),
            quote(secret, errors="replace"),
            quote(secret, safe="", errors="replace"),
            html.escape(secret),
        )
    )


def redact_text(text: str) -> str:
    """Give a text with every password, token and the like that stands in it replaced by ``***``.

    Recognised are URIs with credentials, parameters of queries, ``name=value`` and
    ``name: value`` where the name is one of a secret, and authorisation headers. The time it
    takes grows with the length of the text, whatever is in it.
    """
    text = _mask_users(text)
    text = _QUERY.sub(_masked_parameter, text)
    text = _PAIR.sub(_masked_pair, text)
    # Once more: a value that was masked may have had white space in it, and the rest is one URI.
    return _mask_users(_BEARER.sub(_masked, text))


def redact(value: Any, name: str = "") -> Any:
    """Give any value as plain JSON values, without secrets.

    ``name`` is that of the field which holds the value. What JSON does not know is shown by its
    ``str``. Never raises: what cannot be shown is named by its type.
    """
    if value is None or isinstance(value, bool):
        return value
    if name and is_secret_name(name):
        return MASK
    return _redact_content(value)


def _redact_content(value: Any) -> Any:
    if isinstance(value, Enum):
        return _redact_content(value.value)
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, int):
        # Python refuses to write out those of thousands of digits.
        return value if value.bit_length() <= 1024 else f"<integer of {value.bit_length()} bits>"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {redact_text(str(key)): redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and not hasattr(value, "_fields"):
        return [redact(item) for item in value]
    return redact_text(_shown(value))


def _shown(value: Any) -> str:
    try:
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return value.isoformat() if isinstance(value, date) else str(value)
    except Exception:  # noqa: BLE001 - a foreign __str__ may raise anything
        return f"<{type(value).__name__}>"


def _mask_users(text: str) -> str:
    return _TOKEN.sub(lambda token: _mask_userinfo(token[0]), text) if "://" in text else text


def _mask_userinfo(uri: str) -> str:
    last = uri.rfind("@")
    match = _USER.search(uri, 0, max(last, 0))
    return f"{uri[: match.end()]}{MASK}{uri[last:]}" if match else uri


def _masked(match: re.Match[str]) -> str:
    return f"{match['head']}{MASK}"


def _masked_pair(match: re.Match[str]) -> str:
    quote = match["value"][0] if match["value"][0] in "'\"" else ""
    return f"{match['head']}{quote}{MASK}{quote}"


def _masked_parameter(match: re.Match[str]) -> str:
    return _masked(match) if is_secret_name(unquote(match["name"])) else match[0]
