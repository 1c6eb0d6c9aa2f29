"""One event in whichever of the three forms it comes."""

from __future__ import annotations

import json
import re
from typing import Any

from jexevents.faults import shown
from jexevents.model import Reason
from jexevents.sources.condor.classad import MAX_DIGITS, from_json
from jexevents.sources.condor.classad_xml import read_xml
from jexevents.sources.condor.defaults import complete
from jexevents.sources.condor.event import CondorEvent
from jexevents.sources.condor.events import event_type, is_of_execute_point
from jexevents.sources.condor.text import parse_text, take_ids
from jexevents.sources.condor.times import read_event_time
from jexevents.sources.condor.unreadable import unreadable

_BLANK = b" \t\r\n"
_TERMINATOR = re.compile(rb"\n\.\.\.\s*\Z")


def parse(raw: bytes) -> CondorEvent:
    """Read one event: the text of a log, an object of a JSON log or a ``<c>`` of an XML log.

    Empty lines may stand before the text; JSON and XML may stand between blanks, and before
    a line of three dots, which some senders put behind every event. An id that these two
    leave out is -1, and what HTCondor's reader assumes for a missing attribute
    (``defaults``) is filled in.

    Raises Malformed, and no other exception, for anything that is not exactly one event.
    """
    first = raw[:1]
    if first in b" \t\r\n":
        raw = raw.lstrip(b"\r\n")
        first = raw.lstrip(_BLANK)[:1]
    if first == b"{":
        return _from_ad(_read_json(_TERMINATOR.sub(b"", raw)), "json")
    if first == b"<":
        text = _TERMINATOR.sub(b"", raw).decode("utf-8", "replace")
        return _from_ad(read_xml(text.replace("\0", "\ufffd")), "xml")
    return parse_text(raw)


def _read_json(raw: bytes) -> dict[str, Any]:
    """Read one JSON object. Raises Malformed."""
    try:
        ad = _DECODER.decode(raw.decode("utf-8", "replace"))
    except json.JSONDecodeError as exc:
        raise unreadable("a JSON object", f"what does not parse: {exc}", _reason(exc)) from exc
    except (ValueError, RecursionError) as exc:
        raise unreadable("a JSON object", f"what does not parse: {exc}") from exc
    return from_json(ad)


def _reason(exc: json.JSONDecodeError) -> Reason:
    """Tell an event that ends too early from one that is wrong before its end."""
    if exc.msg == "Extra data":
        return Reason.SEVERAL_EVENTS
    at_the_end = exc.pos >= len(exc.doc.rstrip()) or exc.msg.startswith("Unterminated")
    return Reason.TRUNCATED_EVENT if at_the_end else Reason.UNREADABLE_EVENT


def _integer(digits: str) -> int | str:
    """Read an integer; one that no ad can hold stays text, for its digits alone take hours."""
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def _constant(name: str) -> str:
    """Write what JSON has no number for as ClassAd text."""
    return f'real("{name.replace("Infinity", "INF")}")'


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_constant)


def _from_ad(ad: dict[str, Any], form: str) -> CondorEvent:
    """Make an event of an ad. Raises Malformed where the ad does not say which or when."""
    number = _take_number(ad)
    time = ad.pop("EventTime", None)
    if type(time) is not str:
        raise unreadable("EventTime as text", shown(time))
    ids = take_ids(ad)
    ad.pop("MyType", None)
    known = event_type(number)
    complete(number, ad)
    if is_of_execute_point(number) or known.my_type == "FutureEvent":
        _complete_unknown(number, ad)
    return CondorEvent(number, known.name, known.my_type, *ids, read_event_time(time), ad, form)


_FUTURE_WITHOUT_HEAD = frozenset((29, 30, 34))


def _complete_unknown(number: int, ad: dict[str, Any]) -> None:
    """Give events of no known kind the header text that they have in the text form."""
    if number not in _FUTURE_WITHOUT_HEAD:
        ad.setdefault("EventHead", "")


def _take_number(ad: dict[str, Any]) -> int:
    """Take the number of the event out of its ad. Raises Malformed."""
    number = ad.pop("EventTypeNumber", None)
    if type(number) is not int or not 0 <= number <= 999:
        raise unreadable("EventTypeNumber from 0 to 999", shown(number))
    return number
