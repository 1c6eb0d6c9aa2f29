"""What executions, commands and containers alike, wrote, as it is or as it comes, whichever node
has it (seeds overseer and stevedore)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from urllib.parse import urlencode

from jexevents.errors import JexError
from jexevents.executions.outputs import Outputs
from jexevents.lifecycle.executionid import attempt_id, microseconds
from jexevents.model import Role
from jexevents.peers import FRAMES, Peers, framed
from jexevents.rfc3339 import format_utc
from jexevents.sidecar.nodes import require_node
from jexevents.sidecar.outputanswers import SMALL_BYTES, Answer, live_form, live_head
from jexevents.sidecar.outputasked import (
    LAST_EVENT_ID,
    PARAMETERS,
    STREAMS,
    Wish,
    follows,
    wish_of,
)
from jexevents.sidecar.outputforms import CONTENT_TYPES, Form, skipped
from jexevents.sidecar.outputwaiting import Pause, Watch, require_wanted
from jexevents.sidecar.parameters import is_number
from jexevents.sidecar.problems import Problem, not_found
from jexevents.sidecar.ranges import RANGE, asked_range
from jexevents.sidecar.relaying import relayed
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.streams import HEAD, Cut, Stream
from jexevents.store.execution_outputs import ExecutionOutputs, OutputPlace
from jexevents.validation import is_uuid

_NODE_PATH = "/nodes/executions"
_JOBS, _DETAILS = "/jobs/<job>/<execution>", "/result/<result_id>/detail/<detail_id>"
_SUMMARIES = {
    "stdout": "What an execution wrote to its standard output.",
    "stderr": "What an execution wrote to its standard error.",
    "output": "What an execution wrote to both, in the order in which it came.",
}


@dataclass(frozen=True, slots=True)
class OutputSurface:
    """The surface. ``outputs`` are those of this node, which has the name ``node``; the store says
    which node has which."""

    store: ExecutionOutputs
    outputs: Outputs
    peers: Peers
    node: str
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def routes(self) -> list[Route]:
        """Give the table of the surface; before that of ``/jobs/<job>/<execution>/<event>``."""
        return [
            *(self._route(_JOBS, which, self.show) for which in STREAMS),
            *(self._route(_DETAILS, which, self.show_detail) for which in STREAMS),
            self.node_route(),
        ]

    def _route(self, path: str, which: str, handler: Callable[[Request], Response]) -> Route:
        return Route(
            method="GET",
            path=f"{path}/{which}",
            role=Role.READ,
            handler=handler,
            statuses=(200, 204, 206, 404, 410, 416),
            query=PARAMETERS,
            headers=(RANGE, LAST_EVENT_ID),
            produces=CONTENT_TYPES,
            streams=follows,
            sessions=True,
            summary=_SUMMARIES[which],
        )

    def node_route(self) -> Route:
        """Give the route by which other nodes ask for what lies here."""
        return Route(
            method="GET",
            path=f"{_NODE_PATH}/<uuid>/<which>",
            role=None,
            any_host=True,
            handler=self.for_node,
            statuses=(200, 204, 206, 401, 404, 410, 416, 503),
            query=PARAMETERS,
            headers=(RANGE, LAST_EVENT_ID),
            produces=CONTENT_TYPES,
            node=True,
            streams=follows,
            summary="The output of an execution that ran here, for another node.",
        )

    def show(self, request: Request) -> Response:
        """Give the output of an execution, from this node or from the one that has it."""
        wish = wish_of(request)
        name, asked = request.parameters["job"], request.parameters["execution"]
        execution = microseconds(asked)
        place = None if execution is None else self.store.find(name, execution, wish.attempt)
        if place is None:
            raise not_found(f"The job {name[:80]!r} has no execution {asked[:80]!r}.")
        return self._of_any_node(request, wish, place)

    def show_detail(self, request: Request) -> Response:
        """Give the output of a single run of a result, as ``show`` does."""
        wish = wish_of(request)
        asked = [request.parameters[name] for name in ("result_id", "detail_id")]
        place = None
        if all(map(is_number, asked)):
            place = self.store.find_detail(*map(int, asked), wish.attempt)
        if place is None:
            raise not_found(f"There is no detail {asked[1][:80]!r} of a result {asked[0][:80]!r}.")
        return self._of_any_node(request, wish, place)

    def for_node(self, request: Request) -> Response:
        """Give the output of an attempt that this node began to another node."""
        require_node(self.peers, request)
        wish = wish_of(request)
        job_id = request.parameters["uuid"]
        if wish.which not in STREAMS or not is_uuid(job_id):
            raise not_found(f"There is nothing at {request.path[:200]}.")
        place = self.store.of_attempt(job_id.lower(), wish.attempt or 1)
        if place is None or place.node != self.node:
            raise not_found("This attempt was not begun on this node.")
        _require_kept(place)
        response = self._of_this_node(request, wish, place)
        if not wish.follows or isinstance(response.body, bytes) or response.body is None:
            return response
        body = Stream(chain([HEAD], framed(response.body)), response.body.close)
        headers = {**response.headers, FRAMES: "1"}
        return Response(response.status, body, headers, response.content_type)

    def _of_any_node(self, request: Request, wish: Wish, place: OutputPlace) -> Response:
        _require_kept(place)
        if place.node not in (None, self.node):
            return self._of_other_node(request, wish, place)
        if place.node is None and wish.follows and not place.is_past:
            return self._to_come(request, wish, place)
        return self._of_this_node(request, wish, place)

    def _of_other_node(self, request: Request, wish: Wish, place: OutputPlace) -> Response:
        path = f"{_NODE_PATH}/{place.job_id}/{wish.which}"
        query = urlencode({**request.query, "attempt": place.attempt})
        return relayed(request, self.peers, place.node, place.url, path, query, SMALL_BYTES)

    def _of_this_node(self, request: Request, wish: Wish, place: OutputPlace) -> Response:
        output = self.outputs.of(attempt_id(place.job_id, place.attempt))
        if place.node is not None and place.settled_at is not None and not output.is_there():
            raise not_found(f"The output is gone from the node {place.node!r}.")
        return Answer(self._watch(), request, wish, place, output).response()

    def _to_come(self, request: Request, wish: Wish, place: OutputPlace) -> Response:
        """Answer before the attempt has begun, wherever it will."""
        asked = asked_range(request.headers, "") if wish.takes_range else None
        start = wish.from_offset or (asked.first if asked and asked.first else 0)
        form = live_form(self._watch(), request, wish, place, start, skipped)
        status, headers = live_head(wish, place, asked, start, ())
        body = self._when_begun(request, wish, place, form)
        return Response(status, Stream(body, body.close), headers, form.content_type)

    def _when_begun(
        self, request: Request, wish: Wish, place: OutputPlace, form: Form
    ) -> Iterator[bytes]:
        yield form.head
        pause = Pause(self.sleep)
        while place.node is None and not place.is_past:
            require_wanted(request)
            yield form.quiet() or HEAD
            pause.wait()
            place = self._watch().look(place)
        if place.node is None:
            yield form.finish() or HEAD
            return
        try:
            response = self._of_any_node(request, wish, place)
        except JexError as error:
            raise Cut from error
        if isinstance(response.body, bytes) or response.body is None:
            yield response.body or HEAD
            return
        with closing(response.body) as body:
            yield from body

    def _watch(self) -> Watch:
        return Watch(self.store, self.sleep, self.clock)


def _require_kept(place: OutputPlace) -> None:
    if place.attempt > place.current:
        raise not_found(f"This execution has no attempt {place.attempt}.")
    if place.removed_at is not None:
        when = format_utc(place.removed_at)
        raise Problem(410, f"The output of attempt {place.attempt} was removed at {when}.")
