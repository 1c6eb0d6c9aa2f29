"""What goes on for hours, followed over whatever happens to the connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlencode

from jexevents.backoff import delays
from jexevents.client.poster import Interrupted, Poster
from jexevents.client.replies import AGAIN, Reply, judged, wait_asked_for
from jexevents.client.sse import ServerEvent, events
from jexevents.errors import ServerAway

EVENT_STREAM = "text/event-stream"
END = "end"
_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS = 10.0, 0.5


class Follower:
    """Follows streams of Server-Sent Events of one server.

    A connection that is cut is made again, behind the last event that came, as long as the server
    was away for less than ``patience_seconds``; ``say`` is told of that.
    """

    def __init__(
        self,
        poster: Poster,
        patience_seconds: float,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._poster = poster
        self._patience_seconds = patience_seconds
        self._say = say
        self._clock = clock
        self._wait = wait

    def events(self, path: str, last_id: str = "") -> Iterator[ServerEvent]:
        """Give the events of a path, up to and with the one that is called ``end``.

        Raises Refused, and ServerAway where the server stays away.
        """
        heard_at, pauses = self._clock(), self._pauses()
        while True:
            asked = 0.0
            try:
                for event in self._once(path, last_id):
                    heard_at, pauses = self._clock(), self._pauses()
                    if event is None:
                        continue
                    last_id = event.id or last_id
                    if not event.name:
                        continue
                    yield event
                    if event.name == END:
                        return
                problem = "the stream ended"
            except Interrupted as interrupted:
                problem = str(interrupted)
            except _Later as later:
                problem, asked = str(later), later.seconds
            left = heard_at + self._patience_seconds - self._clock()
            if left <= 0:
                raise ServerAway(f"{problem}; tried for {self._patience_seconds:.0f} s")
            self._say(f"{problem}; trying again for {left:.0f} s")
            self._wait(min(asked + next(pauses), left))

    def _once(self, path: str, last_id: str) -> Iterator[ServerEvent | None]:
        fields = {"Accept": EVENT_STREAM, **({"Last-Event-ID": last_id} if last_id else {})}
        with self._poster.opened(path, fields) as answer:
            if isinstance(answer, Reply):
                yield from _without_stream(answer)
            else:
                yield from events(answer)

    @staticmethod
    def _pauses() -> Iterator[float]:
        return delays(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS)


class _Later(Exception):
    """The server asks to come again later."""

    def __init__(self, told: str, seconds: float) -> None:
        super().__init__(told)
        self.seconds = seconds


def _without_stream(answer: Reply) -> Iterator[ServerEvent]:
    """Say what an answer means that is no stream: 204 has it that all was had already."""
    if answer.status in AGAIN:
        raise _Later(f"it answers with {answer.told}", wait_asked_for(answer))
    if answer.status != 204:
        judged(answer)
    yield ServerEvent(END, "{}", "")


def query_of(parameters: Mapping[str, object]) -> str:
    """Give parameters that are not None as a query behind its ``?``; "" for none."""
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
