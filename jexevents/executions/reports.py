"""What a node tells of an attempt, and what that means for its execution; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jexevents.executions import events
from jexevents.executions.events import Named
from jexevents.lifecycle import command
from jexevents.model import Event


@dataclass(slots=True)
class Report:
    """What is told of an attempt: events of its supervisor, how much it wrote, whether it is over.

    ``end`` is the supervisor's last state, where it ended; ``lost`` says why nothing more will be
    heard, where it did not. ``failure`` says why it could not be started. ``senders`` are the
    credentials of those who had events sent, by the key of the event.
    """

    job_id: str
    named: Named
    attempt: int
    events: Sequence[Mapping[str, Any]] = ()
    senders: Mapping[str, str] = field(default_factory=dict)
    end: Mapping[str, Any] | None = None
    lost: str | None = None
    failure: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing more will be told."""
        return self.end is not None or self.lost is not None or self.failure is not None

    @property
    def sequence(self) -> int:
        """The highest number of the attempt's own events in it, 0 without any."""
        return max((event["seq"] for event in self.events), default=0)

    @property
    def ended_with(self) -> str | None:
        """How the attempt ended, in the words that retries are given for: ``fail``, ``time-out``,
        ``lost``; None for an end after which nobody wants another."""
        if self.lost is not None:
            return command.LOSE
        if self.failure is not None:
            return command.FAILS
        if self.end is None or self.end.get("reason") in command.ON_REQUEST:
            return None
        names = [event["name"] for event in self.events if event["auto"]]
        return names[-1] if names and names[-1] in (command.FAILS, command.TIMES_OUT) else None

    @property
    def why(self) -> str:
        """Why it ended so, in words."""
        if self.end is None:
            return self.lost or self.failure or ""
        if self.end.get("cause"):
            return str(self.end["cause"])
        if self.end.get("signal") is not None:
            return f"Ended by signal {self.end['signal']}."
        return f"Ended with exit status {self.end.get('exit_code')}."

    @property
    def sizes(self) -> tuple[int | None, int | None, int | None]:
        """Bytes written to stdout and to stderr, and how many of them were not kept; None for not
        known yet."""
        output = (self.end or {}).get("output")
        if not output:
            return None, None, None
        missing = output.get("dropped", 0) + sum(output.get("lost", {}).values())
        return output.get("stdout"), output.get("stderr"), missing

    def told(self, node: str, known: int) -> list[Event]:
        """Give it as events for the ledger; ``known`` is the last number of the attempt's own."""
        end = self.end or {}
        told = [
            events.of_supervisor(
                self.named, self.attempt, event, node, end, self.senders.get(event.get("key"), "")
            )
            for event in self.events
        ]
        now = events.now()
        if self.failure is not None:
            told.append(events.failed(self.named, now, self.attempt, self.failure))
        if self.lost is not None:
            told.append(events.lost(self.named, now, self.attempt, known, self.lost))
        return told
