"""The one way into the ledger, for both doors: read, check, store; one outcome a message.

A message that cannot be accepted goes into the rejects with every reason, in the transaction
that stores its neighbours. Where PostgreSQL refuses what one event of a batch holds, or the fold
fails on it, the batch is stored one by one, so that only the culprit is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from jexevents.errors import Conflict, Invalid, Malformed, Unacceptable, Unavailable
from jexevents.logs import get_logger
from jexevents.model import Arrival, Event, Fault, Outcome, Reason, Reject
from jexevents.observers import FAILED, NOBODY, REFUSED, IngestObserver
from jexevents.sources import jex
from jexevents.sources.doors import Doors, UnknownDoor
from jexevents.store.ledger import Applied, Ledger
from jexevents.store.reading import Reading

log = get_logger("ingest")

# Reading and storing takes up to thirty times a message's own size in memory, and past some
# 100 MB PostgreSQL takes it for no statement at all: it would be tried for ever.
MAX_MESSAGE_BYTES = 4 << 20

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
        self._observer = observer

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
            return self._store(batch[0].arrival.origin, [message.content for message in batch])
        except Unavailable:
            raise
        except Invalid as error:
            self._observer.batch_failed(REFUSED)
            log.warning("batch_refused", reason=str(error), messages=len(batch))
        except Exception as error:
            self._observer.batch_failed(FAILED)
            log.error("batch_failed", messages=len(batch), exc_info=error)
        return [self._store_alone(*message) for message in batch]

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
        self._observer.stored(_DOOR, [event], [applied.outcome])
        changed = applied.outcome is Outcome.ACCEPTED
        log.info("job_inserted", job=applied.job_id, changed=changed, seq=applied.seq)
        return Insertion(applied.job_id, applied.job_is_new, changed)

    def _refuse_other_content(self, event: Event, applied: Applied) -> None:
        if self._reading.event_data(applied.seq) != event.data:
            raise Conflict(
                "This Idempotency-Key was used for an insertion with other content.",
                [Fault("", "the content sent first with this key", "other content")],
                remedy="Send a new key with a new insertion.",
            )

    def _store(self, origin: str, read: Sequence[Event | Reject]) -> list[Outcome]:
        events = [one for one in read if isinstance(one, Event)]
        rejects = [one for one in read if isinstance(one, Reject)]
        applied = iter(self._ledger.apply(events, rejects))
        outcomes = [
            next(applied).outcome if isinstance(one, Event) else Outcome.REJECTED for one in read
        ]
        self._observer.stored(origin, read, outcomes)
        return outcomes

    def _store_alone(self, arrival: Arrival, one: Event | Reject) -> Outcome:
        try:
            return self._store(arrival.origin, [one])[0]
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - ``failed`` logs what is no refusal
            return self._store(arrival.origin, [failed(arrival, error)])[0]


def read_all(doors: Doors, arrivals: Sequence[Arrival]) -> list[Event | Reject]:
    """Make an event of each arrival, or say why that cannot be; raises nothing."""
    return [
        one
        for origin, group in groupby(arrivals, attrgetter("origin"))
        for one in _read_alike(doors, origin, list(group))
    ]


def _read_alike(doors: Doors, origin: str, arrivals: Sequence[Arrival]) -> list[Event | Reject]:
    """Read what came by the same door, step by step."""
    try:
        steps = (_of_possible_size, *doors.steps(origin))
    except UnknownDoor as error:
        return [_reject(arrival, _unreadable(arrival, error)) for arrival in arrivals]
    read: list[Any] = list(arrivals)
    for step in steps:
        for index, one in enumerate(read):
            if type(one) is not Reject:
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
    if isinstance(error, Invalid):
        return _reject(arrival, error)
    # A fault of ours costs one message its place, not every message its turn.
    log.error("message_failed", origin=arrival.origin, exc_info=error)
    return _reject(arrival, Unacceptable(f"The ledger failed on it: {error!r}."))


def _of_possible_size(arrival: Arrival) -> Arrival:
    size = len(arrival.body)
    if size > MAX_MESSAGE_BYTES:
        fault = Fault("", f"a message of at most {MAX_MESSAGE_BYTES} bytes", str(size))
        raise Malformed("The message is too long.", [fault], reason=Reason.TOO_LARGE)
    return arrival


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
    return Reject(arrival, faults, error.reason)
