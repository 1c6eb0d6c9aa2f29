"""Tables of routes made one WSGI callable; whatever goes wrong is answered as a problem.

bottle routes; everything that bottle would answer by itself (HTML pages, traces) is replaced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import BoundedSemaphore
from typing import Any

import bottle
import uuid_utils

from jexevents.errors import JexError, Unavailable
from jexevents.logs import get_logger, shows
from jexevents.model import NONCE
from jexevents.observers import NOBODY, RequestObserver
from jexevents.sidecar import problems
from jexevents.sidecar.answers import check_answer
from jexevents.sidecar.auth import ANONYMOUS, Attempt, Caller, Gate
from jexevents.sidecar.problems import Problem
from jexevents.sidecar.requests import (
    Headers,
    Request,
    asked_path,
    content_length,
    masked_path,
    masked_query,
    read_path,
    read_query,
    refuse_encoding,
    values_of,
)
from jexevents.sidecar.resources import Resources
from jexevents.sidecar.responses import Response, encode, payload, response_of
from jexevents.sidecar.routes import (
    METHODS,
    ErrorMembers,
    Failure,
    Route,
    all_statuses,
    check_table,
    secret_spans,
)
from jexevents.sidecar.slots import Aside, Slots
from jexevents.sidecar.streams import UNWANTED, Limited, Place, Unwanted
from jexevents.validation import SCHEMAS, Schemas

MAX_BODY_BYTES = 1 << 20
STREAM_LIMIT = 4
SLOTS = 8

_EXCHANGE = "jexevents.exchange"
# To everybody: who may send is for credentials to say (HTTP 1.1 Web Hooks, section 4.2).
_WEBHOOKS_ALLOWED = {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}
log = get_logger("sidecar")


@dataclass(slots=True)
class Exchange:
    """One request and its answer, for the log and for the fields that every answer has."""

    began: float
    id: str = field(default_factory=lambda: uuid_utils.uuid4().hex)
    method: str = ""
    query: str = ""
    path: str = ""
    caller: str = ANONYMOUS
    known: Caller | None = None
    asked: str = ""
    route: str = ""
    status: int = 0
    error_members: ErrorMembers | None = None


class App:
    """The WSGI callable; make it with ``build_app``."""

    def __init__(
        self,
        routes: Iterable[Route],
        gate: Gate,
        *,
        schemas: Schemas,
        max_body_bytes: int,
        stream_limit: int,
        slots: int,
        check_answers: bool,
        clock: Callable[[], float],
        observer: RequestObserver,
    ) -> None:
        self.routes = tuple(routes)
        check_table(self.routes)
        self._gate = gate
        self._schemas = schemas
        self._max_body_bytes = max_body_bytes
        self._check_answers = check_answers
        self._clock = clock
        self._observer = observer
        self._streams = BoundedSemaphore(stream_limit)
        self._slots = Slots(slots)
        self._secret_spans = secret_spans(self.routes)
        self._resources = Resources(self.routes)
        self._bottle = self._routed()

    @property
    def max_body_bytes(self) -> int:
        """The largest body that any route takes; what the server must let through."""
        bounds = [route.max_body_bytes or 0 for route in self.routes]
        return max(self._max_body_bytes, *bounds, 0)

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        """Answer one request (PEP 3333); raises nothing."""
        exchange = Exchange(self._clock())
        environ[_EXCHANGE] = exchange
        begin = _begin(exchange, start_response)
        try:
            self._note(exchange, environ)
            body = self._bottle.wsgi(environ, begin)
        except Problem as problem:
            body = self._bare(problem, exchange, begin)
        except Exception:
            log.exception("http_failed", request_id=exchange.id, path=exchange.path)
            body = self._bare(problems.internal(exchange.id), exchange, begin)
        self._record(exchange)
        return body

    def _note(self, exchange: Exchange, environ: dict[str, Any]) -> None:
        exchange.error_members = self.error_members(asked_path(environ))
        exchange.method = environ["REQUEST_METHOD"]
        exchange.query = masked_query(environ.get("QUERY_STRING", ""))
        path = read_path(environ)
        environ["PATH_INFO"] = path.encode("utf-8").decode("latin-1")
        exchange.path = masked_path(path, self._secret_spans(path))
        query = environ.get("QUERY_STRING", "")
        exchange.asked = f"{asked_path(environ)}?{query}" if query else asked_path(environ)

    def _routed(self) -> bottle.Bottle:
        app = bottle.Bottle()
        app.config["catchall"] = False
        for route in self.routes:
            # Without bottle's plugins: what a handler gives is JSON, or says what it is.
            app.route(route.path, route.method, callback=self._endpoint(route), skip=True)
        self._error_members = _by_folder(self.routes)
        self._pages = {
            "/".join(one.path.split("/")[:2]): one.page for one in self.routes if one.page
        }
        self._too_large = {one.path: one.too_large for one in self.routes if one.too_large}
        webhooks = frozenset(route.path for route in self.routes if route.webhooks)
        app.default_error_handler = partial(self._unrouted, webhooks)
        return app

    def _endpoint(self, route: Route) -> Callable[..., bottle.HTTPResponse]:
        def endpoint(**parameters: str) -> bottle.HTTPResponse:
            environ = bottle.request.environ
            exchange: Exchange = environ[_EXCHANGE]
            exchange.route = route.path
            try:
                if not _needs_slot(route):
                    return self._answer(route, environ, parameters, nullcontext)
                with self._slots.taken() as aside:
                    return self._answer(route, environ, parameters, aside)
            except JexError as exc:
                problem = problems.problem_of(exc) or _failed(exchange)
            except Exception:
                log.exception("http_failed", request_id=exchange.id, path=exchange.path)
                problem = problems.internal(exchange.id)
            if self._check_answers and problem.status not in (*all_statuses(route), 405):
                log.error("undescribed_status", route=route.path, status=problem.status)
                problem = problems.internal(exchange.id)
            return self._refused(problem, exchange, route.page, route.error_members)

        return endpoint

    def _refused(
        self,
        problem: Problem,
        exchange: Exchange,
        page: Callable[[Failure], Response] | None,
        members: ErrorMembers | None,
    ) -> bottle.HTTPResponse:
        """Answer with a problem: as a page, where a page was asked for."""
        if page is not None:
            failure = Failure(problem, exchange.id, exchange.method, exchange.asked, exchange.known)
            try:
                return _whole(page(failure))
            except Exception:
                log.exception("http_failed", request_id=exchange.id, path=exchange.path)
        return _problem_response(problem, exchange, members)

    def _answer(
        self, route: Route, environ: dict[str, Any], parameters: Mapping[str, str], aside: Aside
    ) -> bottle.HTTPResponse:
        request = self._admitted(route, environ, parameters, aside)
        try:
            if route.is_long(request):
                request.place.take()
            response = response_of(route.handler(request))
            return self._finished(route, request.place.held_by(response))
        except BaseException:
            request.place.close()
            raise

    def _admitted(
        self, route: Route, environ: dict[str, Any], parameters: Mapping[str, str], aside: Aside
    ) -> Request:
        exchange: Exchange = environ[_EXCHANGE]
        path = environ["PATH_INFO"]
        if not self._resources.is_of(route, path):
            raise problems.not_allowed(self._resources.allow(path))
        headers = Headers(environ)
        query = environ.get("QUERY_STRING", "")
        # A nonce stands in the query, so that is read before anybody knows who asks.
        texts = read_query(query, route) if route.nonces else {}
        nonce = texts[NONCE][0] if NONCE in texts else None
        attempt = Attempt(
            exchange.method,
            environ.get("REMOTE_ADDR", ""),
            headers,
            nonce,
            asked_path(environ),
        )
        caller = self._let_in(route, attempt)
        exchange.caller, exchange.known = caller.name, caller
        limit = route.max_body_bytes or self._max_body_bytes
        if (content_length(environ) or 0) > limit:
            raise route.too_large() if route.too_large else problems.too_large(limit)
        if not route.safe:
            refuse_encoding(headers)
        texts = read_query(query, route)
        return Request(
            id=exchange.id,
            route=route,
            method=exchange.method,
            path=path,
            parameters=parameters,
            texts=texts,
            values=values_of(texts, route),
            headers=headers,
            caller=caller,
            stream=_body_stream(environ),
            max_body_bytes=limit,
            schemas=self._schemas,
            place=Place(self._streams),
            unwanted=self._unwanted(route, attempt, environ.get(UNWANTED, bool)),
            aside=aside,
        )

    def _let_in(self, route: Route, attempt: Attempt) -> Caller:
        return self._gate.admit(
            route.role,
            attempt,
            any_host=route.any_host,
            nonces=route.nonces,
            systems=route.systems,
            sessions=route.takes_sessions,
        )

    def _unwanted(
        self, route: Route, attempt: Attempt, is_gone: Callable[[], bool]
    ) -> Callable[[], bool]:
        # A nonce is used up by being shown again, and a signature is good for a moment.
        if not route.streams or route.role is None or route.nonces or route.systems:
            return is_gone
        return Unwanted(is_gone, partial(self._is_out, route, attempt), self._clock)

    def _is_out(self, route: Route, attempt: Attempt) -> bool:
        """Whether who was let in would not be now: his token or session has ended."""
        try:
            self._let_in(route, attempt)
        except Problem:
            return True
        except Unavailable:
            # The database is away: nobody knows of an end.
            return False
        return False

    def _finished(self, route: Route, response: Response) -> bottle.HTTPResponse:
        if self._check_answers:
            check_answer(route, response, self._schemas)
        return _whole(response)

    def _page_of(self, path: str) -> Callable[[Failure], Response] | None:
        """Give what shows problems of a path as pages; None where no page stands beside it."""
        return self._pages.get("/".join(path.split("/")[:2]))

    def error_members(self, path: str) -> ErrorMembers | None:
        """Give what makes further members of errors on a path, be there a route or none."""
        return self._error_members.get(_folder(path))

    def too_large(self, path: str) -> Problem:
        """Give the 413 for a path whose body the server itself would not read to its end."""
        told = self._too_large.get(path.rstrip("/"))
        return told() if told else problems.too_large(self.max_body_bytes)

    def _unrouted(self, webhooks: Container[str], error: bottle.HTTPError) -> bytes:
        """Answer in bottle's stead what no route takes: 404, 405, and OPTIONS.

        Whoever asks whether events may be sent to one of the paths ``webhooks`` is told so.
        """
        environ = bottle.request.environ
        exchange: Exchange = environ[_EXCHANGE]
        allow = self._resources.allow(environ["PATH_INFO"])
        if exchange.method == "OPTIONS" and (allow or exchange.path == "*"):
            asks = "HTTP_WEBHOOK_REQUEST_ORIGIN" in environ and exchange.path in webhooks
            fields = _WEBHOOKS_ALLOWED if asks else {}
            return _filled(bottle.HTTPResponse("", 204, fields, Allow=allow or ", ".join(METHODS)))
        if error.status_code == 405:
            problem = problems.not_allowed(allow)
        elif error.status_code == 404:
            problem = Problem(404, f"There is nothing at {exchange.path}.")
        else:
            problem = problems.internal(exchange.id)
        page = self._page_of(exchange.path)
        return _filled(self._refused(problem, exchange, page, exchange.error_members))

    def _bare(self, problem: Problem, exchange: Exchange, begin: Callable) -> list[bytes]:
        """Answer without bottle, for what fails before or around it."""
        body = encode(problems.document(problem, exchange.id, exchange.error_members))
        fields = {
            "Content-Type": problems.CONTENT_TYPE,
            "Content-Length": str(len(body)),
            **problem.headers,
        }
        begin(f"{problem.status} {problem.title}", list(fields.items()))
        return [] if exchange.method == "HEAD" else [body]

    def _record(self, exchange: Exchange) -> None:
        seconds = self._clock() - exchange.began
        self._observer.answered(exchange.method, exchange.route, exchange.status, seconds)
        if exchange.status < 400 and not shows("debug"):
            return
        record = log.warning if exchange.status >= 500 else log.info
        record = record if exchange.status >= 400 else log.debug
        record(
            "http_request",
            request_id=exchange.id,
            method=exchange.method,
            path=exchange.path,
            query=exchange.query,
            status=exchange.status,
            caller=exchange.caller,
            seconds=round(seconds, 6),
        )


def build_app(
    routes: Iterable[Route],
    gate: Gate,
    *,
    schemas: Schemas | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    stream_limit: int = STREAM_LIMIT,
    slots: int = SLOTS,
    check_answers: bool = False,
    clock: Callable[[], float] = time.monotonic,
    observer: RequestObserver = NOBODY,
) -> App:
    """Make the WSGI callable of all surfaces' routes.

    Bodies over ``max_body_bytes`` are 413 where the route does not say otherwise; at most
    ``stream_limit`` answers of routes with ``streams`` run at a time, and ``slots`` requests of
    routes that need a role. ``check_answers`` holds
    each answer to its route's row and fails the request (500) that breaks it: for tests.
    Raises ValueError where two routes answer the same requests.
    """
    return App(
        routes,
        gate,
        schemas=schemas or SCHEMAS,
        max_body_bytes=max_body_bytes,
        stream_limit=stream_limit,
        slots=slots,
        check_answers=check_answers,
        clock=clock,
        observer=observer,
    )


def _begin(exchange: Exchange, start_response: Callable) -> Callable:
    """Wrap start_response: add the fields that every answer has, note the status."""
    always = {"X-Request-Id": exchange.id, "X-Content-Type-Options": "nosniff"}
    defaults = {"Cache-Control": "no-store"}

    def begin(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        exchange.status = int(status[:3])
        named = {name.lower() for name, _ in headers}
        added = [(name, value) for name, value in defaults.items() if name.lower() not in named]
        return start_response(status, [*headers, *added, *always.items()], exc_info)

    return begin


def _needs_slot(route: Route) -> bool:
    """Whether a request may wait for the database, so that too many would keep all threads."""
    return route.asks_database and (route.role is not None or route.page is not None)


def _body_stream(environ: Mapping[str, Any]) -> Any:
    """Give the body, ended at its declared length where the server does not end it itself."""
    if environ.get("wsgi.input_terminated"):
        return environ["wsgi.input"]
    return Limited(environ["wsgi.input"], content_length(environ) or 0)


def _failed(exchange: Exchange) -> Problem:
    """One of the project's errors that is no answer to anybody: logged, and a 500."""
    log.exception("http_failed", request_id=exchange.id, path=exchange.path)
    return problems.internal(exchange.id)


def _bottled(
    status: int, body: Any, content_type: str, headers: Mapping[str, str]
) -> bottle.HTTPResponse:
    response = bottle.HTTPResponse(body, status)
    response.content_type = content_type
    for name, value in headers.items():
        response.set_header(name, value)
    return response


def _whole(response: Response) -> bottle.HTTPResponse:
    return _bottled(response.status, payload(response), response.content_type, response.headers)


def _problem_response(
    problem: Problem, exchange: Exchange, members: ErrorMembers | None = None
) -> bottle.HTTPResponse:
    content = problems.document(problem, exchange.id, members)
    return _bottled(problem.status, encode(content), problems.CONTENT_TYPE, problem.headers)


def _by_folder(routes: Iterable[Route]) -> dict[str, ErrorMembers]:
    """Give what makes further members of errors, by the folder of the routes that have any."""
    return {
        _folder(route.path): route.error_members
        for route in routes
        if route.error_members is not None
    }


def _folder(path: str) -> str:
    """Give the first two segments of a path: what a surface has to itself."""
    return "/".join(path.split("/")[:3])


def _filled(made: bottle.HTTPResponse) -> bytes:
    made.apply(bottle.response)
    return made.body
