"""Sockets for what is sent: never to a forbidden address, and never past a deadline.

A time-out of a socket begins anew with each byte, so that a receiver which drips its answer
would hold a thread for hours. Here every call is given what is left of the whole.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from jexevents.errors import JexError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Addresses of IPv6 that stand for one of IPv4 (RFC 6052; 3056 by ``sixtofour``).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_here = threading.local()


class Forbidden(JexError):
    """The address is one that nothing may be sent to."""


class Unreachable(JexError):
    """No connection could be made."""


class OutOfTime(TimeoutError):
    """The deadline has passed."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound all that this thread's sockets do meanwhile to so many seconds in all.

    Of one deadline inside another, the earlier holds.
    """
    outer = getattr(_here, "until", None)
    until = time.monotonic() + seconds
    _here.until = until if outer is None else min(outer, until)
    try:
        yield
    finally:
        _here.until = outer


def remaining() -> float | None:
    """Give the seconds that are left, None where there is no deadline. Raises OutOfTime."""
    until = getattr(_here, "until", None)
    if until is None:
        return None
    left = until - time.monotonic()
    if left <= 0:
        raise OutOfTime("the time is up")
    return left


class _Bounded:
    """What sockets do, each call within what is left."""

    def recv_into(self, *arguments, **more):
        """Receive, as the socket does."""
        self.settimeout(remaining())
        if _QUICKACK is not None:
            # Many receivers write head and body of an answer one by one, and their second waits
            # until we confirm the first, which takes 40 ms if it is not asked for.
            self.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return super().recv_into(*arguments, **more)

    def send(self, *arguments):
        """Send, as the socket does."""
        self.settimeout(remaining())
        return super().send(*arguments)

    def sendall(self, *arguments):
        """Send all, as the socket does."""
        self.settimeout(remaining())
        return super().sendall(*arguments)


class BoundedSocket(_Bounded, socket.socket):
    """A socket whose calls end at the thread's deadline."""


class BoundedTLSSocket(_Bounded, ssl.SSLSocket):
    """The same over TLS."""

    def do_handshake(self, *arguments, **more):
        """Shake hands, as the socket does."""
        self.settimeout(remaining())
        return super().do_handshake(*arguments, **more)


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Give a context that verifies whom it speaks with, by the authorities of a file.

    Raises OSError (ssl.SSLError is one) where the file cannot be used.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.sslsocket_class = BoundedTLSSocket
    return context


def is_forbidden(text: str, forbidden: Iterable[Network]) -> bool:
    """Tell whether an address, as a socket names it, is in one of the networks.

    An address of IPv6 that stands for one of IPv4 is looked for as both.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return any(one in network for one in _meant(address) for network in forbidden)


def _meant(address: Address) -> Iterator[Address]:
    yield address
    if address.version == 4:
        return
    for inner in (address.ipv4_mapped, address.sixtofour):
        if inner is not None:
            yield inner
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def connect(host: str, port: int, forbidden: Sequence[Network] = ()) -> BoundedSocket:
    """Connect to the first address of a host that answers, within the deadline.

    What is looked at is what the name means now, and nothing is asked for it again: a name whose
    meaning changes between a look and the connection gets nowhere. Raises Forbidden where any of
    its addresses is forbidden, Unreachable, OutOfTime.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host} is not known: {_reason(error)}.") from error
    for *_, place in found:
        if is_forbidden(place[0], forbidden):
            told = host if host.strip("[]") == place[0] else f"{host} is {place[0]}, and that"
            raise Forbidden(f"{told} is in HookForbiddenNetworks; nothing was sent.")
    return _first(host, port, found)


def _first(host: str, port: int, found: Sequence[tuple]) -> BoundedSocket:
    fault: OSError | None = None
    for number, (family, kind, protocol, _, place) in enumerate(found):
        made = BoundedSocket(family, kind, protocol)
        try:
            left = remaining()
            # One that swallows all must leave time for the others.
            made.settimeout(None if left is None else left / (len(found) - number))
            made.connect(place)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        except OSError as error:
            made.close()
            fault = error
    if isinstance(fault, TimeoutError):
        raise OutOfTime("no connection in time") from fault
    raise Unreachable(f"{host}:{port} cannot be reached: {_reason(fault)}.") from fault


def _reason(error: BaseException | None) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
