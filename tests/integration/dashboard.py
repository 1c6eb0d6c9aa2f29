"""A browser without JavaScript: gets pages, sends their forms, reads what they show."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from jexevents.model import Role
from jexevents.sidecar.app import App
from tests.integration.web import Answer, call
from tests.ledger import TestLedger

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
        return call(self.app, "POST", path, urlencode(form or {}).encode(), **self._fields(given))

    def click(self, page: Page, label: str) -> Answer:
        """Send the form of the first button that is called so."""
        at = next(
            number
            for number, one in enumerate(page.elements)
            if one.name == "button" and one.text.strip() == label
        )
        start = max(n for n in range(at) if page.elements[n].name == "form")
        hidden = [one for one in page.elements[start:at] if one.name == "input"]
        form = {one.attributes["name"]: one.attributes["value"] for one in hidden}
        return self.send(page.elements[start].attributes["action"], form)

    def sign_in(self, token: str, **form: str) -> Answer:
        answer = self.send("/login", {"token": token, **form})
        if "Set-Cookie" in answer.headers:
            self.cookie = cookie_of(answer)
        return answer

    def _fields(self, fields: dict[str, str]) -> dict[str, str]:
        cookie = {"HTTP_COOKIE": f"theme=x; jexevents_session={self.cookie}"} if self.cookie else {}
        return {**cookie, **self.fields, **fields}


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
