"""The dashboard's foundation: signing in, forms, roles, headers, what is shown of hostile text."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from jexevents.model import Role
from tests.integration.web import Answer, call
from tests.ledger import TestLedger

FORM = {"CONTENT_TYPE": "application/x-www-form-urlencoded"}


def get(ledger: TestLedger, path: str, query: str = "", cookie: str = "", **fields: str) -> Answer:
    given = {"HTTP_COOKIE": f"jexevents_session={cookie}"} if cookie else {}
    return call(ledger.app, "GET", path, query=query, **given, **fields)


def send(ledger: TestLedger, path: str, cookie: str = "", form=None, **fields: str) -> Answer:
    given = {"HTTP_COOKIE": f"jexevents_session={cookie}"} if cookie else {}
    return call(ledger.app, "POST", path, urlencode(form or {}).encode(), **FORM, **given, **fields)


def session_of(answer: Answer) -> str:
    return re.match("jexevents_session=([^;]*);", answer.headers["Set-Cookie"])[1]


def sign_in(ledger: TestLedger, *roles: Role, **fields: str) -> str:
    answer = send(ledger, "/login", form={"token": ledger.token(*roles)}, **fields)
    assert answer.status == 303, answer.body
    return session_of(answer)


def word_of(answer: Answer) -> str:
    return re.search(rb'name="word" value="([0-9a-f]+)"', answer.body)[1].decode()


def test_pages(ledger: TestLedger) -> None:
    answer = get(ledger, "/ui/jobs")
    assert answer.status == 200, answer.body
    print(answer.body.decode())
    cookie = sign_in(ledger, Role.READ)
    answer = get(ledger, "/ui/jobs", cookie=cookie)
    assert answer.status == 200
    assert b"Sign out" in answer.body
    assert get(ledger, "/ui/jobs").status == 401
    assert get(ledger, "/ui/none", cookie=cookie).status == 404
