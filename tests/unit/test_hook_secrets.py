"""What of a hook is secret, wherever a receiver says it."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from jexevents.hooks import signing
from jexevents.hooks.hook import Hmac, Hook
from jexevents.hooks.secrets import of_signatures, secrets_of
from jexevents.redaction import without
from tests.unit.deliveries import MESSAGE_ID

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (
            Hook("a", "https://h/services/T0/B0/abcdefghijklmnopqrst"),
            "/services/T0/B0/abcdefghijklmnopqrst",
        ),
        (Hook("a", "https://h/services/T0/B0/abcdefghijklmnopqrst"), "abcdefghijklmnopqrst"),
        (Hook("a", "https://h/in?sig=hid%2Fden&x=1"), "hid/den"),
        (Hook("a", "https://h/in?sig=hid%2Fden&x=1"), "hid%2Fden"),
        (Hook("a", "https://h/in?hidden"), "hidden"),
        (Hook("a", "https://ann:hid%40den@h/"), "hid@den"),
        (Hook("a", "https://ann:hidden@h/"), "YW5uOmhpZGRlbg=="),
        (Hook("a", "https://hidden@h/"), "hidden"),
        (Hook("a", "https://h/", headers={"X-Key": "hidden"}), "hidden"),
        (Hook("a", "https://h/", headers={"Authorization": "Bearer hidden"}), "hidden"),
        (Hook("a", "https://h/", secrets=(SECRET,)), SECRET),
        (Hook("a", "https://h/", secrets=(SECRET,)), SECRET.removeprefix("whsec_")),
        (Hook("a", "https://h/", hmac=Hmac("lab", "hidden")), "hidden"),
    ],
)
def test_of_a_hook(hook: Hook, said: str) -> None:
    assert said not in without(secrets_of(hook), f"You sent {said!r}.")


def test_what_is_no_secret_stays() -> None:
    hook = Hook("a", "https://h/", headers={"X-N": "1", "X-Empty": ""}, hmac=Hmac("lab", "hidden"))
    told = "lab sent 1 message to h, and it was no good"
    assert without(secrets_of(hook), told) == told


def test_signatures() -> None:
    signed = signing.webhook_headers(MESSAGE_ID, NOW, b"{}", [SECRET, SECRET[:-4]])
    signed |= signing.smrtlink_headers("lab", "hidden", "POST", "https://h/in", NOW)
    one, other = signed["webhook-signature"].split()
    hmac = signed["Authentication"].removeprefix("hmac ")
    secrets = of_signatures(signed)
    for said in (one, other, one[3:], f"{one} {other}", hmac, hmac.removeprefix("lab:")):
        assert said not in without(secrets, f"Not good: {said}")
    assert signed["webhook-id"] in without(secrets, signed["webhook-id"])
    assert signed["webhook-timestamp"] in without(secrets, signed["webhook-timestamp"])
