"""The events of executions, made ready for the ledger; pure.

What the daemon does is told with ``auto``; what a supervisor wrote down comes with its own number.
The same thing told twice has the same identity, so it is stored once, whoever tells it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

import orjson

from jexevents.lifecycle import command
from jexevents.lifecycle.executionid import number, shortest
from jexevents.model import Event, JobKey, Kind

# The format of requests that come with an Idempotency-Key; their identity is one over the job's
# name, whichever execution they made.
REQUEST = "overseer.request"

# What the event that makes an execution calls what it is of.
_OF = {Kind.COMMAND: "definition", Kind.CONTAINER: "task"}

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def now() -> datetime:
    """Give the time as events have it."""
    return datetime.now(timezone.utc)


class Named(NamedTuple):
    """An execution: its id in microseconds, and the job's definition or the task that it is of.

    ``detail`` is the name of a container's run, ``result/number``; empty for a command.
    """

    execution: int
    definition: str
    detail: str = ""

    @property
    def kind(self) -> Kind:
        """Whether a command or a container is run."""
        return Kind.CONTAINER if self.detail else Kind.COMMAND

    @property
    def text(self) -> str:
        """What names it among those of its kind."""
        return self.detail or shortest(self.execution)

    @property
    def key(self) -> JobKey:
        """What names it in the ledger."""
        parts = {"execution": self.execution, "definition": self.definition}
        return JobKey(self.kind, self.text, self.definition, parts)


class Ordered(NamedTuple):
    """What somebody asked for that becomes an event of the daemon's: in which word, and under which
    identity, so that the same request is known again; None for none."""

    word: str
    identity: bytes | None = None

    def made(self, event: Event) -> Event:
        """Give the event that it becomes, under its identity."""
        return event if self.identity is None else event._replace(checksum=self.identity)


NOBODY = Ordered("")


def requested(
    named: Named, at: datetime, data: Mapping[str, Any], idempotency_key: str | None = None
) -> Event:
    """Give the event that makes an execution; ``data`` is what it was asked for with."""
    told = {_OF[named.kind]: named.definition, "execution": number(named.execution), **data}
    event = _daemons(command.REQUESTED, named, at, 1, 0, told, secrets.token_hex(16))
    return event if idempotency_key is None else keyed(event, idempotency_key)


def keyed(event: Event, idempotency_key: str) -> Event:
    """Give an event of a request as one that the same request makes once."""
    identity = identity_of_request(event.source, idempotency_key, event.name)
    return event._replace(checksum=identity, format=REQUEST)


def identity_of_request(
    definition: str, idempotency_key: str, name: str = command.REQUESTED
) -> bytes:
    """Give the identity of an event that a request with this key makes of a job."""
    return _identity("request", definition, name, idempotency_key)


def claimed(named: Named, at: datetime, attempt: int, node: str, claim: int) -> Event:
    """Give the event of a node that takes an execution."""
    told = {"node": node, "claim": claim}
    return _daemons(command.CLAIMED, named, at, attempt, 0, told, f"{node} {claim}")


def cancelled(
    named: Named,
    at: datetime,
    attempt: int,
    cause: str,
    by: str = "",
    ordered: Ordered = NOBODY,
) -> Event:
    """Give the event of an execution that is never begun."""
    return _ending(command.CANCEL, named, at, attempt, 0, ordered, cause=cause, by=by)


def lost(
    named: Named,
    at: datetime,
    attempt: int,
    sequence: int,
    reason: str,
    by: str = "",
    ordered: Ordered = NOBODY,
) -> Event:
    """Give the event of an attempt that is given up; ``sequence`` is the last number known."""
    return _ending(command.LOSE, named, at, attempt, sequence, ordered, reason=reason, by=by)


def retried(named: Named, at: datetime, attempt: int, reason: str, delay_seconds: float) -> Event:
    """Give the event that opens the next attempt, whose number is ``attempt``."""
    told = {"reason": reason, "delay_seconds": delay_seconds}
    return _daemons(command.RETRIED, named, at, attempt, 0, told)


def began(named: Named, at: datetime, node: str) -> Event:
    """Give the event ``start`` of a job that has nothing to run."""
    return _daemons(command.START, named, at, 1, 1, {"node": node})


def completed(named: Named, at: datetime) -> Event:
    """Give the end of a job that has nothing to run."""
    return _daemons(command.COMPLETES, named, at, 1, 2, {})


def failed(named: Named, at: datetime, attempt: int, cause: str) -> Event:
    """Give the end of an attempt that could not be started."""
    told = {"reason": "start failed", "cause": cause}
    return _daemons(command.FAILS, named, at, attempt, 1, told)


def of_person(
    named: Named, at: datetime, attempt: int, sequence: int, name: str, cause: str, by: str
) -> Event:
    """Give an event that somebody creates while no supervisor is there to number it."""
    told = {"attempt": attempt, "sequence": sequence, **_given(cause=cause, by=by)}
    return _event(name, named, at, told, secrets.token_bytes(32))


def identity_of_person(named: Named, idempotency_key: str) -> bytes:
    """Give the identity of the event that a request with this key makes of an execution."""
    return _identity("person", shortest(named.execution), idempotency_key)


def of_supervisor(
    named: Named,
    attempt: int,
    event: Mapping[str, Any],
    node: str,
    end: Mapping[str, Any],
    by: str = "",
) -> Event:
    """Give an event as the supervisor of an attempt wrote it.

    ``end`` is its last state, for the event that ends the attempt; ``by`` is who had it sent.
    """
    at = datetime.fromtimestamp(event["time"] / 1_000_000, timezone.utc)
    told: dict[str, Any] = {"attempt": attempt, "sequence": event["seq"]}
    told |= _given(cause=event["cause"], by=by or event["by"])
    if event["auto"]:
        told["auto"] = True
        if event["name"] == command.START:
            told["node"] = node
        else:
            told |= _end(end)
    elif event["by"] != "job" and event["name"] in command.SIGNALS:
        told["signal"] = event["name"]
    identity = _identity("supervisor", shortest(named.execution), attempt, event["seq"])
    return _event(event["name"], named, at, told, identity)


def _end(state: Mapping[str, Any]) -> dict[str, Any]:
    told = {
        "reason": state.get("reason"),
        "exit_code": state.get("exit_code"),
        "exit_signal": state.get("signal"),
        "run_seconds": state.get("run_seconds"),
        "left_behind": state.get("left_behind") or None,
        "output": state.get("output"),
    }
    return {name: value for name, value in told.items() if value is not None}


def _given(**texts: str) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}


def _ending(
    name: str,
    named: Named,
    at: datetime,
    attempt: int,
    sequence: int,
    ordered: Ordered,
    **texts: str,
) -> Event:
    told = _given(**texts, asked=ordered.word)
    return ordered.made(_daemons(name, named, at, attempt, sequence, told))


def _daemons(
    name: str,
    named: Named,
    at: datetime,
    attempt: int,
    sequence: int,
    told: Mapping[str, Any],
    which: str = "",
) -> Event:
    data = {"auto": True, "attempt": attempt, "sequence": sequence, **told}
    identity = _identity("daemon", shortest(named.execution), attempt, name, which)
    return _event(name, named, at, data, identity)


def _event(
    name: str, named: Named, at: datetime, data: Mapping[str, Any], identity: bytes
) -> Event:
    data = {member: _storable(value) for member, value in data.items()}
    return Event(
        kind=named.kind,
        job=named.key,
        source=named.definition,
        name=_storable(name),
        occurred_at=at,
        received_at=now(),
        data=data,
        raw=orjson.dumps(data),
        checksum=identity,
    )


def _storable(value: Any) -> Any:
    """Give a text as the ledger can hold it: a job says what it likes, in bytes of any kind."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    return value


def _identity(*parts: Any) -> bytes:
    return hashlib.sha256(json.dumps(["overseer", *parts]).encode()).digest()
