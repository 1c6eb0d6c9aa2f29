"""The headers by which a receiver knows that a request is ours: Standard Webhooks, and HMAC; pure.

The signature is that of the library ``standardwebhooks``, which replaces the time zone of the time
it is given and does not convert it: it gets UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from jexevents import smrthmac
from jexevents.hookwords import given_id


def webhook_headers(
    message_id: str, at: datetime, body: bytes, secrets: Sequence[str] = ()
) -> dict[str, str]:
    """Give the headers of one attempt, ``at`` an aware instant.

    The id is the same at each attempt, the time is its own. There is a signature for each secret
    (``whsec_...``), so that a receiver that knows the old one or the new one is content; without
    any, id and time are sent alone. ``body`` is UTF-8.
    """
    at = at.astimezone(timezone.utc)
    given = given_id(message_id)
    headers = {"webhook-id": given, "webhook-timestamp": str(int(at.timestamp()))}
    if secrets:
        text = body.decode("utf-8")
        signatures = [Webhook(secret).sign(given, at, text) for secret in secrets]
        headers["webhook-signature"] = " ".join(signatures)
    return headers


def smrtlink_headers(uid: str, secret: str, method: str, url: str, at: datetime) -> dict[str, str]:
    """Give the header by which SMRT Link's clients show who they are, for a request to a URL."""
    path = urlsplit(url).path or "/"
    return {smrthmac.HEADER: smrthmac.header(uid, secret, method, path, at.timestamp())}
