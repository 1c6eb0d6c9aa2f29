"""The signature by which SMRT Link's clients show who they are; pure.

A header ``Authentication: hmac UID:SIGNATURE`` (not Authorization). Signed are method, path and
time, not the body: whoever reads a request on its way can send another body with it for as long
as its time is accepted.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from datetime import datetime, timedelta, timezone

HEADER = "Authentication"
BUCKET_SECONDS = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def bucket_of(at: datetime) -> int:
    """Give the number that stands for an aware instant: hundreds of seconds since 1970."""
    return (at - _EPOCH) // timedelta(seconds=BUCKET_SECONDS)


def signature(secret: str, method: str, path: str, bucket: int) -> str:
    """Sign a request: the HMAC-SHA256 of ``METHOD+PATH+BUCKET`` in base64, the plus signs literal.

    ``path`` is without query, as it is sent; ``bucket`` is what ``bucket_of`` gives.
    """
    signed = f"{method}+{path}+{bucket}".encode()
    return b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode("ascii")


def authentication(uid: str, secret: str, method: str, path: str, at: datetime) -> str:
    """Give the value of the header for a request that is sent at ``at``."""
    return f"hmac {uid}:{signature(secret, method, path, bucket_of(at))}"
