"""The one way into the ledger, for both doors: read, check, store; one outcome a message.

A message that cannot be accepted goes into the rejects with every reason, in the transaction
that stores its neighbours. Where PostgreSQL refuses what one event of a batch holds, or the fold
fails on it, the batch is stored one by one, so that only the culprit is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from jexevents.errors import Conflict, Forbidden, Invalid, Unacceptable, Unavailable
from jexevents.logs import get_logger, shows
from jexevents.model import Arrival, Event, Fault, Outcome, Reason, Reject
from jexevents.observers import FAILED, NOBODY, REFUSED, IngestObserver
from jexevents.sources import jex
from jexevents.sources.cloudevents import message as cloudevents
from jexevents.sources.doors import Doors, UnknownDoor
from jexevents.sources.pipelinejobs.secret import redacted
from jexevents.store.ledger import Ledger
from jexevents.store.offers import Applied
from jexevents.store.reading import Reading

log = get_logger("ingest")

# A token where none belongs: in what was meant to be about a PipelineJob and could not be told.
_TOKEN = re.compile(rb'(?<!\\)"token"\s*:')

# What an insertion comes in by; its surface is the one that there is.
_DOOR = "http:jex"


class Message(NamedTuple):
    """An arrival, and what was read of it: an event, or why there is none."""

    arrival: Arrival
    content: Event | Reject


@dataclass(frozen=True, slots=True)
class Insertion:
    """What an insertion of a job did: to which job, whether it is new, whether it changed it."""

    job_id: str
    job_is_new: bool
    changed: bool


class Ingest:
    """Reads arrivals and writes them to the ledger.

    ``doors`` are the readers of arrivals.
    """

    def __init__(
        self,
        ledger: Ledger,
        reading: Reading,
        doors: Doors,
        observer: IngestObserver = NOBODY,
    ) -> None:
        self._ledger = ledger
        self._reading = reading
        self._doors = doors
        self.observer = observer

    def read(self, arrivals: Sequence[Arrival]) -> list[Message]:
        """Read messages, which touches nothing but their text; raises nothing."""
        return list(map(Message, arrivals, read_all(self._doors, arrivals)))

    def handle(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        """Read and ``store`` messages."""
        return self.store(self.read(arrivals))

    def store(self, batch: Sequence[Message]) -> list[Outcome]:
        """Store a batch of messages; give one outcome for each, in their order.

        Raises StoreUnavailable; then the same batch must come again. Nothing of it was stored,
        unless it was being stored one by one: then events that were are duplicates, and
        rejects count one time more.
        """
        if not batch:
            return []
        try:
            return self._store(batch)
        except Unavailable:
            raise
        except Invalid as error:
            self.observer.batch_failed(REFUSED)
            log.warning("batch_refused", reason=str(error), messages=len(batch))
        except Exception as error:
            self.observer.batch_failed(FAILED)
            log.error("batch_failed", messages=len(batch), exc_info=error)
        return [self._store_alone(message) for message in batch]

    def take(self, arrival: Arrival, only_job: str | None = None) -> tuple[Event, Applied]:
        """Read and store one message whose sender waits for the answer.

        ``only_job`` is the key of the one job that the sender's credential is good for.

        Raises Malformed and Invalid for one that is not as it should be, which is kept nowhere;
        Conflict where the state of its job does not allow it, and then it stands in the rejects;
        Forbidden, StoreUnavailable.
        """
        event: Any = arrival
        for step in self._doors.steps(arrival.origin):
            event = step(event)
        if only_job is not None and event.job.key != only_job:
            raise Forbidden
        (applied,) = self._ledger.apply([event])
        self._keep_refused([(Message(arrival, event), applied)])
        self.observer.stored(arrival.origin, [event], [applied.outcome])
        if applied.refusal is not None:
            raise applied.refusal
        return event, applied

    def take_events(self, origin: str, events: Sequence[Event]) -> list[Applied]:
        """Store events of no job, read of one message whose sender waits, in one transaction.

        Raises Invalid where PostgreSQL refuses one of them, and StoreUnavailable; nothing is
        stored then.
        """
        if not events:
            return []
        applied = self._ledger.apply(events)
        self.observer.stored(origin, events, [one.outcome for one in applied])
        return applied

    def insert_job(
        self,
        document: Mapping[str, Any],
        *,
        received_at: datetime,
        raw: bytes,
        source: str = "",
        idempotency_key: str | None = None,
    ) -> Insertion:
        """Store the insertion of a job, given as a document that its schema has accepted.

        Raises Conflict where the Idempotency-Key was used for another insertion of the job.
        """
        event = jex.insertion(
            document,
            received_at=received_at,
            raw=raw,
            source=source,
            idempotency_key=idempotency_key,
        )
        (applied,) = self._ledger.apply([event])
        repeats = applied.outcome is Outcome.DUPLICATE and not applied.job_is_sealed
        if idempotency_key is not None and repeats:
            self._refuse_other_content(event, applied)
        self.observer.stored(_DOOR, [event], [applied.outcome])
        changed = applied.outcome is Outcome.ACCEPTED
        if shows("debug"):
            log.debug("job_inserted", job=applied.job_id, changed=changed, seq=applied.seq)
        return Insertion(applied.job_id, applied.job_is_new, changed)

    def _refuse_other_content(self, event: Event, applied: Applied) -> None:
        if self._reading.event_data(applied.seq) != event.data:
            raise other_content()

    def _store(self, batch: Sequence[Message]) -> list[Outcome]:
        read = [message.content for message in batch]
        events = [one for one in read if isinstance(one, Event)]
        rejects = [one for one in read if isinstance(one, Reject)]
        applied = self._ledger.apply(events, rejects)
        if any(one.refusal is not None for one in applied):
            asked = [message for message in batch if isinstance(message.content, Event)]
            self._keep_refused(list(zip(asked, applied, strict=True)))
        answers = iter(applied)
        outcomes = [
            next(answers).outcome if isinstance(one, Event) else Outcome.REJECTED for one in read
        ]
        self.observer.stored(batch[0].arrival.origin, read, outcomes)
        return outcomes

    def _keep_refused(self, applied: Sequence[tuple[Message, Applied]]) -> None:
        """Keep what was well-formed, and proven, and is not allowed as things stand.

        In a transaction of its own, for rejects are always locked before jobs. Who is killed in
        between has not acknowledged, or answered, and the same comes again.
        """
        rejects = [
            _reject(
                # The event's own text has no secrets any more.
                arrival._replace(body=event.raw, credential=one.credential or arrival.credential),
                one.refusal,
            )
            for (arrival, event), one in applied
            if isinstance(one.refusal, Conflict)
        ]
        if rejects:
            self._ledger.apply([], rejects)
        for (arrival, event), one in applied:
            if isinstance(one.refusal, Forbidden):
                log.warning(
                    "message_forbidden",
                    origin=arrival.origin,
                    detail=str(one.refusal),
                    job=event.job.key,
                    name=event.name,
                    message_id=arrival.properties.get("message_id"),
                )

    def _store_alone(self, message: Message) -> Outcome:
        try:
            return self._store([message])[0]
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - ``failed`` logs what is no refusal
            arrival, content = message
            if isinstance(content, Event) and content.proof is not None:
                arrival = arrival._replace(body=content.raw)  # which has no secrets any more
            reject = failed(arrival, error)
            if isinstance(content, Event) and content.kind is None:
                kept = arrival._replace(body=cloudevents.kept(arrival))
                reject = replace(reject, arrival=kept)
            return self._store([Message(arrival, reject)])[0]


def other_content() -> Conflict:
    """Give the fault of an Idempotency-Key that was used for something else."""
    return Conflict(
        "This Idempotency-Key was used with other content.",
        [Fault("", "the content sent first with this key", "other content")],
        remedy="Send a new key with a new content.",
    )


def read_all(doors: Doors, arrivals: Sequence[Arrival]) -> list[Event | Reject]:
    """Make an event of each arrival, or say why that cannot be; raises nothing."""
    return [
        one
        for origin, group in groupby(arrivals, attrgetter("origin"))
        for one in _read_alike(doors, origin, list(group))
    ]


def _read_alike(doors: Doors, origin: str, arrivals: Sequence[Arrival]) -> list[Event | Reject]:
    """Read what came by the same door, step by step, each till it is an event."""
    try:
        steps = doors.steps(origin)
    except UnknownDoor as error:
        return [_reject(arrival, _unreadable(arrival, error)) for arrival in arrivals]
    read: list[Any] = list(arrivals)
    for step in steps:
        for index, one in enumerate(read):
            if type(one) is not Reject and type(one) is not Event:
                try:
                    read[index] = step(one)
                except Unacceptable as error:
                    read[index] = _reject(arrivals[index], error)
                except Exception as error:  # noqa: BLE001 - ``_unreadable`` logs it
                    read[index] = _reject(arrivals[index], _unreadable(arrivals[index], error))
    return read


def _unreadable(arrival: Arrival, error: Exception) -> Unacceptable:
    log.error("reader_failed", origin=arrival.origin, exc_info=error)
    return Unacceptable(f"The reader failed on it: {error!r}.")


def failed(arrival: Arrival, error: Exception) -> Reject:
    """Give the reject of an arrival that could be read, but not stored even alone."""
    if isinstance(error, Invalid | Conflict):
        return _reject(arrival, error)
    if isinstance(error, Forbidden):
        return _reject(arrival, Unacceptable(str(error), reason=Reason.STATE))
    # A fault of ours costs one message its place, not every message its turn.
    log.error("message_failed", origin=arrival.origin, exc_info=error)
    return _reject(arrival, Unacceptable(f"The ledger failed on it: {error!r}."))


def _reject(arrival: Arrival, error: Unacceptable) -> Reject:
    faults = error.faults or (Fault("", "a message that can be stored", error.message),)
    log.warning(
        "message_rejected",
        origin=arrival.origin,
        reason=error.reason.value,
        detail=error.message,
        faults=[str(fault) for fault in faults[:5]],
        size=len(arrival.body),
    )
    if error.kept is not None:
        arrival = arrival._replace(body=error.kept)
    elif _TOKEN.search(arrival.body):
        arrival = arrival._replace(body=redacted(arrival.body))
    return Reject(arrival, faults, error.reason)
