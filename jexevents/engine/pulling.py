"""One pull of an image: it is followed line by line, and has an end in any case."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from docker import APIClient, auth

from jexevents.engine import progress
from jexevents.engine.answers import WORDS_CHARACTERS
from jexevents.engine.client import Engine, config_read
from jexevents.engine.progress import Progress
from jexevents.engine.references import Reference, parse
from jexevents.engine.streams import Stream
from jexevents.errors import EngineRefused, EngineUnavailable, Malformed, PullEnded
from jexevents.faults import fit

_LOOK_SECONDS = 0.1
_MAX_LINE_BYTES = 1 << 20
_DIGEST = "Digest: "


class Pull:
    """A pull of ``name``; see ``Images.pull``."""

    def __init__(
        self, engine: Engine, name: Reference, *, idle_seconds: float, whole_seconds: float
    ) -> None:
        self._engine = engine
        self._name = name
        self._idle_seconds = idle_seconds
        self._whole_seconds = whole_seconds
        self._lines: queue.SimpleQueue[Mapping[str, Any] | BaseException | None]
        self._lines = queue.SimpleQueue()
        self._progress = progress.nothing()
        self._digest: str | None = None

    def run(self, on_progress: Callable[[Progress], None], stop: threading.Event) -> str | None:
        """Pull; gives the digest that the registry named, if it did."""
        stream = self._stream()
        # The engine may be silent for long before its first word, and a call that waits for that
        # cannot be woken: so another thread waits.
        reader = threading.Thread(target=self._read, args=(stream,), name="pull", daemon=True)
        reader.start()
        try:
            for line in self._until_the_end(stop):
                self._take(line, on_progress)
        finally:
            stream.close()
        return self._digest

    def _stream(self) -> Stream:
        name = self._name
        with self._engine.borrowed() as api:
            headers = _credentials(api, name)
        return Stream(
            self._engine,
            "POST",
            "/images/create",
            params={"fromImage": name.familiar, "tag": name.version},
            headers=headers,
            silent_seconds=self._idle_seconds,
        )

    def _read(self, stream: Stream) -> None:
        try:
            with closing(stream.pieces()) as pieces:
                for line in lines(pieces):
                    self._lines.put(line)
            self._lines.put(None)
        except BaseException as exc:  # noqa: BLE001 - it is raised by who waits for the lines
            self._lines.put(exc)

    def _until_the_end(self, stop: threading.Event) -> Iterator[Mapping[str, Any]]:
        begun = time.monotonic()
        while True:
            try:
                line = self._lines.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                line = {}
            if line is None:
                return
            if isinstance(line, EngineUnavailable) and line.timed_out:
                raise self._silent() from line
            if isinstance(line, BaseException):
                raise line
            self._check(stop, begun)
            if line:
                yield line

    def _check(self, stop: threading.Event, begun: float) -> None:
        if stop.is_set():
            raise PullEnded(f"The pull of {self._name} was stopped.", reason="stopped")
        if time.monotonic() - begun > self._whole_seconds:
            raise PullEnded(
                f"The pull of {self._name} was not done after {self._whole_seconds:g} s.",
                reason="too long",
            )

    def _silent(self) -> PullEnded:
        message = f"The pull of {self._name} gave no sign for {self._idle_seconds:g} s."
        return PullEnded(message, reason="silent")

    def _take(self, line: Mapping[str, Any], on_progress: Callable[[Progress], None]) -> None:
        if words := _error(line):
            raise EngineRefused(200, fit(words, WORDS_CHARACTERS))
        status = line.get("status")
        if isinstance(status, str) and status.startswith(_DIGEST):
            self._digest = _digest(self._name, status.removeprefix(_DIGEST).strip())
        after = progress.fold(self._progress, line)
        if after != self._progress:
            self._progress = after
            on_progress(after)


def lines(pieces: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """Read JSON objects, one a line, from pieces that are cut anywhere.

    Raises EngineUnavailable where a line is none, or longer than 1 MiB.
    """
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield from _line(line)
        if len(rest) > _MAX_LINE_BYTES:
            raise EngineUnavailable("The engine sent a line without an end.")
    yield from _line(rest)


def _line(text: bytes) -> Iterator[Mapping[str, Any]]:
    if not text.strip():
        return
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise EngineUnavailable("The engine sent a line that is not JSON.") from exc
    if isinstance(line, dict):
        yield line


def _error(line: Mapping[str, Any]) -> str:
    detail = line.get("errorDetail")
    said = detail.get("message") if isinstance(detail, dict) else None
    said = said or line.get("error")
    return " ".join(str(said).split()) if said else ""


def _digest(name: Reference, text: str) -> str | None:
    try:
        return parse(name.pinned(text)).digest
    except Malformed:
        return None


def _credentials(api: APIClient, name: Reference) -> dict[str, str]:
    # Read anew for each pull: somebody may have logged in since the last one.
    with config_read():
        api.reload_config()
        registry, _path = auth.resolve_repository_name(name.repository)
        header = auth.get_config_header(api, registry)
    return {"X-Registry-Auth": header} if header else {}
