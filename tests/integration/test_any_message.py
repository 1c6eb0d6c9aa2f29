"""Ten thousand messages that nobody thought of, thrown at the real consumer."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jexevents.model import Arrival, Outcome
from tests.ledger import TestLedger, message, submitted
from tests.mutations import messages, variants
from tests.pipeline import Pipeline, Sent, running

MESSAGES, DRAWN, VARIANTS = 10_000, 20, 5
CHUNK = DRAWN * VARIANTS
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

Handled = Sequence[tuple[Arrival, Outcome]]


class Thrower:
    """Sends chunks with good messages among them, and looks what became of each message."""

    def __init__(self, pipeline: Pipeline, ledger: TestLedger) -> None:
        self._pipeline = pipeline
        self._ledger = ledger
        self._good = 0
        self._seen: Counter[Outcome] = Counter()
        self._digests: Counter[bytes] = Counter()
        self.sent = 0

    def throw(self, chunk: list[Sent]) -> None:
        """Send a chunk; assert that each message is an event, a duplicate or a reject."""
        good = [self._next_good() for _ in range(3)]
        mixed = [good[0], *chunk[: CHUNK // 2], good[1], *chunk[CHUNK // 2 :], good[2]]
        handled = self._pipeline.send(*mixed)
        assert [arrival.body for arrival, _ in handled] == [sent.body for sent in mixed]
        self._count(handled)
        self.sent += len(chunk)
        for number, sent in zip((0, CHUNK // 2 + 1, len(mixed) - 1), good, strict=True):
            assert handled[number][1] is Outcome.ACCEPTED, sent.body
        assert self._stored(good) == len(good)
        assert self._ledger.count("events") == self._seen[Outcome.ACCEPTED]
        assert self._rejects_of(handled) == {
            digest: self._digests[digest] for digest in _digests(handled)
        }
        assert self._ledger.count("rejects where reason = 'internal'") == 0

    def _next_good(self) -> Sent:
        self._good += 1
        return Sent(message(submitted(job=f"{10_000 + self._good}.000.000"), Source="good"))

    def _count(self, handled: Handled) -> None:
        self._seen.update(outcome for _, outcome in handled)
        self._digests.update(_digests(handled).elements())

    def _stored(self, good: Sequence[Sent]) -> int:
        first = 10_000 + self._good - len(good)
        keys = ", ".join(f"'good#{first + number}'" for number in range(1, len(good) + 1))
        return self._ledger.count(
            f"events join jobs on jobs.id = events.job_id where key in ({keys})"
        )

    def _rejects_of(self, handled: Handled) -> dict[bytes, int]:
        """Give how often the ledger says that each of these bodies was rejected."""
        with self._ledger.database.transaction() as connection, connection.cursor() as cursor:
            cursor.execute(
                "select sha256, sum(times)::bigint from rejects where sha256 = any(%s::bytea[])"
                " group by 1",
                (list(_digests(handled)),),
            )
            return {bytes(digest): times for digest, times in cursor.fetchall()}


def _digests(handled: Handled) -> Counter[bytes]:
    return Counter(
        hashlib.sha256(arrival.body).digest()
        for arrival, outcome in handled
        if outcome is Outcome.REJECTED
    )


def test_every_message_is_an_event_a_duplicate_or_a_reject(vhost: str, ledger: TestLedger) -> None:
    with running(vhost, ledger, batch_size=40, prefetch_count=45) as pipeline:
        thrower = Thrower(pipeline, ledger)

        # Not shrunk: what a chunk does depends on all that were sent before it.
        @settings(
            max_examples=MESSAGES // CHUNK,
            deadline=None,
            suppress_health_check=_SLOW,
            phases=[Phase.generate],
            database=None,
        )
        @given(
            drawn=st.lists(messages, min_size=DRAWN, max_size=DRAWN),
            seed=st.integers(0, 2**32 - 1),
        )
        def throw(drawn: list[Sent], seed: int) -> None:
            thrower.throw([one for sent in drawn for one in variants(sent, seed, VARIANTS)])

        throw()
        assert thrower.sent >= MESSAGES
        seen = Counter(outcome for _, outcome in pipeline.handled)
        asked = set(Outcome) - {Outcome.FORBIDDEN}
        assert min(seen[outcome] for outcome in asked) > 250, seen
