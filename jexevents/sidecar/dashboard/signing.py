"""Signing in to the dashboard with a token, and signing out."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from jexevents.model import Role
from jexevents.sidecar.auth import COOKIE, session_of, word_of
from jexevents.sidecar.dashboard.forms import Form
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.problems import Problem, forbidden
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.throttle import Throttle
from jexevents.store.sessions import Sessions, SignedIn

# Paths of this server, none that a browser takes for another one's.
_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2000}")
_ONE_SYSTEM = "This token is good for events and files of SMRT Link alone."


@dataclass(frozen=True, slots=True)
class Signing:
    """The pages. A session lasts ``session_seconds`` at most."""

    site: Site
    sessions: Sessions
    throttle: Throttle
    session_seconds: float
    public_url: str = ""

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        return [
            self.site.page(
                "/login",
                self.form,
                role=None,
                asks_database=False,
                summary="Sign in with a token.",
                query=("next",),
            ),
            self.site.action(
                "/login",
                self.sign_in,
                role=None,
                is_open=True,
                summary="Begin a session with a token, and set its cookie.",
                statuses=(303, 401, 403, 429, 503),
            ),
            self.site.action(
                "/logout",
                self.sign_out,
                role=None,
                is_open=True,
                summary="End the session.",
                statuses=(303, 403, 503),
            ),
        ]

    def form(self, request: Request) -> Response:
        """Show the form."""
        return self._form(request, request.query.get("next", "/"))

    def _form(
        self, request: Request, following: str, fault: str = "", status: int = 200
    ) -> Response:
        following = following if _LOCAL.fullmatch(following) else "/"
        return self.site.render(
            request, "login.html", status=status, following=following, fault=fault
        )

    def sign_in(self, request: Request, form: Form) -> Response:
        """Begin a session.

        What is right is let in at once, as with nonces: nobody guesses a token.
        """
        following = form.get("next", "/")
        who = self.sessions.whose(form.get("token"))
        if who is None:
            address = request.caller.address
            try:
                self.throttle.check(address)
            except Problem as problem:
                answer = self._form(request, following, str(problem), 429)
                return Response(
                    429, answer.body, {**answer.headers, **problem.headers}, answer.content_type
                )
            self.throttle.failed(address)
            return self._form(request, following, "This token is not known, or has ended.", 401)
        if fault := _unfit(who):
            return self._form(request, following, fault, 403)
        if before := session_of(request.headers):
            self.sessions.end(before)
        secret = self.sessions.begin(who, self.session_seconds)
        where = following if _LOCAL.fullmatch(following) else "/"
        return Response(303, None, {"Location": where, "Set-Cookie": self._cookie(request, secret)})

    def sign_out(self, request: Request, form: Form) -> Response:
        """End the session that the cookie names, whether it is in force or not."""
        session = session_of(request.headers)
        if session is not None:
            _require_word(session, form)
            self.sessions.end(session)
        return Response(
            303, None, {"Location": "/login", "Set-Cookie": self._cookie(request, "", 0)}
        )

    def _cookie(self, request: Request, value: str, seconds: int | None = None) -> str:
        """Give the cookie: it ends with the browser, at the latest with the session.

        It comes with links from elsewhere (Lax), so that one in a mail opens its page: pages only
        read, and forms have a word of the session.
        """
        seconds = int(self.session_seconds) if seconds is None else seconds
        cookie = f"{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax"
        return f"{cookie}; Secure" if self._is_secured(request) else cookie

    def _is_secured(self, request: Request) -> bool:
        """Whether the browser speaks HTTPS, perhaps with a proxy.

        It says so itself in the Origin of what it sends. A false word of somebody else here has
        the effect alone that his own cookie is sent back over HTTPS only.
        """
        origin = request.headers.get("origin")
        if origin is not None and origin != "null":
            return origin.lower().startswith("https:")
        if request.headers.get("x-forwarded-proto", "").lower() == "https":
            return True
        return self.public_url.lower().startswith("https:")


def _unfit(who: SignedIn) -> str:
    """Say why one cannot sign in with this token; nothing where one can."""
    if who.system is not None:
        return _ONE_SYSTEM
    if not {Role.READ, Role.ADMIN} & who.roles:
        return "This token has not the role read, which the dashboard needs."
    return ""


def _require_word(session: str, form: Form) -> None:
    # Whoever is not admitted by his session has no word of it in the request: it is made anew.
    if not hmac.compare_digest(word_of(session).encode(), form.word.encode()):
        raise forbidden("This form is not of your session. Open a page anew, and sign out there.")
