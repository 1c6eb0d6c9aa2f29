"""Where a request comes from and under which name: addresses, hosts, origins. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from jexevents.errors import ConfigError
from jexevents.faults import shown

UNKNOWN = "unknown"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# A proxy adds at least one of these; a request that has one did not start at its peer.
PROXY_HEADERS = frozenset(
    (
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
    )
)
_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_WILDCARDS = frozenset({"", "*", "0.0.0.0", "::"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._~-]+))(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Client:
    """Who sent a request: ``address`` as text or ``unknown``; ``local`` if surely this machine."""

    address: str
    local: bool


@dataclass(frozen=True, slots=True)
class Authority:
    """A host and port: name in lower case without a final dot, port None where not given."""

    name: str
    port: int | None = None


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read addresses and networks (``TrustedProxies``). Raises ConfigError."""
    try:
        return tuple(ip_network(text.strip(), strict=False) for text in texts)
    except ValueError as exc:
        raise ConfigError(
            f"TrustedProxies: {exc}.", remedy="Write addresses or networks such as 10.0.0.0/8."
        ) from exc


def client_of(peer: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> Client:
    """Tell who sent a request that ``peer`` delivered.

    A trusted proxy speaks for its client: the rightmost address in X-Forwarded-For that is not
    itself a trusted proxy. A proxy that names none, or nothing readable, leaves the client
    unknown. From any other peer those headers prove nothing, except that the request may not
    have started there: it is then not local. ``headers`` has lower-case names.
    """
    address = _address(peer)
    if address is None:
        return Client(UNKNOWN, False)
    if _within(address, trusted):
        return _forwarded(headers.get("x-forwarded-for", ""), trusted)
    proxied = not PROXY_HEADERS.isdisjoint(headers)
    return Client(str(address), address.is_loopback and not proxied)


def _forwarded(text: str, trusted: Sequence[Network]) -> Client:
    address: Address | None = None
    for entry in reversed(text.split(",")):
        address = _address(_without_port(entry.strip()))
        if address is None or not _within(address, trusted):
            break
    if address is None:
        return Client(UNKNOWN, False)
    return Client(str(address), address.is_loopback)


def _within(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


@lru_cache(1024)
def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _without_port(entry: str) -> str:
    """Some proxies write 192.0.2.1:4711 or [2001:db8::1]:4711."""
    match = _HOST.fullmatch(entry)
    return (match.group(1) or match.group(2)) if match else entry


def authority(text: str) -> Authority | None:
    """Read a Host header or the authority of a URL; None where it is neither."""
    match = _HOST.fullmatch(text.strip())
    if match is None:
        return None
    name = (match.group(1) or match.group(2)).lower().rstrip(".")
    return Authority(name, int(match.group(3))) if match.group(3) else Authority(name)


def is_loopback_name(name: str) -> bool:
    """Tell whether a host name or address means this machine to every resolver (RFC 6761)."""
    address = _address(name)
    if address is not None:
        return address.is_loopback
    return name in _LOOPBACK_NAMES or name.endswith(".localhost")


def is_wildcard(host: str) -> bool:
    """Tell whether binding to ``host`` means every address."""
    return host in _WILDCARDS


class KnownHosts:
    """The names under which this server may be asked without credentials.

    Other names are refused: a browser that was told a foreign name resolves to this machine
    (DNS rebinding) sends that name. ``bound`` are the addresses bound to; where one is a
    wildcard every literal address is known, since no name had to be resolved for it. ``allowed``
    are the configured names, with a port or for any; ``public_url`` is where users reach us.
    Ports matter to origins only.
    """

    def __init__(
        self, bound: Iterable[str] = (), allowed: Iterable[str] = (), public_url: str = ""
    ) -> None:
        bound = tuple(bound)
        self._literals = any(is_wildcard(host) for host in bound)
        self._allowed = [_configured(text) for text in allowed]
        self._public = origin_of(public_url) if public_url else None
        self._names = {host.lower() for host in bound} | {entry.name for entry in self._allowed}
        if self._public:
            self._names.add(self._public[1].name)

    def knows(self, host: str) -> bool:
        """Tell whether a Host header names this server. No header at all does: browsers send it."""
        if not host:
            return True
        asked = authority(host)
        if asked is None:
            return False
        literal = self._literals and _address(asked.name) is not None
        return literal or asked.name in self._names or is_loopback_name(asked.name)

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Tell whether an Origin header names this server, which was asked under ``host``."""
        sender = origin_of(origin)
        if sender is None:
            return False
        scheme, place = sender
        asked = authority(host)
        if asked is not None and _ported(asked, scheme) == place:
            return True
        return sender == self._public or any(
            entry in (place, Authority(place.name)) for entry in self._allowed
        )


def origin_of(url: str) -> tuple[str, Authority] | None:
    """Give scheme and authority of a URL, its port always given; None where it has none."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    place = authority(parts.netloc)
    if parts.scheme not in _DEFAULT_PORTS or place is None:
        return None
    return parts.scheme, _ported(place, parts.scheme)


def _ported(place: Authority, scheme: str) -> Authority:
    return place if place.port is not None else Authority(place.name, _DEFAULT_PORTS[scheme])


def _configured(text: str) -> Authority:
    place = authority(text)
    if place is None:
        raise ConfigError(
            f"AllowedHosts: {shown(text)} is no host name.",
            remedy="Write names such as jex.example.org or jex.example.org:8080.",
        )
    return place
