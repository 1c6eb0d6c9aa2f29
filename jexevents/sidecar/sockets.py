"""Listening sockets: bound before anything runs, with errors that say what to do."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from jexevents.errors import ConfigError
from jexevents.sidecar.bind import Binding

_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def open_sockets(binding: Binding) -> list[socket.socket]:
    """Bind and listen on the hosts of a binding; all on one port, also where it asks for 0.

    The first must succeed; of the others those may be missing whose address family or address
    this machine has not (IPv6, often). Raises ConfigError saying what to do.
    """
    opened: list[socket.socket] = []
    port = binding.port
    try:
        for family, address in _addresses(binding):
            one = _open(family, (address[0], port, *address[2:]), required=not opened)
            if one is not None:
                opened.append(one)
                port = opened[0].getsockname()[1]
    except (OSError, UnicodeError) as exc:  # the latter for names that are none
        for one in opened:
            one.close()
        raise _unusable(binding, exc) from exc
    return opened


def _addresses(binding: Binding) -> Iterator[tuple[socket.AddressFamily, tuple]]:
    for host in binding.hosts:
        found = socket.getaddrinfo(host, binding.port, type=socket.SOCK_STREAM)
        yield from dict.fromkeys((info[0], info[4]) for info in found)


def _open(family: socket.AddressFamily, address: tuple, *, required: bool) -> socket.socket | None:
    one: socket.socket | None = None
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen()
    except OSError as exc:
        if one is not None:
            one.close()
        if required or exc.errno not in _NO_SUCH_FAMILY:
            raise
        return None
    return one


_OPTION = "HTTPListenPort (of a worker or a monitor: --listen)"
_REMEDIES = {
    errno.EADDRINUSE: f"Another program has it: stop that one, or change {_OPTION}.",
    errno.EACCES: f"Ports below 1024 need privileges: choose a higher one for {_OPTION}.",
    errno.EADDRNOTAVAIL: f"This machine has no such address: correct {_OPTION}.",
}


def _unusable(binding: Binding, exc: OSError | UnicodeError) -> ConfigError:
    where = f"{binding.hosts[0]}:{binding.port}"
    remedy = _REMEDIES.get(getattr(exc, "errno", None), f"Correct {_OPTION}.")
    why = getattr(exc, "strerror", None) or str(exc)
    return ConfigError(f"HTTPListenPort: {where} cannot be bound: {why}.", remedy=remedy)
