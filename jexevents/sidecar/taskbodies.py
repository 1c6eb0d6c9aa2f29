"""What is asked of tasks and results: out of JSON, or out of a form as the original's clients send
it (seed stevedore)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jexevents import strictjson
from jexevents.errors import Invalid
from jexevents.faults import shown
from jexevents.model import Fault
from jexevents.sidecar.jobparameters import FORM, fields, is_form
from jexevents.sidecar.parameters import is_number
from jexevents.sidecar.problems import malformed, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.routes import JSON

# What of a body is a parameter of a run.
PARAMETERS = (
    "command", "entrypoint", "environment", "secrets", "workdir", "mounts", "memory", "cpus",
    "user", "network", "timeout", "retries", "priority", "labels", "max_output",
)  # fmt: skip
# These are objects or lists of objects: in a form they are JSON.
_STRUCTURED = ("environment", "mounts", "retries")


def body_of(request: Request) -> dict[str, Any]:
    """Read a body as the route's schema has it; members that are null are left out.

    Raises Problem (400, 413, 415), Malformed, Invalid.
    """
    body = request.body()
    if is_form(request, body) or not body.strip():
        document: Any = {name: _value(name, texts) for name, texts in fields(body).items()}
        faults = request.schemas.check(request.route.request, document)
        if faults:
            raise Invalid(f"The form is no {request.route.request}: {faults[0]}.", faults)
    else:
        document = request.json(body)
    return {name: value for name, value in document.items() if value is not None}


def forms_of(schema: str) -> dict[str, tuple[str, ...]]:
    """Give the types of bodies that ``body_of`` reads, for a route's row."""
    return {JSON: (schema,), FORM: (schema,)}


def parameters_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give what of a body is a parameter of a run."""
    return {name: document[name] for name in PARAMETERS if name in document}


def times_of(document: Mapping[str, Any]) -> int:
    """Give how many runs are asked for."""
    return int(document.get("times", 1))


def require_same(document: Mapping[str, Any], **ids: int) -> None:
    """Raise Invalid where an id of the body is not that of the path."""
    for name, own in ids.items():
        told = document.get(name, own)
        if not (is_number(str(told)) and int(told) == own):
            expected = f"{own}, as the path says, or nothing"
            raise Invalid(
                f"{name} is not that of the path.", [Fault(f"/{name}", expected, shown(told))]
            )


def require_only(document: Mapping[str, Any], operation: str, *allowed: str) -> None:
    """Raise Invalid where a body has what an operation does not take."""
    others = sorted(document.keys() - {"operation", *allowed})
    if others:
        faults = [Fault(f"/{name}", f"no such member with {operation}", "one") for name in others]
        raise Invalid(f"{operation} takes no {others[0]}.", faults)


def id_of(request: Request, name: str, what: str) -> int:
    """Give the number that stands in the path. Raises Problem (404) for what is none."""
    text = request.parameters[name]
    if not is_number(text):
        raise not_found(f"There is no {what} {text[:80]!r}.")
    return int(text)


def _value(name: str, texts: list[str]) -> Any:
    if any("\0" in text for text in texts):
        raise malformed("The form has a NUL.", f"/{name}"[:80], "text", "a NUL")
    if len(texts) > 1:
        return texts
    if name in _STRUCTURED and texts[0].lstrip()[:1] in ("{", "["):
        return strictjson.loads(texts[0].encode())
    return texts[0]
