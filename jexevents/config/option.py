"""What an option is: one row of the table in ``options.py``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jexevents.config import types
from jexevents.redaction import MASK

PREFIX = "JEXEVENTS_"

_WORDS = re.compile(r"AMQP|HTTP|SMRT|SMTP|JEX|CA|DB|URI|URL|[A-Z][a-z0-9]*")

# These leave out by themselves what is secret.
_SHOW_THEMSELVES = (
    types.AMQP_URI,
    types.CLIENTS,
    types.DB_URI,
    types.EVENT_URL,
    types.HTTP_URL,
    types.HOOKS,
    types.REPOSITORY_URL,
    types.SMTP_URI,
)


@dataclass(frozen=True, slots=True)
class Derived:
    """A default that is computed: ``text`` says from what, ``compute`` takes all values."""

    text: str
    compute: Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Option:
    """One key of the configuration.

    ``default`` is a JSON value that ``type`` reads, or Derived. A ``secret`` one may hold a
    password: its value is never in a message, and it may come from a file (``..._FILE``).
    One without ``effect`` is accepted and checked, and changes nothing. ``variable`` is another
    environment variable that gives it, with the name that a seed has for it.
    """

    name: str
    type: types.OptionType
    default: Any
    help: str
    group: str = ""
    secret: bool = False
    effect: bool = True
    example: Any = None
    variable: str = ""

    @property
    def attribute(self) -> str:
        """The name of the attribute of Config: ``HTTPListenPort`` is ``http_listen_port``."""
        return "_".join(_WORDS.findall(self.name)).lower()

    @property
    def env_name(self) -> str:
        """The environment variable; underscores within are allowed and mean nothing."""
        return PREFIX + self.name.upper()

    def show(self, value: Any) -> Any:
        """Give a value as JSON for dumps: URIs and objects without secrets, others not at all."""
        shown = self.type.show(value)
        shows_itself = self.type in _SHOW_THEMSELVES
        return MASK if self.secret and value and not shows_itself else shown
