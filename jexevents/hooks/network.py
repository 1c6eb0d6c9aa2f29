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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jexevents.errors import JexError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What the system takes for itself: to connect to "any address" is to connect to this machine.
_ANY = (ipaddress.IPv4Address("0.0.0.0"), ipaddress.IPv6Address("::"))
_LOOPBACK = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))
# Addresses of IPv6 that end with one of IPv4: translated by a NAT64 (RFC 6052), "compatible" (RFC
# 4291, 2.5.5.1) and translated without one (RFC 2765, 2.1).
_ENDING = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96")))
# A NAT64 of one's own (RFC 8215) has the address of IPv4 behind a prefix of any of these lengths,
# around the bits 64 to 71, which are zero (RFC 6052, 2.2).
_OWN_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_OWN_PREFIXES = (48, 56, 64, 96)
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


def is_forbidden(text: str, forbidden: Sequence[Network]) -> bool:
    """Tell whether an address, as a socket names it, is in one of the networks.

    An address of IPv6 that stands for one of IPv4 is looked for as both, and "any address" as what
    it is taken for: this machine.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return any(one in network for one in _meant(address) for network in forbidden)


def _meant(address: Address) -> Iterator[Address]:
    yield address
    if address in _ANY or getattr(address, "ipv4_mapped", None) in _ANY:
        yield from _LOOPBACK
    if address.version == 6:
        yield from filter(None, (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())))
        if any(address in network for network in _ENDING):
            yield _last_four(int(address))
        if address in _OWN_NAT64:
            yield from map(_last_four, _own_nat64(int(address)))


def _own_nat64(number: int) -> Iterator[int]:
    """Give an address shifted so that it ends where the one of IPv4 does, for each prefix."""
    without_zeros = (number >> 64 << 56) | (number & (1 << 56) - 1)
    for prefix in _OWN_PREFIXES:
        yield number if prefix == 96 else without_zeros >> 120 - prefix - 32


def _last_four(number: int) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(number & 0xFFFFFFFF)


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
