"""Containers of an engine: made, started, signalled, looked at, read, removed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from jexevents import rfc3339
from jexevents.engine.absence import Absence
from jexevents.engine.client import Engine
from jexevents.engine.follower import Follower
from jexevents.engine.frames import Frame, Splitter, as_since
from jexevents.engine.specs import Spec, document
from jexevents.engine.states import Listed, State, listed, state
from jexevents.engine.streams import Stream
from jexevents.errors import EngineRefused, EngineUnavailable, HalfStarted
from jexevents.logs import get_logger

log = get_logger(__name__)

# dockerd of a container that its containerd has begun and it has not: it lost the answer.
_HALF_STARTED = re.compile(r"(task|container) \S+: already exists.*|id already in use")


class Containers:
    """The containers of one engine, each known by its id or name.

    Every call may raise EngineUnavailable, and EngineRefused with the engine's words; a container
    that is not there is NotThere.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, spec: Spec) -> str:
        """Make a container; gives its id. Raises Clash if there is one of that name, NotThere if
        the image is not there."""
        with self._engine.borrowed() as api:
            made = api.create_container_from_config(document(spec), spec.name)
        for words in made.get("Warnings") or ():
            log.warning("engine_warning", container=spec.name, words=words)
        return made["Id"]

    def start(self, name: str) -> None:
        """Start it; one that runs already goes on. Raises HalfStarted."""
        try:
            with self._engine.borrowed() as api:
                api.start(name)
        except EngineRefused as error:
            if _HALF_STARTED.fullmatch(error.words):
                raise HalfStarted(error.status, error.words) from error
            raise

    def kill(self, name: str, signal: str = "SIGKILL") -> None:
        """Send a signal to its first process. Raises Clash if it does not run."""
        with self._engine.borrowed() as api:
            api.kill(name, signal)

    def pause(self, name: str) -> None:
        """Freeze all of its processes. Raises Clash if it does not run or is paused."""
        with self._engine.borrowed() as api:
            api.pause(name)

    def unpause(self, name: str) -> None:
        """Let them go on. Raises Clash or EngineRefused if it is not paused."""
        with self._engine.borrowed() as api:
            api.unpause(name)

    def inspect(self, name: str) -> State:
        """Look at it."""
        with self._engine.borrowed() as api:
            return state(api.inspect_container(name))

    def saw_end(self, ended: State) -> bool:
        """Whether the engine has seen this container's end since it began itself.

        It remembers the last of what happened (256 events in dockerd), so this is to be asked soon.
        """
        with self._engine.borrowed() as api:
            now = rfc3339.parse(api.info()["SystemTime"]).at.timestamp()
            filters = {"container": ended.id, "event": "die"}
            # Up to a moment after now, or it would go on.
            found = api.events(since="1", until=f"{now + 0.001:.9f}", filters=filters)
            try:
                return any(found)
            finally:
                found.close()

    def remove(self, name: str, *, force: bool = False, volumes: bool = True) -> None:
        """Remove it, with its unnamed ``volumes``; ``force`` kills it first if it runs, without
        that Clash is raised. Clash too while somebody else removes it."""
        with self._engine.borrowed() as api:
            api.remove_container(name, force=force, v=volumes)

    def of_label(self, labels: Mapping[str, str | None]) -> list[Listed]:
        """List the containers, ended ones too, that have all these labels; a value of None stands
        for any."""
        wanted = [name if value is None else f"{name}={value}" for name, value in labels.items()]
        with self._engine.borrowed() as api:
            found = api.containers(all=True, filters={"label": wanted})
        return [listed(one) for one in found]

    def logs(
        self,
        name: str,
        since_ns: int | None = None,
        *,
        follow: bool = True,
        silent_seconds: float | None = None,
    ) -> LogStream:
        """Read what it wrote from ``since_ns`` on (since 1970), and with ``follow`` what it
        writes, until it ends.

        With ``follow`` the engine may leave out the last of it: see ``follow_to_end``. After
        ``silent_seconds`` without a byte EngineUnavailable is raised, which ``timed_out``.
        """
        params = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow)}
        if since_ns is not None:
            params["since"] = as_since(since_ns)
        if silent_seconds is None and not follow:
            silent_seconds = self._engine.call_seconds
        return LogStream(
            Stream(
                self._engine,
                "GET",
                f"/containers/{quote(name, safe='')}/logs",
                params=params,
                silent_seconds=silent_seconds,
            )
        )

    def follow_to_end(
        self, name: str, absence: Absence | None = None, *, silent_seconds: float = 60.0
    ) -> Follower:
        """Read all that it writes, each byte once, until it has ended; see ``Follower``."""
        return Follower(self, name, absence or Absence(), silent_seconds=silent_seconds)


class LogStream:
    """A log as it is read: iterated by one thread, closed by any."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; ends at ``close``. An answer that is cut off is EngineUnavailable."""
        splitter = Splitter()
        for piece in self._stream.pieces():
            yield from splitter.feed(piece)
        if splitter.torn and not self._stream.closed:
            raise EngineUnavailable("The engine ended a log in the middle of a message.")

    def close(self) -> None:
        """End the iteration, also one that waits; may be called at any time, and again."""
        self._stream.close()
