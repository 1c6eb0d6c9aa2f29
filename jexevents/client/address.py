"""Where the event server is: the URL that is given, or the one that the configuration tells."""

from __future__ import annotations

from urllib.parse import urlsplit

from jexevents.errors import JexError

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


class NoAddress(JexError):
    """It is not known where the event server is."""


def checked(url: str) -> str:
    """Give a URL without a slash at its end. Raises NoAddress where it is none of a server."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise NoAddress(f"{url!r} is no URL: {exc}.") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise NoAddress(f"{url!r} is no URL of a server.", remedy="Give http:// or https://HOST.")
    if parts.username is not None or parts.query or parts.fragment:
        remedy = "Give scheme, host, port and path alone; a token by JEXEVENTS_TOKEN."
        raise NoAddress("The URL has a user, a query or a fragment.", remedy=remedy)
    return url.rstrip("/")


def of_configuration(public_url: str | None, host: str | None, port: int) -> str:
    """Give the URL of the server that is configured: the public one, or where it listens.

    Raises NoAddress where it listens at any port that is free.
    """
    if public_url:
        return checked(public_url)
    if port == 0:
        raise NoAddress("The configuration does not say at which port.", remedy="Give --url.")
    host = _EVERYWHERE.get(host or "", host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
