"""Jobs that hooks start: what of an event becomes a job's values, and how long a chain may be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from jexevents.errors import Invalid
from jexevents.executions.requests import BY_HOOK, Asked, Requests
from jexevents.lifecycle.executionid import shortest
from jexevents.model import Kind

# How many hooks may lead to an execution, one behind the other. A job whose hook starts it again
# would run for ever.
MOST_DEPTH = 10

# What the event says of itself; ``data`` is an object.
WORDS = ("event", "source", "kind", "job", "job_id", "state", "phase", "occurred_at", "data")


def values_of(event: Mapping[str, Any], declared: Collection[str]) -> dict[str, Any]:
    """Give the values that an event has for variables of these names, as JSON values.

    A variable has the member of the event's data that is called so, else that of its ``message``,
    where SMRT Link says what an event is about, else the event's own word (see ``WORDS``). What is
    null, or not there, is not given.
    """
    data = _members(event.get("data"))
    own = {name: event[name] for name in WORDS if name in event}
    known = {**own, **_members(data.get("message")), **data}
    found = {name: known.get(name) for name in declared}
    return {name: value for name, value in found.items() if value is not None}


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class Chain:
    """Starts jobs for hooks. It is what the webhooks take as ``run_job``.

    ``depth_of`` gives how many hooks led to an execution, by its job's id.
    """

    def __init__(self, requests: Requests, depth_of: Callable[[str], int]) -> None:
        self._requests = requests
        self._depth_of = depth_of

    def __call__(self, name: str, event: Mapping[str, Any], *, key: str, by: str) -> str:
        """Start a job with what an event says; give the id of its execution.

        With the same ``key`` it is started once. ``by`` says who asks. Raises as
        ``Requests.request``, and Invalid where the chain is too long.
        """
        depth = 1 + self._depth_before(event)
        if depth > MOST_DEPTH:
            raise Invalid(
                f"{MOST_DEPTH} hooks led to this event, one behind the other; the next is not "
                "followed.",
                remedy=f"See whether the hooks of {name} lead back to it.",
            )
        _, definition = self._requests.definition(name)
        values = values_of(event, [variable.name for variable in definition.variables])
        asked = Asked(name, values, by=by, key=key, trigger=BY_HOOK, depth=depth)
        (made,) = self._requests.request([asked])
        return shortest(made.execution)

    def _depth_before(self, event: Mapping[str, Any]) -> int:
        is_execution = event.get("kind") == Kind.COMMAND.value and event.get("job_id")
        return self._depth_of(event["job_id"]) if is_execution else 0
