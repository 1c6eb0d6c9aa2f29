"""Signatures are those that receivers verify: by a library, and by what the documents say."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from datetime import datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from jexevents.hooks.signing import smrtlink_headers, webhook_headers
from tests.unit.deliveries import MESSAGE_ID

KEYS = (bytes(range(24)), bytes(range(64)))
SECRETS = tuple("whsec_" + b64encode(key).decode() for key in KEYS)
BODY = '{"job":"Größe 5 µm"}'.encode()


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_receiver_with_the_library_verifies_it(secret: str) -> None:
    headers = webhook_headers(MESSAGE_ID, now(), BODY, [secret])
    assert Webhook(secret).verify(BODY, headers) == {"job": "Größe 5 µm"}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)


def test_a_receiver_verifies_it_by_what_the_specification_says() -> None:
    at = now()
    headers = webhook_headers(MESSAGE_ID, at, BODY, SECRETS[:1])
    signed = b"%s.%d." % (headers["webhook-id"].encode(), int(at.timestamp())) + BODY
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1"
    assert b64decode(signature) == hmac.digest(KEYS[0], signed, hashlib.sha256)


def test_while_a_secret_rotates_either_is_enough() -> None:
    headers = webhook_headers(MESSAGE_ID, now(), BODY, SECRETS)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in SECRETS:
        Webhook(secret).verify(BODY, headers)


def test_the_zone_of_the_clock_does_not_matter() -> None:
    at = now()
    elsewhere = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    there = webhook_headers(MESSAGE_ID, elsewhere, BODY, SECRETS)
    assert there == webhook_headers(MESSAGE_ID, at, BODY, SECRETS)
    Webhook(SECRETS[0]).verify(BODY, there)


def test_the_id_stays_and_the_time_is_that_of_the_try() -> None:
    first, later = now(), now() + timedelta(seconds=90)
    one = webhook_headers(MESSAGE_ID, first, BODY)
    two = webhook_headers(MESSAGE_ID, later, BODY)
    assert one["webhook-id"] == two["webhook-id"] == "msg_" + MESSAGE_ID.replace("-", "")
    assert int(two["webhook-timestamp"]) - int(one["webhook-timestamp"]) == 90
    assert "webhook-signature" not in one


def test_smrt_links_header_is_that_of_the_path_and_the_hundred_seconds() -> None:
    at = datetime.fromtimestamp(1494514812.345, timezone.utc)
    url = "https://events.example.org:8443/api/v1/events?x=1"
    (header,) = smrtlink_headers("uid", "pbsecret", "POST", url, at).items()
    signature = "7oor5Wo15XLt9xcF6LPLn8DoxxoZmeaBRxG/9DttCxY="
    assert header == ("Authentication", f"hmac uid:{signature}")
