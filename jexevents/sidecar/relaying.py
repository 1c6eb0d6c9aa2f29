"""Answers of other nodes, handed on."""

from __future__ import annotations

import json
from collections.abc import Iterator

from jexevents.errors import Unavailable
from jexevents.logs import get_logger
from jexevents.peers import Peers, PeerUnavailable, Relayed
from jexevents.sidecar.problems import Problem
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.streams import HEAD, Cut, Stream

# What is handed on of a request, and of an answer.
_ASKED = ("Accept", "Range", "If-Range", "Last-Event-ID")
_TOLD = (
    "Accept-Ranges",
    "Content-Length",
    "Content-Range",
    "ETag",
    "X-Jexevents-Attempt",
    "X-Jexevents-Gaps",
    "X-Jexevents-Offset",
    "X-Jexevents-Size",
)
# What the node says of the request, and not of itself.
_PASSED_ON = (400, 404, 410, 416)
_MOST_PROBLEM_BYTES = 1 << 16
log = get_logger("sidecar")


def relayed(
    request: Request,
    peers: Peers,
    node: str,
    url: str | None,
    path: str,
    query: str,
    small_bytes: int,
) -> Response:
    """Ask another node what was asked here; gives its answer as it comes.

    An answer of more than ``small_bytes``, or of unknown length, takes a place among the long ones.
    Raises Problem for what it says of the request, PeerUnavailable where it cannot be had.
    """
    asked = {name: request.headers[name] for name in _ASKED if name in request.headers}
    answer = peers.relay(node, url, path, query, asked, request.method)
    try:
        return _response(request, answer, node, small_bytes)
    except BaseException:
        answer.close()
        raise


def _response(request: Request, answer: Relayed, node: str, small_bytes: int) -> Response:
    if answer.status >= 300:
        raise _problem(answer, node)
    headers = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
    content_type = answer.headers.get("Content-Type", "application/octet-stream")
    if request.method == "HEAD" or answer.status == 204:
        answer.close()
        return Response(answer.status, b"", headers, content_type)
    if answer.length is not None and answer.length <= small_bytes:
        return Response(answer.status, b"".join(answer.pieces()), headers, content_type)
    request.place.take()
    body = Stream(_body(request, answer, node), answer.close)
    return Response(answer.status, body, headers, content_type)


def _body(request: Request, answer: Relayed, node: str) -> Iterator[bytes]:
    yield HEAD
    try:
        for piece in answer.pieces():
            if request.unwanted():
                raise Cut
            yield piece or HEAD
    except PeerUnavailable as error:
        log.warning("peer_ended_early", node=node, path=request.path, reason=str(error))
        raise Cut from error


def _problem(answer: Relayed, node: str) -> Exception:
    try:
        read = b"".join(answer.pieces())[:_MOST_PROBLEM_BYTES]
        detail = str(json.loads(read)["detail"])
    except (ValueError, KeyError, TypeError, Unavailable):
        detail = "it says no more"
    if answer.status not in _PASSED_ON:
        return PeerUnavailable(
            f"The output lies on the node {node!r}, which answers {answer.status}: {detail}"
        )
    kept = {name: answer.headers[name] for name in ("Content-Range",) if name in answer.headers}
    return Problem(answer.status, detail, headers=kept)
