"""The parameters of a run: out of a JSON body, a form, or the query (seed overseer). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from jexevents.errors import Invalid
from jexevents.faults import kind, shown
from jexevents.model import Fault
from jexevents.sidecar.problems import Problem, malformed
from jexevents.sidecar.requests import Request
from jexevents.sidecar.waiting import WAIT

FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 10_000


def parameters(
    request: Request,
) -> tuple[Mapping[str, Any], Mapping[str, list[str]] | None]:
    """Give the parameters of a run: values of a JSON body, or texts of a form and the query.

    Raises Problem (400, 415), Malformed, Invalid.
    """
    # What of the query is no parameter of the job is left out.
    query = {name: list(texts) for name, texts in request.texts.items() if name != WAIT.name}
    body = request.body()
    if is_form(request, body):
        return {}, _joined(fields(body), query)
    if not body.strip():
        return {}, query
    values = request.json(body, FORM)
    if not isinstance(values, dict):
        fault = Fault("", "an object, whose members are the variables", kind(values))
        raise Invalid("The parameters are no object.", [fault])
    if not query:
        return values, None
    alone = {name: one[0] if len(one) == 1 else one for name, one in query.items()}
    return _joined(values, alone), None


def refuse_any(request: Request) -> None:
    """Refuse a body that has parameters, where none are taken. Raises Problem (413), Invalid."""
    if request.body().strip() not in (b"", b"{}"):
        fault = Fault("", "no body", "one")
        raise Invalid(
            "An execution is repeated with the values that it had. To give others, run its job.",
            [fault],
        )


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    twice = sorted(first.keys() & second.keys())
    if twice:
        faults = [Fault(f"/{name}", "the parameter once", "body and query") for name in twice]
        raise Invalid(f"A parameter is given twice: {twice[0]}.", faults)
    return {**first, **second}


def is_form(request: Request, body: bytes) -> bool:
    """Whether a body is a form, and not JSON that curl calls one."""
    claimed = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return claimed == FORM and not body.lstrip().startswith((b"{", b"["))


def fields(body: bytes) -> dict[str, list[str]]:
    """Read a form: all values by the names of its fields. Raises Problem (400)."""
    found: dict[str, list[str]] = {}
    for name, text in _pairs(body.strip()):
        found.setdefault(name, []).append(text)
    return found


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """Give names and texts of a form. Raises Problem (400)."""
    parts = body.split(b"&") if body else []
    if len(parts) > _MAX_FIELDS:
        raise _no_form(f"at most {_MAX_FIELDS} fields", str(len(parts)))
    try:
        for part in parts:
            if b"=" not in part:
                raise _no_form("name=value&...", shown(part.decode()) if part else "an empty field")
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise _no_form("text in UTF-8", "other bytes") from error


def _no_form(expected: str, got: str) -> Problem:
    return malformed("The form cannot be read.", "", expected, got)
