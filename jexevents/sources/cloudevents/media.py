"""What a media type says of the body that it stands for (RFC 9110, section 8.3)."""

from __future__ import annotations

import re
from typing import NamedTuple

_CHARSET = re.compile(r""";\s*charset\s*=\s*("?)([^\s;"]*)\1\s*(?:;|$)""", re.IGNORECASE)
_UTF_8 = ("", "utf-8", "utf8", "us-ascii", "ascii")
FORM = "application/x-www-form-urlencoded"


class Media(NamedTuple):
    """A media type in lower case without its parameters, "" for none, and the charset of it."""

    name: str
    charset: str = ""

    @property
    def is_utf_8(self) -> bool:
        """Whether text of it is UTF-8, as it is where nothing else is said."""
        return self.charset in _UTF_8

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON: ``json`` or ``...+json`` of whatever kind."""
        subtype = self.name.partition("/")[2]
        return subtype == "json" or subtype.endswith("+json")

    @property
    def is_text(self) -> bool:
        """Whether the body is some other text."""
        kind, _, subtype = self.name.partition("/")
        return kind == "text" or subtype == "xml" or subtype.endswith("+xml") or self.name == FORM


def media_of(text: str) -> Media:
    """Read a Content-Type; what is none is a name that fits nothing."""
    name = text.partition(";")[0].strip().lower()
    found = _CHARSET.search(text)
    return Media(name, found[2].lower() if found else "")
