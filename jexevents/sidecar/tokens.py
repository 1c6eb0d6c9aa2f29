"""The tokens that the database knows, kept at hand so that a request rarely has to ask it."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from threading import Lock

from jexevents.errors import Unavailable
from jexevents.model import Credential

CACHE_SECONDS = 30.0
ASK_AGAIN_SECONDS = 1.0
WAIT_SECONDS = 5.0
# How often it is asked at once, so that a token works the moment that it is made.
BURST = 5


class Tokens:
    """A cache over ``load``, which gives all credentials or raises Unavailable.

    The set is asked for again after ``cache_seconds``, at once after ``reread``, and for a token
    that it does not hold; the latter once in ``ask_again_seconds`` in the long run, ``BURST`` times
    at once after a rest, so that guessing cannot hammer the database. While the database cannot be
    asked, the last known set stands for what it knows. One thread asks at a time; the others go on
    with what there is.
    """

    def __init__(
        self,
        load: Callable[[], Sequence[Credential]],
        *,
        cache_seconds: float = CACHE_SECONDS,
        ask_again_seconds: float = ASK_AGAIN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._cache_seconds = cache_seconds
        self._ask_again_seconds = ask_again_seconds
        self._clock = clock
        self._lock = Lock()
        self._known: tuple[Credential, ...] | None = None
        self._failure: Unavailable | None = None
        self._asked = 0
        self._stale_at = self._may_ask_at = self._paid_until = float("-inf")
        self._reread = False

    def find(self, token: str) -> Credential | None:
        """Give the credential of a token, expired or not; None where there is surely none.

        Raises Unavailable where the token is unknown and the database could not be asked.
        """
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = _match(self._current(), digest)
        if found is None:
            self._ask_if_due()
            found = _match(self._current(), digest)
        if found is None and self._failure is not None:
            raise Unavailable("The token is not known here, and the database cannot be asked.")
        return found

    def any_exist(self) -> bool:
        """Tell whether the database holds any token, expired ones included.

        Raises Unavailable where that was never known. An expired token counts: its running out
        must not open what needed it.
        """
        return bool(self._current())

    def reread(self) -> None:
        """Have the set asked for at the next request; safe in a signal handler."""
        self._reread = True

    def _current(self) -> tuple[Credential, ...]:
        if self._known is None:
            self._ask_if_due()
        elif self._reread or self._clock() >= self._stale_at:
            self._ask(wait_seconds=0)
        if self._known is None:
            raise Unavailable("The tokens are not known: the database cannot be asked.")
        return self._known

    def _ask_if_due(self) -> None:
        if self._reread or self._clock() >= self._may_ask_at:
            self._ask(wait_seconds=WAIT_SECONDS)

    def _ask(self, wait_seconds: float) -> None:
        seen = self._asked
        if not self._lock.acquire(timeout=wait_seconds):
            return
        try:
            if self._asked == seen:  # else another thread has just done it
                self._reload()
        finally:
            self._lock.release()

    def _reload(self) -> None:
        began = self._clock()
        self._reread = False
        try:
            self._known, self._failure = tuple(self._load()), None
        except Unavailable as exc:
            self._failure = exc
        now = self._clock()
        # A database that takes long to fail is asked as seldom again.
        pause = max(self._ask_again_seconds, now - began if self._failure else 0)
        self._paid_until = max(self._paid_until, now) + pause
        rest = 0 if self._failure else (BURST - 1) * self._ask_again_seconds
        self._may_ask_at = self._paid_until - rest
        self._stale_at = now + (pause if self._failure else self._cache_seconds)
        self._asked += 1


def _match(known: Sequence[Credential], digest: bytes) -> Credential | None:
    """Compare with every credential, so that the time says nothing of which one is near."""
    found = None
    for credential in known:
        if hmac.compare_digest(credential.sha256, digest):
            found = credential
    return found
