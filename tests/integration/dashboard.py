"""Pages over a test's own database, and a browser without JavaScript: it gets pages, sends their
forms, reads what they show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import psycopg2

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.model import Role
from jexevents.sidecar.app import App, build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.ledger import LedgerSurface
from jexevents.sidecar.rejects import RejectSurface
from jexevents.sidecar.throttle import Throttle
from jexevents.sidecar.tokens import Tokens
from jexevents.store.database import Database
from jexevents.store.reading import Reading
from jexevents.store.sessions import Sessions
from jexevents.store.tokens import Tokens as StoredTokens
from jexevents.wiring.jobs import Links
from tests.integration.web import Answer, call
from tests.ledger import TestLedger

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>\'"&amp;{{ 7*7 }}</title></td>'
SPOOF = "\u202egnp.exe\x07\x1b[31m"

_VOID = {"meta", "link", "input", "img", "br", "hr"}


@dataclass
class Element:
    """An element of a page: its name, its attributes, and all text in it."""

    name: str
    attributes: dict[str, str]
    text: str = ""


class Page(HTMLParser):
    """A page as a browser would read it; raises AssertionError where its elements do not close."""

    def __init__(self, body: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(body.decode("utf-8"))
        assert not self._open, [one.name for one in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        # The end of these may be left out.
        while self._open[-1].name != tag and self._open[-1].name in ("p", "li", "option"):
            self._open.pop()
        assert self._open[-1].name == tag, (tag, [one.name for one in self._open])
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, name: str, /, **attributes: str) -> list[Element]:
        """Give the elements of a name with these attributes."""
        return [
            one
            for one in self.elements
            if one.name == name
            and all(one.attributes.get(key) == value for key, value in attributes.items())
        ]

    def one(self, name: str, /, **attributes: str) -> Element:
        (found,) = self.all(name, **attributes)
        return found

    @property
    def text(self) -> str:
        """All that is shown."""
        return " ".join(self.one("main").text.split())

    def buttons(self) -> list[str]:
        return [one.text.strip() for one in self.all("button")]


@dataclass
class Browser:
    """One browser; ``token`` signs it in."""

    app: App
    cookie: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, query: str = "", **fields: str) -> Answer:
        path, _, more = path.partition("?")
        return call(self.app, "GET", path, query=query or more, **self._fields(fields))

    def page(self, path: str, query: str = "", status: int = 200) -> Page:
        answer = self.get(path, query)
        assert answer.status == status, answer.body
        return Page(answer.body)

    def send(self, path: str, form: Any = None, **fields: str) -> Answer:
        """Send a form as it is."""
        given = {"CONTENT_TYPE": "application/x-www-form-urlencoded", **fields}
        return call(
            self.app,
            "POST",
            path,
            urlencode(form or {}, doseq=True).encode(),
            **self._fields(given),
        )

    def click(self, page: Page, label: str, **fields: Any) -> Answer:
        """Send the form of the first button that is called so, with ``fields`` filled in; one of
        None is not sent."""
        at = next(
            number
            for number, one in enumerate(page.elements)
            if one.name == "button" and one.text.strip() == label
        )
        start = max(n for n in range(at) if page.elements[n].name == "form")
        form = _fields_of(page.elements[start:at]) | fields
        button = page.elements[at].attributes
        if "name" in button:
            form[button["name"]] = button["value"]
        given = {name: value for name, value in form.items() if value is not None}
        return self.send(page.elements[start].attributes["action"], given)

    def sign_in(self, token: str, **form: str) -> Answer:
        answer = self.send("/login", {"token": token, **form})
        if "Set-Cookie" in answer.headers:
            self.cookie = cookie_of(answer)
        return answer

    def _fields(self, fields: dict[str, str]) -> dict[str, str]:
        cookie = {"HTTP_COOKIE": f"theme=x; jexevents_session={self.cookie}"} if self.cookie else {}
        return {**cookie, **self.fields, **fields}


def _fields_of(elements: Sequence[Element]) -> dict[str, Any]:
    """Give what a form would send as it is shown."""
    form: dict[str, Any] = {}
    select = ""
    for one in elements:
        name, attributes = one.attributes.get("name", ""), one.attributes
        if one.name == "input" and name:
            if attributes.get("type") != "checkbox" or "checked" in attributes:
                form[name] = attributes["value"]
        elif one.name == "textarea":
            # A line feed at its beginning is none of the text.
            form[name] = one.text.removeprefix("\n")
        elif one.name == "select":
            select = name
        elif one.name == "option" and (select not in form or "selected" in attributes):
            form[select] = attributes.get("value", one.text)
    return form


class Shown:
    """The pages over a database, and what they lead to, put together as the daemon does."""

    def __init__(self, uri: str, links: Links | None = None, **options: Any) -> None:
        self.uri = uri
        self.woken: list[str] = []
        self.database = Database(uri)
        config = from_mapping({"PublicURL": "https://jex.example.org", **options})
        self.surfaces = wiring.Surfaces(
            config, self.database, wake=self.woken.extend, links=links or Links()
        )
        self.tokens = StoredTokens(self.database)
        throttle = Throttle()
        routes = [
            *self.surfaces.dashboard(throttle, dict).routes(),
            *self.surfaces.uploads().routes(),
            *RejectSurface(self.surfaces.reject_work()).routes(),
            *LedgerSurface(Reading(self.database)).routes(),
        ]
        tokens = Tokens(self.tokens.in_force, cache_seconds=0, ask_again_seconds=0)
        find = Sessions(self.database).find
        gate = Gate(tokens, throttle=throttle, find_session=find)
        self.app = build_app(routes, gate, check_answers=True)

    def token(self, *roles: Role, name: str = "ann") -> str:
        return self.tokens.make(name, roles).secret

    def browser(self, *roles: Role, name: str = "ann") -> Browser:
        """Give a browser that is signed in with a new token of these roles."""
        browser = Browser(self.app)
        assert browser.sign_in(self.token(*roles, name=name)).status == 303
        return browser

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Give the rows of a statement, or nothing."""
        with closing(psycopg2.connect(self.uri)) as connection, connection:
            cursor = connection.cursor()
            cursor.execute("set search_path to jex")
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def audit(self) -> list[tuple[str, str]]:
        """Give who did what, but for who made the tokens."""
        return self.sql(
            "select credential, action from audit where action <> 'token.make' order by id"
        )


def assert_is_text(answer: Answer) -> Page:
    """Assert that HOSTILE and SPOOF, wherever they stand on a page, are text there."""
    assert answer.status in (200, 404, 409, 422), answer.body
    page = Page(answer.body)
    for markup in (b"<script>alert", b"<img src=x"):
        assert markup not in answer.body
    known = {"/ui/static/live.js", "/ui/static/output.js"}
    assert {one.attributes["src"].partition("?")[0] for one in page.all("script")} <= known
    assert page.all("img") == []
    assert "49" not in page.all("title")[0].text
    for unseen in "\x07\x1b\u202e":
        assert unseen not in answer.body.decode()
    return page


def cookie_of(answer: Answer) -> str:
    return re.match("jexevents_session=([^;]*);", answer.headers["Set-Cookie"])[1]


def signed_in(ledger: TestLedger, *roles: Role) -> Browser:
    """Give a browser that is signed in with a new token of these roles."""
    browser = Browser(ledger.app)
    answer = browser.sign_in(ledger.token(*roles))
    assert answer.status == 303, answer.body
    return browser


def word_of(page: Page) -> str:
    return page.all("input", name="word")[0].attributes["value"]
