"""Which addresses to bind: decided once at start, from the configuration and the tokens. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from jexevents.errors import ConfigError
from jexevents.model import Role
from jexevents.sidecar.clients import is_loopback_name, is_wildcard

EVERYWHERE = ("0.0.0.0", "::")
LOOPBACK = ("127.0.0.1", "::1")

_HOW_TO_OPEN = (
    "Make a token (`jexevents token`) and restart, or open read and write to all with "
    "AnonymousRoles, or bind loopback."
)


@dataclass(frozen=True, slots=True)
class Binding:
    """The hosts to bind, the first one required; ``warning`` is for the log, "" for none."""

    hosts: tuple[str, ...]
    port: int
    warning: str = ""


def decide(
    host: str | None,
    port: int,
    *,
    tokens_exist: bool | None,
    anonymous_roles: Collection[Role] = (),
) -> Binding:
    """Decide what ``HTTPListenPort`` binds.

    ``host`` is None for the form ``:8080``. ``tokens_exist`` is None where the database cannot
    be asked; where the answer would matter, only loopback is bound then. Raises ConfigError for
    an explicit foreign address that nothing protects.
    """
    if host is not None and is_loopback_name(host):
        return Binding((host,), port)
    if tokens_exist or anonymous_roles:
        return Binding(_foreign(host), port)
    if tokens_exist is None:
        return Binding(LOOPBACK, port, _unknown(host, port))
    if host is None:
        return Binding(LOOPBACK, port, _unprotected(port))
    raise ConfigError(
        f"HTTPListenPort: {host}:{port} would be open to others, and there is no token.",
        remedy=_HOW_TO_OPEN,
    )


def _foreign(host: str | None) -> tuple[str, ...]:
    if host is None or host in ("", "*"):
        return EVERYWHERE
    return (host,)


def _unprotected(port: int) -> str:
    return f"There is no token, so port {port} is bound on loopback only. {_HOW_TO_OPEN}"


def _unknown(host: str | None, port: int) -> str:
    where = f"{host or ''}:{port}"
    return (
        f"The database cannot be asked for tokens, so {where} is bound on loopback only. "
        "Restart once it answers."
    )


def bound_names(binding: Binding) -> tuple[str, ...]:
    """Give the names under which a binding is asked for, for KnownHosts; wildcards stay."""
    return tuple("::" if is_wildcard(host) else host for host in binding.hosts)
