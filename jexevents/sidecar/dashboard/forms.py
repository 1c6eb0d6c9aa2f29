"""Forms of the dashboard's pages, as browsers send them; only those of our own pages are taken."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from jexevents.faults import shown
from jexevents.model import Fault
from jexevents.sidecar.problems import Problem, forbidden, malformed
from jexevents.sidecar.requests import Request

# The fields that every form has: the session's word, and what tells a form sent twice.
WORD, KEY = "word", "key"
FORM_BYTES = 1 << 16
# Of forms that take values: of those at most 128 KiB, each byte of which is three in a form.
LONG_FORM_BYTES = 1 << 19
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 500
_KEY = re.compile("[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in: all texts of each field, without ``word`` and ``key``.

    ``key`` is another one for each form that was shown: sent twice, it is the same request.
    ``word`` is that of the session, which is looked at already.
    """

    fields: Mapping[str, Sequence[str]]
    key: str | None = None
    word: str = ""

    def get(self, name: str, default: str = "") -> str:
        """Give the last text of a field, without space around it."""
        texts = self.fields.get(name)
        return texts[-1].strip() if texts else default


def form_of(request: Request, *, is_open: bool = False) -> Form:
    """Read the form that a request sends.

    Who is signed in must send the word of his session with it, which only our pages have; who came
    by a token needs none, for no browser sends that by itself. Others are let in where the form
    ``is_open``. Raises Problem (400, 403, 413, 415).
    """
    claimed = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if claimed != _FORM:
        fault = Fault("Content-Type", _FORM, shown(claimed))
        raise Problem(415, "The body is no form of a page.", [fault])
    fields = _fields(request.body())
    words, keys = fields.pop(WORD, [""]), fields.pop(KEY, [])
    caller = request.caller
    if caller.session is not None:
        if not hmac.compare_digest(caller.session.encode(), words[-1].encode()):
            raise forbidden("This form is not of your session. Open its page anew, and try again.")
    elif "authorization" not in request.headers and not is_open:
        raise forbidden("Sign in to do this.")
    key = keys[-1] if keys and _KEY.fullmatch(keys[-1]) else None
    return Form(fields, key, words[-1])


def _fields(body: bytes) -> dict[str, list[str]]:
    read: dict[str, list[str]] = {}
    parts = [part for part in body.split(b"&") if part]
    if len(parts) > _MOST_FIELDS:
        raise malformed(
            "The form has too many fields.", "", f"{_MOST_FIELDS} fields at most", str(len(parts))
        )
    for part in parts:
        name, _, value = part.partition(b"=")
        read.setdefault(_decoded(name), []).append(_decoded(value))
    return read


def _decoded(piece: bytes) -> str:
    try:
        text = unquote_to_bytes(piece.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed("The form is not UTF-8.", "", "UTF-8", "other bytes") from error
    if "\x00" in text:
        raise malformed("The form has a NUL character.", "", "none", "NUL")
    return text.replace("\r\n", "\n")
