"""The clients of SMRT Link that sign their requests, as the configuration names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jexevents.config.misfit import Misfit
from jexevents.redaction import MASK

EXPECTED = (
    'an object like {"UID": "secret"} or {"UID": {"Secret": "...", "System": "UUID"}}, '
    "each UID without white space and colons"
)

_UID = re.compile(r"[^\s:]{1,255}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_MEMBERS = {"Secret", "System"}


class SigningClient(NamedTuple):
    """One client: its secret, and the one system that it speaks for, None for all."""

    uid: str
    secret: str
    system: str | None = None


def read_clients(value: Any) -> tuple[SigningClient, ...]:
    """Read the clients by their UIDs. Raises Misfit, which has nothing of a secret in it."""
    if not isinstance(value, Mapping):
        raise Misfit(EXPECTED)
    return tuple(_read_client(uid, told) for uid, told in value.items())


def _read_client(uid: str, told: Any) -> SigningClient:
    members = {"Secret": told} if isinstance(told, str) else told
    if not isinstance(members, Mapping) or not members.keys() <= _MEMBERS:
        raise Misfit(EXPECTED)
    secret, system = members.get("Secret"), members.get("System")
    if not _UID.fullmatch(uid) or not isinstance(secret, str) or not secret:
        raise Misfit(EXPECTED)
    if system is None:
        return SigningClient(uid, secret)
    if not isinstance(system, str) or not _UUID.fullmatch(system.lower()):
        raise Misfit(EXPECTED)
    return SigningClient(uid, secret, system.lower())


def show_clients(clients: tuple[SigningClient, ...]) -> dict[str, dict[str, str]]:
    """Give the clients as a dump may show them."""
    return {
        one.uid: {"Secret": MASK} | ({} if one.system is None else {"System": one.system})
        for one in clients
    }
