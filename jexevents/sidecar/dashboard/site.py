"""What all pages have in common: their layout, their headers, forms that only our pages can send.

Whatever goes wrong on a page is answered as a page, in the words of the problem.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jexevents import __version__
from jexevents.model import Role
from jexevents.sidecar.auth import Caller
from jexevents.sidecar.dashboard import filters
from jexevents.sidecar.dashboard.forms import FORM_BYTES, Form, form_of
from jexevents.sidecar.jobparameters import FORM
from jexevents.sidecar.parameters import Parameter
from jexevents.sidecar.problems import REALM
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import HTML_TYPE, Failure, Route

FOLDER = Path(str(resources.files("jexevents.sidecar.dashboard")))
HTML = "text/html; charset=utf-8"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
# The parameter by which a page is told what an action before it did.
TOLD = "told"
MENU = (
    ("Overview", "/"),
    ("Jobs", "/ui/jobs"),
    ("Definitions", "/ui/definitions"),
    ("Schedules", "/ui/schedules"),
    ("Tasks", "/ui/tasks"),
    ("Results", "/ui/results"),
    ("Workers", "/ui/workers"),
    ("Webhooks", "/ui/webhooks"),
    ("Rejects", "/ui/rejects"),
    ("Uploads", "/ui/uploads"),
)
# What pages can be told, by the word that stands in their URL: nobody else's words are shown.
NOTICES: Mapping[str, str] = {
    "stop": "It was told to stop.",
    "continue": "It was told to continue.",
    "terminate": "It was told to terminate.",
    "kill": "It was killed.",
    "give-up": "It is given up.",
    "active": "The job is on the active list.",
    "inactive": "The job is off the active list: it is not run until it is put back.",
    "drained": "The worker takes nothing new any more; what it has goes on.",
    "resumed": "The worker takes what comes again.",
    "pending": "It is under way: the node that has the job has not answered yet.",
    "repeated": "It was asked for again: this is the new execution.",
    "asked": "It was asked for: this is the execution.",
    "fetched": "The repository was fetched.",
    "fetching": "The repository is being fetched.",
    "registered": "It is registered; its image is imported as soon as a worker is free.",
    "importing": "Its image is imported again as soon as a worker is free.",
    "deleted": "The task was taken away; its results stay.",
    "runs": "It was asked for: these are the runs.",
    "cancelled": "It is cancelled; what runs is being killed.",
    "accepted": "What was chosen is accepted now, and is off this list.",
    "accepted-some": "Some of what was chosen is accepted now, and off this list; the rest stays.",
    "refused-again": "It was refused again; the reasons are those of now.",
    "dropped": "What was chosen is dropped.",
    "sent-again": "It is sent again at once.",
    "enabled": "It is sent for again.",
}
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
          ".svg": "image/svg+xml"}  # fmt: skip
TYPES = tuple(kind.partition(";")[0] for kind in _TYPES.values())


@dataclass(frozen=True, slots=True)
class Static:
    """A file that pages load: its bytes, their type, and a word that changes with them."""

    content: bytes
    content_type: str
    version: str


def _static() -> dict[str, Static]:
    found = {}
    for file in sorted((FOLDER / "static").iterdir()):
        if file.suffix in _TYPES:
            content = file.read_bytes()
            version = hashlib.sha256(content).hexdigest()[:12]
            found[file.name] = Static(content, _TYPES[file.suffix], version)
    return found


@dataclass(frozen=True)
class Site:
    """Makes the routes of pages, and the pages themselves; ``version`` is the daemon's."""

    version: str = __version__
    static: Mapping[str, Static] = field(default_factory=_static, repr=False)

    def __post_init__(self) -> None:
        """Load the templates."""
        made = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        made.filters |= filters.FILTERS
        made.globals |= {"menu": MENU, "notices": NOTICES, "file": self._file}
        object.__setattr__(self, "_templates", made)

    # --- routes

    def page(
        self,
        path: str,
        handler: Callable[[Request], Response],
        *,
        summary: str,
        role: Role | None = Role.READ,
        query: Sequence[Parameter | str] = (),
        statuses: tuple[int, ...] = (200,),
        **more: Any,
    ) -> Route:
        """Give the route of a page; every page can be told what an action did (``told``)."""
        return Route(
            method="GET",
            path=path,
            role=role,
            handler=handler,
            summary=summary,
            query=(*query, TOLD),
            produces=(HTML_TYPE,),
            statuses=statuses,
            page=self.failed,
            **more,
        )

    def action(
        self,
        path: str,
        handler: Callable[[Request, Form], Response],
        *,
        summary: str,
        role: Role | None,
        statuses: tuple[int, ...] = (303,),
        is_open: bool = False,
        max_body_bytes: int = FORM_BYTES,
        **more: Any,
    ) -> Route:
        """Give the route that a form sends to: the form is read first, and must be ours.

        ``is_open`` lets in forms of those who are not signed in.
        """

        def taken(request: Request) -> Response:
            return handler(request, form_of(request, is_open=is_open))

        return Route(
            method="POST",
            path=path,
            role=role,
            handler=taken,
            summary=summary,
            bodies={FORM: {"type": "object"}},
            produces=(HTML_TYPE,),
            statuses=statuses,
            page=self.failed,
            max_body_bytes=max_body_bytes,
            **more,
        )

    # --- answers

    def render(
        self, request: Request, template: str, *, status: int = 200, **context: Any
    ) -> Response:
        """Give a page. ``context`` is what its template asks for."""
        told = NOTICES.get(request.query.get(TOLD, ""), "")
        return self._rendered(
            template, request.path, request.caller, status, {}, told=told, **context
        )

    def seen(self, path: str, told: str = "", **query: str) -> Response:
        """Send the browser to a page (303), which then says the words of ``told`` (NOTICES)."""
        given = query | ({TOLD: told} if told else {})
        return Response(303, None, {"Location": f"{path}?{urlencode(given)}" if given else path})

    def failed(self, failure: Failure) -> Response:
        """Give the page of a problem; for who has to sign in, the one where that is done."""
        problem, caller = failure.problem, failure.caller
        headers = dict(problem.headers)
        path = failure.path.partition("?")[0]
        if problem.status == 401 and caller is None:
            headers.setdefault("WWW-Authenticate", REALM)
            following = failure.path if failure.method in ("GET", "HEAD") else "/"
            return self._rendered(
                "login.html", "/login", None, 401, headers,
                fault="", told="", following=following,
            )  # fmt: skip
        return self._rendered(
            "problem.html", path, caller, problem.status, headers,
            told="", problem=problem, request_id=failure.request_id,
            is_read=failure.method in ("GET", "HEAD"),
        )  # fmt: skip

    def _rendered(
        self,
        template: str,
        path: str,
        caller: Caller | None,
        status: int,
        headers: Mapping[str, str],
        /,
        **context: Any,
    ) -> Response:
        def may(role: str) -> bool:
            return caller is not None and caller.has(Role(role))

        text = self._templates.get_template(template).render(
            here=path,
            user=caller,
            may=may,
            version=self.version,
            new_key=lambda: secrets.token_urlsafe(12),
            **context,
        )
        return Response(status, text.encode("utf-8", "replace"), {**HEADERS, **headers}, HTML)

    def _file(self, name: str) -> str:
        """Give the path of a static file, another one whenever it changes."""
        return f"/ui/static/{quote(name)}?v={self.static[name].version}"
