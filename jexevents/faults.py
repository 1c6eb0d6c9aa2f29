"""How a fault is worded: JSON pointers, and shown values that are short and fit to be kept.

What is shown ends up in answers, logs and the ledger's ``rejects``. So it is printable (no
NUL, which PostgreSQL refuses; no lone surrogate, which UTF-8 refuses), at most about
``SHOWN_CHARACTERS`` long however big the document is, and never the value of a member whose
name says that it is secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import islice

from jexevents.redaction import is_secret_name

SHOWN_CHARACTERS = 80

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Beside names that end in a word for a secret: what users put secrets into.
_ALSO_SECRET = ("envvariables",)


def fit(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Cut ``text`` to ``limit`` characters and write out those that cannot be shown or stored."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _UNFIT.sub(lambda found: f"\\u{ord(found.group()):04x}", cut)


def pointer(path: Iterable[str | int]) -> str:
    """Give the JSON pointer (RFC 6901) of a path of member names and array indices.

    A member name longer than ``SHOWN_CHARACTERS`` is cut: it is there to be read.
    """
    return "".join(f"/{_escaped(str(step))}" for step in path)


def shown(value: object, path: Iterable[str | int] = ()) -> str:
    """Say in a few words what a JSON value is; ``***`` where ``path`` names a secret."""
    if any(isinstance(step, str) and names_secret(step) for step in path):
        return f"{kind(value)} (***)"
    if isinstance(value, str):
        return fit(_quoted(value[: SHOWN_CHARACTERS + 1]))
    if isinstance(value, dict):
        names = ", ".join(fit(_quoted(str(name)[:20]), 24) for name in islice(value, 3))
        return fit(f"object with {len(value)} members ({names})") if value else "object, empty"
    if isinstance(value, list):
        return f"array of {len(value)}"
    return fit(_literal(value))


def kind(value: object) -> str:
    """Name the JSON type of a Python value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", dict: "object", list: "array"}.get(type(value), type(value).__name__)


def in_words(error: BaseException) -> str:
    """Say in words what went wrong, one of the system's errors without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def names_secret(name: str) -> bool:
    """Tell whether the value of a member or parameter of this name is kept out of sight."""
    return is_secret_name(name) or name.lower().replace("_", "") in _ALSO_SECRET


def _escaped(step: str) -> str:
    return fit(step).replace("~", "~0").replace("/", "~1")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _literal(value: object) -> str:
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and abs(value) >= 10**SHOWN_CHARACTERS
    ):
        return "a number of more digits than can be shown"
    return json.dumps(value, default=repr)
