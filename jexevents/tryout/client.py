"""Asks the daemon over HTTP, as curl would."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from jexevents.errors import Unavailable

_LOOK_SECONDS = 0.1


class Client:
    """The daemon at ``url``, asked with a token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token

    def get(self, path: str) -> Any:
        """Give the JSON at a path. Raises urllib's HTTPError for errors."""
        headers = {"Authorization": f"Bearer {self._token}"}
        with urlopen(Request(self.url + path, headers=headers), timeout=10) as answer:
            return json.load(answer)

    def knows(self, invocation: str) -> bool:
        """Whether the ledger has a job of this invocation id."""
        try:
            self.get(f"/last-events/{invocation}")
        except HTTPError as error:
            if error.code == 404:
                return False
            raise
        return True

    def jobs(self) -> list[dict[str, Any]]:
        """The newest jobs of HTCondor in the ledger."""
        return self.get("/ledger/jobs?kind=condor&limit=1000")["items"]

    def wait_for_events(self, count: int, seconds: float) -> None:
        """Wait until the jobs have so many events in all. Raises Unavailable after ``seconds``."""
        pause = threading.Event()
        seen = 0
        for _ in range(int(seconds / _LOOK_SECONDS)):
            seen = sum(map(self._events_of, self.jobs()))
            if seen >= count:
                return
            pause.wait(_LOOK_SECONDS)
        raise Unavailable(f"The ledger has {seen} of {count} events after {seconds:g} s.")

    def _events_of(self, job: dict[str, Any]) -> int:
        return len(self.get(f"/ledger/jobs/{job['id']}/events?limit=1000")["items"])
