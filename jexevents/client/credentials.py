"""What requests are sent with: a token, the signature of SMRT Link's clients, or nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from jexevents import smrthmac
from jexevents.errors import JexError

_VISIBLE = re.compile("[\x21-\x7e]{1,4096}")
_UID = re.compile("[\x21-\x7e]{1,255}")


class NoCredential(JexError):
    """What was given cannot be sent as a credential."""


class Credential(Protocol):
    """Gives the headers that a request needs; they may be others at each attempt."""

    def headers(self, method: str, path: str) -> dict[str, str]:
        """Give the headers of a request that is sent now."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No credential, for servers that are open to callers from here."""

    def headers(self, _method: str, _path: str) -> dict[str, str]:
        """Give none."""
        return {}


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token. Raises NoCredential where it cannot be one."""

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _VISIBLE.fullmatch(self.secret):
            raise NoCredential("The token is empty, or has other than visible ASCII characters.")

    def headers(self, _method: str, _path: str) -> dict[str, str]:
        """Give the token."""
        return {"Authorization": f"Bearer {self.secret}"}


@dataclass(frozen=True, slots=True)
class Signature:
    """Signs as SMRT Link's clients do. Raises NoCredential for a name that no header takes."""

    uid: str
    secret: str = field(repr=False)
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if not _UID.fullmatch(self.uid):
            raise NoCredential("The UID is empty, or has other than visible ASCII characters.")
        if not self.secret:
            raise NoCredential("The secret is empty.")

    def headers(self, method: str, path: str) -> dict[str, str]:
        """Sign the request; a signature is good for 100 to 200 seconds."""
        value = smrthmac.header(self.uid, self.secret, method, path, self.now())
        return {smrthmac.HEADER: value}
