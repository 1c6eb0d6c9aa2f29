"""What may be asked of a supervisor, and its answers."""

from __future__ import annotations

import sys

from jexevents.runner.supervisor.jsontext import dumps
from jexevents.runner.supervisor.layout import (
    CAUSE_CHARACTERS,
    EVENTS_OF_A_JOB,
    LINE_BYTES,
    NAME_CHARACTERS,
    REFUSED_NAMES,
)

SIGNALS = ("stop", "continue", "terminate", "kill")
_EVENT_MEMBERS = {"event", "cause", "key"}
_SIGNAL_MEMBERS = {"signal", "cause", "key"}
_MOST_NUMBER = 1 << 53


class Unanswerable(Exception):
    """What was asked cannot be done. ``fault`` says it to programs: invalid, ended, no-room."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Handover(dict):
    """The members of an answer behind which the connection is another's: ``take(connection)`` gets
    it."""

    def __init__(self, take: object) -> None:
        super().__init__()
        self.take = take


def answerer(handle: object) -> object:
    """Give a function that takes a line (None for one that is too long) and gives the answer, and
    who takes the connection then, or None; by ``handle(request) -> members of the answer``, which
    may raise Unanswerable."""

    def answer(line: bytes | None) -> tuple[str, object]:
        try:
            members = handle(_read(line))
        except Unanswerable as no:
            return _refusal(no.fault, str(no)), None
        except Exception as error:  # noqa: BLE001 - whatever is asked, the job must not end by it
            sys.excepthook(type(error), error, error.__traceback__)
            return _refusal("invalid", f"This cannot be answered: {error!r}."), None
        return dumps({"ok": True, **members}), getattr(members, "take", None)

    return answer


def _refusal(fault: str, words: str) -> str:
    return dumps({"ok": False, "fault": fault, "error": words})


def check_event(request: dict) -> tuple[str, str, str]:
    """Give name, cause and key of an event that is asked for; raises Unanswerable."""
    _check_members(request, _EVENT_MEMBERS)
    name = _text(request, "event")
    if not 0 < len(name) <= NAME_CHARACTERS or "/" in name or not name.isprintable():
        raise Unanswerable(
            "invalid",
            f"The name of an event has 1 to {NAME_CHARACTERS} characters that print, and no slash.",
        )
    if name.strip() != name or name in REFUSED_NAMES:
        raise Unanswerable("invalid", f"An event cannot be named {name!r}; choose another name.")
    return name, _cause(request), _text(request, "key")


def check_signal(request: dict) -> tuple[str, str, str]:
    """Give name, cause and key of a signal that is asked for; raises Unanswerable."""
    _check_members(request, _SIGNAL_MEMBERS)
    name = _text(request, "signal")
    if name not in SIGNALS:
        raise Unanswerable("invalid", f"There is no signal {name!r}, only {', '.join(SIGNALS)}.")
    return name, _cause(request), _text(request, "key")


def check_watch(request: dict) -> int:
    """Give the number behind which events are asked for; raises Unanswerable."""
    _check_members(request, {"watch"})
    after = request["watch"]
    if not isinstance(after, int) or isinstance(after, bool) or not 0 <= after <= _MOST_NUMBER:
        raise Unanswerable("invalid", "The member 'watch' is the number of an event, 0 for all.")
    return after


def check_count(of_job: int) -> None:
    """Refuse a job's event when it has sent too many; raises Unanswerable."""
    if of_job >= EVENTS_OF_A_JOB:
        raise Unanswerable("no-room", f"A job may send {EVENTS_OF_A_JOB} events; it has.")


def _read(line: bytes | None) -> dict:
    import json  # only now: see quick.py

    if line is None:
        raise Unanswerable("invalid", f"A request has at most {LINE_BYTES} bytes.")
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise Unanswerable("invalid", "A request is a JSON object in one line.") from exc
    if not isinstance(request, dict):
        raise Unanswerable("invalid", "A request is a JSON object in one line.")
    return request


def _check_members(request: dict, known: set[str]) -> None:
    for name in request:
        if name not in known:
            raise Unanswerable(
                "invalid", f"A request like this has no member {name!r}, only {sorted(known)}."
            )


def _cause(request: dict) -> str:
    cause = _text(request, "cause")
    if len(cause) > CAUSE_CHARACTERS:
        raise Unanswerable("invalid", f"A cause has at most {CAUSE_CHARACTERS} characters.")
    return cause


def _text(request: dict, name: str) -> str:
    value = request.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unanswerable("invalid", f"The member {name!r} is a text.")
    try:
        # A byte that is not UTF-8 may come so as Python has it, as half of a pair; no other half.
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as exc:
        raise Unanswerable("invalid", f"The member {name!r} has a lone surrogate in it.") from exc
    return value
