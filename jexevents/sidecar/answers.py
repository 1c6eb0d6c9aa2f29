"""Whether an answer is one that its route's row tells of; for tests, which have it looked at."""

from __future__ import annotations

from jexevents.sidecar.responses import JSON, Response
from jexevents.sidecar.routes import Route, all_statuses
from jexevents.validation import Schemas

_WITHOUT_BODY = (204, 303, 304)


def check_answer(route: Route, response: Response, schemas: Schemas) -> None:
    """Raise TypeError for an answer whose status, type or JSON the row does not tell of."""
    name = f"{route.method} {route.path}"
    if response.status not in all_statuses(route):
        raise TypeError(f"{name} answers with {response.status}, which its row does not have.")
    if response.body in (None, b"", "") or response.status in _WITHOUT_BODY:
        return
    if route.answers and isinstance(response.body, (dict, list)):
        found = [schemas.check(answer, response.body) for answer in route.answers]
        if all(found):
            raise TypeError(f"{name} answers amiss: {found[0][0]}")
        return
    kind = response.content_type.partition(";")[0].strip()
    kinds = (*route.produces, JSON) if route.answers or not route.produces else route.produces
    if kind not in kinds:
        raise TypeError(f"{name} answers with {kind}, which its row does not have.")
