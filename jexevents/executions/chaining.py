"""Jobs that hooks start: what of an event becomes a job's values, and how long a chain may be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from jexevents.errors import Invalid
from jexevents.model import Kind

# How many hooks may lead to an execution, one behind the other. A job whose hook starts it again
# would run for ever.
MOST_DEPTH = 10

# What the event says of itself; ``data`` is an object.
_WORDS = ("event", "source", "kind", "job", "job_id", "state", "phase", "occurred_at", "data")


class Start(Protocol):
    """Asks for an execution."""

    def __call__(
        self, name: str, values: Mapping[str, Any], *, key: str, by: str, also: Mapping[str, Any]
    ) -> str:
        """Ask for an execution of a definition; give its id.

        ``values`` are JSON values, ``key`` is the idempotency key, ``by`` says who asks. ``also``
        are members for the data of its event ``requested``. Raises UnknownDefinition, Invalid,
        Conflict, StoreUnavailable.
        """


def values_of(event: Mapping[str, Any], declared: Collection[str]) -> dict[str, Any]:
    """Give the values that an event has for variables of these names, as JSON values.

    A variable has the member of the event's data that is called so, else the event's own word (see
    ``_WORDS``). What is null, or not there, is not given.
    """
    data = event.get("data")
    data = data if isinstance(data, Mapping) else {}
    own = {name: event[name] for name in _WORDS if name in event}
    found = {name: data.get(name, own.get(name)) for name in declared}
    return {name: value for name, value in found.items() if value is not None}


class Chain:
    """Starts jobs for hooks. It is what the webhooks take as ``run_job``.

    ``declared`` gives the names of a definition's variables, and raises UnknownDefinition;
    ``depth_of`` how many hooks led to an execution, by its job's id.
    """

    def __init__(
        self,
        declared: Callable[[str], Collection[str]],
        depth_of: Callable[[str], int],
        start: Start,
    ) -> None:
        self._declared = declared
        self._depth_of = depth_of
        self._start = start

    def __call__(self, name: str, event: Mapping[str, Any], *, key: str, by: str) -> str:
        """Start a job with what an event says; give the id of its execution.

        With the same ``key`` it is started once. The event ``requested`` says in its data the
        ``depth``, which is one more than that of the execution whose event this is.
        Raises UnknownDefinition; Invalid where the values are not the job's, or the chain is too
        long; Conflict; StoreUnavailable.
        """
        depth = 1 + self._depth_before(event)
        if depth > MOST_DEPTH:
            raise Invalid(
                f"{MOST_DEPTH} hooks led to this event, one behind the other; the next is not "
                "followed.",
                remedy=f"See whether the hooks of {name} lead back to it.",
            )
        values = values_of(event, self._declared(name))
        return self._start(name, values, key=key, by=by, also={"depth": depth})

    def _depth_before(self, event: Mapping[str, Any]) -> int:
        is_execution = event.get("kind") == Kind.COMMAND.value and event.get("job_id")
        return self._depth_of(event["job_id"]) if is_execution else 0
