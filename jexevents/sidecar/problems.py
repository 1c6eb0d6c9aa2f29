"""Every error answer: RFC 9457 ``application/problem+json``, one shape for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from jexevents.errors import (
    Conflict,
    Forbidden,
    Invalid,
    JexError,
    Malformed,
    StorageFull,
    Unacceptable,
    Unavailable,
    Unknown,
)
from jexevents.model import Fault

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
REALM = 'Bearer realm="jexevents"'


class Problem(JexError):
    """A request that is answered with an error; handlers may raise it."""

    def __init__(
        self,
        status: int,
        detail: str,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.faults = tuple(faults)
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        """The kind of problem: the status in words, as ``about:blank`` asks for."""
        return HTTPStatus(self.status).phrase


def document(
    problem: Problem,
    request_id: str,
    members: Callable[[Problem], Mapping[str, object]] | None = None,
) -> dict[str, object]:
    """Give the JSON body of a problem, schema ``problem``; ``members`` makes further ones."""
    return {
        **({} if members is None else members(problem)),
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.message,
        "errors": [
            {"pointer": fault.pointer, "expected": fault.expected, "got": fault.got}
            for fault in problem.faults
        ],
        "request_id": request_id,
    }


_STATUSES: tuple[tuple[type[JexError], int], ...] = (
    (Malformed, 400),
    (Conflict, 409),
    (Invalid, 422),
    (Unacceptable, 422),
    (Forbidden, 403),
    (Unknown, 404),
    (StorageFull, 507),
)


def problem_of(error: JexError) -> Problem | None:
    """Give the answer to one of the project's errors; None for those that are our own fault."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Unavailable):
        return unavailable(str(error))
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return Problem(status, str(error), getattr(error, "faults", ()))
    return None


def malformed(detail: str, pointer: str, expected: str, got: str) -> Problem:
    """Give the 400 for one thing that is wrong with the request."""
    return Problem(400, detail, [Fault(pointer, expected, got)])


def unauthorized(detail: str, error: str = "") -> Problem:
    """Give the 401 with its challenge; ``error`` is a code of RFC 6750, section 3.1."""
    challenge = f'{REALM}, error="{error}"' if error else REALM
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})


def forbidden(detail: str) -> Problem:
    """Give the 403: who asks is known or need not be, and may not."""
    return Problem(403, detail)


def not_allowed(allow: str) -> Problem:
    """Give the 405 for a path that takes the methods ``allow``."""
    return Problem(405, f"This takes {allow}.", headers={"Allow": allow})


def not_found(detail: str) -> Problem:
    """Give the 404 for something that the ledger does not know."""
    return Problem(404, detail)


def too_large(limit_bytes: int) -> Problem:
    """Give the 413 for a body of more than ``limit_bytes``."""
    fault = Fault("", f"a body of at most {limit_bytes} bytes", "more")
    return Problem(413, f"The body is larger than {limit_bytes} bytes.", [fault])


def unavailable(detail: str, retry_after_seconds: int = RETRY_AFTER_SECONDS) -> Problem:
    """Give the 503 that says when to try again."""
    return Problem(503, detail, headers={"Retry-After": str(retry_after_seconds)})


def too_many(detail: str, retry_after_seconds: int) -> Problem:
    """Give the 429 that says when to try again."""
    return Problem(429, detail, headers={"Retry-After": str(retry_after_seconds)})


def internal(request_id: str) -> Problem:
    """Give the 500 that names the request, so that the log can be searched for it."""
    detail = f"The server failed on this request. Its log says more under {request_id}."
    return Problem(500, detail)
