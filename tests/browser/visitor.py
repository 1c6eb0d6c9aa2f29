"""One who visits the dashboard with a browser, and notes what the browser complains about."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Request, expect

SECONDS = 30
expect.set_options(timeout=SECONDS * 1000)


@dataclass
class Visitor:
    """A page of a browser of its own; ``complaints`` is what its console has of errors, without
    those that are ``expected``."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def _heard(self, message: Any) -> None:
        if any(words in message.text for words in self.expected):
            return
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"asked for {request.url}")

    def expect_status(self, status: int) -> None:
        """Take an answer with this status for no fault, from here on."""
        self.expected.append(f"a status of {status} ")

    def go(self, path: str) -> None:
        self.page.goto(f"{self.address}{path}")

    def sign_in(self, token: str, path: str = "/") -> None:
        """Go to a page, and sign in where it asks for that."""
        self.go("/login" if path == "/" else f"/login?next={path}")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def press(self, name: str) -> None:
        """Click a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def expect_title(self, title: str) -> None:
        expect(self.page).to_have_title(re.compile(rf"^{re.escape(title)}"))

    def faults_of_access(self, script: str) -> list[str]:
        """Say what axe finds that keeps anybody from using the page."""
        if not self.page.evaluate("() => Boolean(window.axe)"):
            self.page.evaluate(script)
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['impact']}: {one['id']}: {one['help']}: {[n['target'] for n in one['nodes']]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical", "moderate")
        ]

    @property
    def is_wider_than_its_window(self) -> bool:
        return self.page.evaluate(
            "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
