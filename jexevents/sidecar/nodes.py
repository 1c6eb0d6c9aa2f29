"""Routes for other nodes, which sign their requests (jexevents/peers.py)."""

from __future__ import annotations

from jexevents.peers import HEADER, Peers
from jexevents.sidecar.problems import Problem
from jexevents.sidecar.requests import Request


def require_node(peers: Peers, request: Request) -> None:
    """Raise Problem (401) where a request is not signed by a node that shares our secret."""
    if not peers.admits(request.headers.get(HEADER, ""), "GET", request.path):
        challenge = {"WWW-Authenticate": 'Node realm="jexevents"'}
        detail = "This is for nodes that share our NodeSecret, with clocks that agree."
        raise Problem(401, detail, headers=challenge)
