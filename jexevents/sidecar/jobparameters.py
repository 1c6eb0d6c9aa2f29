"""The parameters of a run: out of a JSON body, a form, or the query (seed overseer). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from jexevents.errors import Invalid
from jexevents.model import Fault
from jexevents.sidecar.problems import malformed
from jexevents.sidecar.requests import Request
from jexevents.sidecar.waiting import WAIT

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 1000


def parameters(
    request: Request,
) -> tuple[Mapping[str, Any], Mapping[str, list[str]] | None]:
    """Give the parameters of a run: values of a JSON body, or texts of a form and the query.

    Raises Problem (400, 415), Malformed, Invalid.
    """
    # What of the query is no parameter of the job is left out.
    query = {name: [text] for name, text in request.query.items() if name != WAIT}
    body = request.body()
    if is_form(request, body):
        return {}, _joined(fields(body), query)
    if not body.strip():
        return {}, query
    values = request.json(body)
    if not isinstance(values, dict):
        fault = Fault("", "an object, whose members are the variables", type(values).__name__)
        raise Invalid("The parameters are no object.", [fault])
    if not query:
        return values, None
    return _joined(values, {name: texts[0] for name, texts in query.items()}), None


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
    return claimed == _FORM and not body.lstrip().startswith((b"{", b"["))


def fields(body: bytes) -> dict[str, list[str]]:
    """Read a form: all values by the names of its fields. Raises Problem (400)."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=bool(body.strip()),
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:
        raise malformed(
            "The form cannot be read.", "", "name=value&...", str(error)[:80]
        ) from error
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        found.setdefault(name, []).append(text)
    return found
