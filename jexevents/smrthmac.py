"""How clients of SMRT Link sign their requests: the header ``Authentication: hmac UID:SIGNATURE``.

Signed are method, path and a number that changes every 100 seconds, and not the body: whoever
reads one request can send another body with its signature for as long as it is good. So a bearer
token, or at least TLS, is better wherever there is a choice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

HEADER = "Authentication"

_BUCKET_SECONDS = 100
_FORM = re.compile(r"hmac +(\S{1,255}):(\S{1,255})", re.IGNORECASE)


def bucket(at_seconds: float) -> int:
    """Give the number that stands for a Unix time: its milliseconds divided by 100,000."""
    return int(at_seconds // _BUCKET_SECONDS)


def signature(secret: str, method: str, path: str, number: int) -> str:
    """Sign a request as the clients do; ``path`` is as it stands in the request, without query.

    ``number`` is that of ``bucket``. Gives Base64 of HMAC-SHA256 over ``METHOD+PATH+NUMBER``.
    """
    text = f"{method}+{path}+{number}"
    digest = hmac.digest(_bytes(secret), _bytes(text), hashlib.sha256)
    return base64.b64encode(digest).decode("ascii")


def header(uid: str, secret: str, method: str, path: str, at_seconds: float) -> str:
    """Give the value of the header for a request that is sent at a Unix time."""
    return f"hmac {uid}:{signature(secret, method, path, bucket(at_seconds))}"


def split(value: str) -> tuple[str, str] | None:
    """Give user and signature of a header's value, None where it has another form."""
    match = _FORM.fullmatch(value.strip())
    return None if match is None else (match[1], match[2])


def is_signature(asked: str, secret: str, method: str, path: str, at_seconds: float) -> bool:
    """Tell whether a signature is good at a Unix time: one of this 100 seconds or those before.

    It takes as long for every one that is not.
    """
    now = bucket(at_seconds)
    given = _bytes(asked)
    good = [
        hmac.compare_digest(given, signature(secret, method, path, number).encode("ascii"))
        for number in (now, now - 1)
    ]
    return any(good)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
