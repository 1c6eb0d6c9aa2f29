"""RabbitMQ's management API, as far as virtual hosts go."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from jexevents.errors import BrokerUnavailable

TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Management:
    """The API at ``base`` (http://host:port), used as ``user``."""

    base: str
    user: str
    password: str

    def works(self) -> bool:
        """Say whether the API answers and lets this user make virtual hosts."""
        try:
            tags = json.loads(self._call("GET", "whoami")).get("tags", [])
        except (BrokerUnavailable, ValueError, AttributeError):
            return False
        names = tags.split(",") if isinstance(tags, str) else tags
        return "administrator" in names

    def create_vhost(self, name: str) -> None:
        """Make a virtual host in which this user may do all."""
        self._call("PUT", f"vhosts/{quote(name, safe='')}", {})
        path = f"permissions/{quote(name, safe='')}/{quote(self.user, safe='')}"
        self._call("PUT", path, {"configure": ".*", "write": ".*", "read": ".*"})

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host with all in it; none of that name is as good."""
        self._call("DELETE", f"vhosts/{quote(name, safe='')}", none_is_well=True)

    def _call(self, method: str, path: str, body: dict | None = None, none_is_well=False) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        secret = b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}
        url = f"{self.base}/api/{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        # The broker is near: a proxy named in the environment is not meant for it.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.read()
        except urllib.error.HTTPError as exc:
            if exc.code == 404 and none_is_well:
                return b""
            said = exc.read(500).decode(errors="replace")
            raise BrokerUnavailable(f"{method} {url}: {exc.code} {said}") from exc
        except OSError as exc:
            raise BrokerUnavailable(f"{method} {url}: {exc}") from exc


def management_of(uri: str, port: int = 15672) -> Management:
    """Give the API that goes with an AMQP URI, where it is by custom."""
    parts = urlsplit(uri)
    user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
    host = parts.hostname or "localhost"
    return Management(f"http://{f'[{host}]' if ':' in host else host}:{port}", user, password)


def vhost_uri(uri: str, name: str) -> str:
    """Give ``uri`` with another virtual host."""
    return urlsplit(uri)._replace(path="/" + quote(name, safe="")).geturl()
