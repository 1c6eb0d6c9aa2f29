"""The outbox of webhooks: what is due is claimed for a time, sent by others, and finished here.

Of one hook and job the deliveries go in the order of their numbers: one may be claimed only if no
earlier pending one waits for another try or is in somebody's hands. Those that this holds back are
parked as they are met, so that a dead receiver's thousands are not looked through again and again;
what goes before them being finished, the next ones are taken out. The first pending one of a job
is never parked. Who claims, finishes, gives back, gives up or enables does so alone for that hook,
by a lock that the ingest never asks for. What was over and is sent again stands outside of that
order. All times are those of the database's clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from jexevents.errors import Conflict
from jexevents.model import Event
from jexevents.store import audit
from jexevents.store.database import Connection, Database
from jexevents.store.literals import array, columns
from jexevents.store.queries import QUERIES

Row = Mapping[str, Any]

# The states of a delivery.
PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"
STATES = (PENDING, DELIVERED, DEAD)

# What is kept of an answer, and of what went wrong.
ANSWER_BYTES = 1024
_ERROR_CHARACTERS = 1000

# How many due deliveries a claim looks at, at least; how many if all of those had to wait for
# others; and how often, before it comes with empty hands.
_LOOK, _LOOK_ON = 20, 1000
_LOOKS = 20

# A claim ends behind the event with which there are so many bytes of them: one at least.
_CLAIM_BYTES = 4 << 20

# How many deliveries of a job are looked at again when what went before them is finished.
_AHEAD = 100

_GIVEN_UP_AT_ONCE = 1000
_RENEWED_AT_ONCE = 500


class Standing(NamedTuple):
    """How a job stood at some time: its kind's own word, and the phase."""

    state: str
    phase: str


class Interest(Protocol):
    """What the ledger asks about each event that is new to it; called by several threads."""

    def concerns(self, event: Event, may_change: bool) -> bool:
        """Whether any hook may want an event, by its source, kind and name.

        ``may_change`` says whether the event may have changed its job.
        """

    def wanted(self, event: Event, before: Standing | None, after: Any) -> Sequence[str]:
        """Give the names of the hooks that want an event.

        ``before`` is how its job stood before it, None for a job that is new. ``after`` is the
        state after it, the lifecycle's own value; None for an event of no job.
        """


class DeliveredEvent(NamedTuple):
    """What the ledger holds of an event that is to be delivered; ``kind`` is None for no job's.

    ``is_identified`` says that its checksum is an identity over its source; without that it is one
    of its job alone.
    """

    seq: int
    source: str
    kind: str | None
    name: str
    occurred_at: datetime
    occurred_offset: str | None
    received_at: datetime
    data: Mapping[str, Any]
    checksum: bytes
    is_identified: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one hook, claimed.

    ``job`` is the job as it stood after the event, as ``batch`` wrote it: id, kind, key, source,
    state, phase, submitter, submitted_at, started_at, finished_at, exit_code, reason, and, where
    jobs of the kind have them, held and invocation_id, or attempt and status; instants are RFC
    3339. None for an event of no job. Of an execution the source is its definition, the key its
    id. ``event`` is None where it was pruned. ``message_id`` (a UUID) stays the same over all
    tries. ``tried_seconds`` is how long ago the first try began, None where this is the first.
    ``redelivered`` is one that was over, and is sent again.

    ``claimed_by`` and ``claimed_until`` make out the claim. ``ends_at`` is when it ends at the
    earliest, on this process's monotonic clock: nothing may be under way by then.
    """

    id: int
    hook: str
    message_id: str
    seq: int
    job_id: str | None
    job: Mapping[str, Any] | None
    event: DeliveredEvent | None
    created_at: datetime
    tried_first_at: datetime | None
    tried_seconds: float | None
    attempts: int
    claimed_by: str
    claimed_until: datetime
    ends_at: float
    redelivered: bool = False

    @property
    def line(self) -> str | None:
        """The job in whose order it goes; None for one that waits for no other."""
        return None if self.redelivered else self.job_id


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one try: ``state`` is DELIVERED, DEAD, or PENDING for a later one.

    ``retry_in_seconds`` counts from when it is noted. ``status`` is that of the answer, ``answer``
    its beginning, ``error`` what went wrong in words, ``seconds`` how long the try took.
    """

    delivery: Delivery
    state: str
    retry_in_seconds: float = 0.0
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Count:
    """How a hook stands: its deliveries by state, and whether its receiver refused any more.

    ``url`` is where a hook of definitions leads, None for one that is configured. It may be secret.
    """

    hook: str
    pending: int
    delivered: int
    dead: int
    oldest_pending_at: datetime | None
    disabled_at: datetime | None
    reason: str | None
    url: str | None = field(default=None, repr=False)


class Outbox:
    """The deliveries of one ledger. Every method raises StoreUnavailable while it is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- for those who send

    def claim(self, hook: str, by: str, limit: int, lease_seconds: float) -> list[Delivery]:
        """Take up to ``limit`` due deliveries of a hook for so long, in the order of sending.

        ``by`` names who takes them. Several of one job come one behind the other; if one fails,
        those behind it have to be released. Of a disabled hook there are none. Nothing may mean
        that all that is due waits for others: ``next_due`` says when to ask again.
        """
        look = max(limit, _LOOK)
        for _ in range(_LOOKS):
            # Mostly there is nothing, and it costs one exchange to see that.
            if not self._is_anything_due(hook):
                break
            if claimed := self._claim(hook, by, limit, lease_seconds, look):
                return claimed
            look = max(limit, _LOOK_ON)
        return []

    def _claim(
        self, hook: str, by: str, limit: int, lease_seconds: float, look: int
    ) -> list[Delivery]:
        ends_at = time.monotonic() + lease_seconds

        def work(connection: Connection) -> list[Delivery]:
            QUERIES.hooks.lock_hooks(connection, hooks=array([hook]))
            rows = QUERIES.hooks.claim_deliveries(
                connection,
                hook=hook,
                by=by,
                limit=limit,
                look=look,
                lease_seconds=lease_seconds,
                max_bytes=_CLAIM_BYTES,
            )
            return sorted((_delivery(row, ends_at) for row in rows), key=_number)

        return self._database.run(work)

    def _is_anything_due(self, hook: str) -> bool:
        with self._database.look() as connection:
            return QUERIES.hooks.is_anything_due(connection, hook=hook)

    def next_due(self, hook: str) -> float | None:
        """Give in how many seconds (0 for now) to claim again; None if nothing waits.

        What other transactions write meanwhile is not foreseen.
        """
        with self._database.look() as connection:
            seconds = QUERIES.hooks.next_due(connection, hook=hook)
            return None if seconds is None else max(0.0, seconds)

    def finish(self, results: Sequence[Result]) -> set[int]:
        """Note what became of tries; give the numbers of the deliveries it was noted of.

        Of the others the claim had been lost: nothing changes, somebody else sends them.
        """
        if not results:
            return set()
        rows = columns(_RESULT_COLUMNS, [_result_row(result) for result in results])
        hooks = _hooks_of(result.delivery for result in results)

        def work(connection: Connection) -> set[int]:
            QUERIES.hooks.lock_hooks(connection, hooks=hooks)
            noted = {number for (number,) in QUERIES.hooks.finish_deliveries(connection, **rows)}
            done = [r.delivery.id for r in results if r.state != PENDING and r.delivery.line]
            if done:
                QUERIES.hooks.unpark.later(connection, ids=array(done), ahead=_AHEAD)
            return noted

        return self._database.run(work)

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Give claimed deliveries back untried, as far as the claims are not lost."""
        if not deliveries:
            return

        def work(connection: Connection) -> None:
            QUERIES.hooks.lock_hooks(connection, hooks=_hooks_of(deliveries))
            QUERIES.hooks.release_deliveries(connection, **_claims(deliveries))

        self._database.run(work)

    # --- hooks as a whole

    def disable(self, hook: str, reason: str) -> None:
        """Have nothing claimed of a hook any more; its pending deliveries stay, see ``give_up``."""

        def work(connection: Connection) -> None:
            QUERIES.hooks.disable_hook(connection, name=hook, reason=_storable(reason))

        self._database.run(work)

    def enable(self, hook: str, credential: str = audit.COMMAND_LINE) -> bool:
        """Have deliveries of a hook claimed again; False where it was not disabled.

        ``credential`` names who does it, for the audit.
        """

        def work(connection: Connection) -> bool:
            QUERIES.hooks.lock_hooks(connection, hooks=array([hook]))
            enabled = QUERIES.hooks.enable_hook(connection, name=hook) > 0
            if enabled:
                QUERIES.hooks.unpark_first(connection, hook=hook)
                audit.note(connection, "hook.enable", {"hook": hook}, credential)
            return enabled

        return self._database.run(work)

    def is_disabled(self, hook: str) -> bool:
        """Whether a hook was disabled and not enabled since."""
        with self._database.look() as connection:
            return QUERIES.hooks.disabled_hook(connection, name=hook) is not None

    def give_up(self, hook: str, reason: str) -> int:
        """Give up what waits of a disabled hook, save what is being sent just now; give how many.

        Nothing is given up of one that is enabled, nor any more once it is that.
        """
        given_up = 0
        while count := self._database.run(lambda at: _give_up_some(at, hook, reason)):
            given_up += count
        return given_up

    # --- for those who look

    def counts(self) -> list[Count]:
        """Give how each hook stands that has deliveries or is disabled, by its name."""
        with self._database.look() as connection:
            return [Count(*row) for row in QUERIES.hooks.count_deliveries(connection)]

    def pending(self) -> dict[str, int]:
        """Give how many deliveries of each hook wait, where any do."""
        with self._database.look() as connection:
            return dict(QUERIES.hooks.count_pending(connection))

    def find(
        self, hook: str, *, limit: int, before: int | None = None, state: str | None = None
    ) -> list[Row]:
        """A page of a hook's deliveries, the newest first, with numbers below ``before``.

        Each is: id, hook, message_id, seq, kind, source, name, occurred_at, job_id, job,
        created_at, state, attempts, tried_first_at, tried_at, due_at, is_being_sent, finished_at,
        status, error, answer, seconds. Source, name and occurred_at are None of a pruned event.
        """
        states = STATES if state is None else (state,)
        with self._database.look() as connection:
            return QUERIES.hooks.find_deliveries.mappings(
                connection, hook=hook, states=array(states), before=before, limit=limit
            )

    def redeliver(
        self,
        hook: str,
        number: int,
        credential: str = audit.COMMAND_LINE,
        *,
        needs_event: bool = True,
    ) -> bool:
        """Have a delivery sent at once, whatever became of it; False where there is none.

        It keeps its message id, and is tried as long as a new one. One that was over goes outside
        of its job's order from then on. ``credential`` names who asks, for the audit. Raises
        Conflict where it is being sent just now, or its event was pruned and is needed, or the hook
        is refused by its receiver.
        """

        def work(connection: Connection) -> bool:
            QUERIES.hooks.lock_hooks(connection, hooks=array([hook]))
            _require_enabled(connection, hook)
            row = QUERIES.hooks.lock_delivery(connection, hook=hook, id=number)
            if row is None:
                return False
            _require_free(*row, needs_event=needs_event)
            QUERIES.hooks.renew_tries(connection, ids=array([number]))
            detail = {"hook": hook, "delivery": number, "was": row[0]}
            audit.note(connection, "hook.redeliver", detail, credential)
            return True

        return self._database.run(work)

    def redeliver_dead(
        self, hook: str, credential: str = audit.COMMAND_LINE, *, needs_event: bool = True
    ) -> int:
        """Have all dead deliveries of a hook sent at once; give how many.

        Where ``needs_event``, those only whose events are there still. Raises Conflict where the
        hook is refused by its receiver.
        """
        renewed = after = 0
        while ids := self._redeliver_some(hook, after, needs_event):
            renewed, after = renewed + len(ids), ids[-1]
        if renewed:
            detail = {"hook": hook, "was": DEAD, "deliveries": renewed}
            self._database.run(lambda connection: _note_redelivery(connection, detail, credential))
        return renewed

    def _redeliver_some(self, hook: str, after: int, needs_event: bool) -> list[int]:
        def work(connection: Connection) -> list[int]:
            QUERIES.hooks.lock_hooks(connection, hooks=array([hook]))
            _require_enabled(connection, hook)
            rows = QUERIES.hooks.dead_deliveries(
                connection,
                hook=hook,
                after=after,
                limit=_RENEWED_AT_ONCE,
                needs_event=needs_event,
            )
            ids = [number for (number,) in rows]
            QUERIES.hooks.renew_tries(connection, ids=array(ids))
            return ids

        return self._database.run(work)


_RESULT_COLUMNS = (
    "ids",
    "bys",
    "untils",
    "states",
    "retries",
    "statuses",
    "errors",
    "answers",
    "seconds",
)


def _delivery(row: Sequence[Any], ends_at: float) -> Delivery:
    number, hook, message_id, seq, kind, job_id, job, created_at, first_at, tried = row[:10]
    attempts, by, until, source, name, occurred_at, offset, received_at, data = row[10:19]
    checksum, is_identified, redelivered = row[19:]
    event = None
    if name is not None:
        event = DeliveredEvent(
            seq,
            source,
            kind,
            name,
            occurred_at,
            offset,
            received_at,
            data,
            bytes(checksum),
            is_identified,
        )
    return Delivery(
        number,
        hook,
        message_id,
        seq,
        job_id,
        job,
        event,
        created_at,
        first_at,
        tried,
        attempts,
        by,
        until,
        ends_at,
        redelivered,
    )


def _number(delivery: Delivery) -> int:
    return delivery.id


def _hooks_of(deliveries: Iterable[Delivery]) -> str:
    return array({delivery.hook for delivery in deliveries})


def _claims(deliveries: Iterable[Delivery]) -> dict[str, str]:
    return columns(
        ("ids", "bys", "untils"),
        [(one.id, one.claimed_by, one.claimed_until) for one in deliveries],
    )


def _result_row(result: Result) -> tuple[Any, ...]:
    delivery = result.delivery
    return (
        delivery.id,
        delivery.claimed_by,
        delivery.claimed_until,
        result.state,
        float(result.retry_in_seconds),
        result.status,
        None if result.error is None else _storable(result.error)[:_ERROR_CHARACTERS],
        None if result.answer is None else _beginning(_storable(result.answer)),
        float(result.seconds),
    )


def _storable(text: str) -> str:
    """Give a text without what PostgreSQL does not hold: NUL, halves of characters."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _beginning(text: str) -> str:
    return text.encode()[:ANSWER_BYTES].decode("utf-8", "ignore")


def _give_up_some(connection: Connection, hook: str, reason: str) -> int:
    QUERIES.hooks.lock_hooks(connection, hooks=array([hook]))
    rows = QUERIES.hooks.give_up_deliveries(
        connection, hook=hook, error=_storable(reason), limit=_GIVEN_UP_AT_ONCE
    )
    ids = [number for (number,) in rows]
    if ids:
        QUERIES.hooks.unpark(connection, ids=array(ids), ahead=1)
    return len(ids)


def _require_enabled(connection: Connection, hook: str) -> None:
    """Raise Conflict where what is sent again would be given up at once."""
    if QUERIES.hooks.disabled_hook(connection, name=hook) is not None:
        raise Conflict(
            f"The hook {hook} is refused by its receiver, which answered 410.",
            remedy=f"First enable it: jexevents hooks enable {hook}",
        )


def _require_free(state: str, is_being_sent: bool, has_event: bool, *, needs_event: bool) -> None:
    if is_being_sent:
        raise Conflict(
            "The delivery is being sent just now.", remedy="Look at what becomes of it first."
        )
    if needs_event and not has_event:
        raise Conflict(f"The event of this delivery, which is {state}, was pruned.")


def _note_redelivery(connection: Connection, detail: Mapping[str, Any], credential: str) -> None:
    audit.note(connection, "hook.redeliver", detail, credential)
