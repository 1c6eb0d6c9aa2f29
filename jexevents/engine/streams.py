"""Answers of the engine that come bit by bit, for as long as it has something to say."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import requests

from jexevents.engine.client import Engine

_PIECE_BYTES = 1 << 16


class Stream:
    """One such answer: read by one thread, closed by any.

    It has a connection of its own. ``silent_seconds`` bounds the wait for the first and for each
    further byte; after that it is an EngineUnavailable that ``timed_out``.
    """

    def __init__(
        self,
        engine: Engine,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        silent_seconds: float | None,
    ) -> None:
        self._engine = engine
        self._asked = (method, path, dict(params), dict(headers or {}))
        self._silent_seconds = silent_seconds
        self._lock = threading.Lock()
        self._closed = False
        self._response: requests.Response | None = None

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def pieces(self) -> Iterator[bytes]:
        """Ask, and yield what comes as it comes; once only.

        Ends when the engine has said all, or without more at ``close``. Raises what
        ``translated`` does; an answer that is cut off is EngineUnavailable.
        """
        with self._engine.borrowed() as api:
            try:
                yield from self._read(api)
            finally:
                with self._lock:
                    response, self._response = self._response, None
                if response is not None:
                    response.close()

    def close(self) -> None:
        """End it, whatever its reader waits for; may be called at any time, and again."""
        with self._lock:
            self._closed = True
            if self._response is not None:
                # The reader holds it, so it is woken and closes it; it may be done already.
                with suppress(RuntimeError, ValueError, OSError):
                    self._response.raw.shutdown()

    def _read(self, api: Any) -> Iterator[bytes]:
        try:
            raw = self._open(api)
            while not self._closed and (piece := raw.read1(_PIECE_BYTES, decode_content=False)):
                yield piece
        except Exception:
            if not self._closed:
                raise

    def _open(self, api: Any) -> Any:
        method, path, params, headers = self._asked
        response = api.request(
            method,
            f"{api.base_url}/v{api.api_version}{path}",
            params=params,
            headers={"Accept-Encoding": "identity", **headers},
            stream=True,
            timeout=(self._engine.connect_seconds, self._silent_seconds),
        )
        with self._lock:
            self._response = response
        if not response.ok:
            # The engine's words have to be read before the answer is closed.
            _ = response.content
            response.raise_for_status()
        return response.raw
