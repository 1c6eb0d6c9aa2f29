"""What ``make watch-log`` does: a log grows, and one sees its events come into the ledger."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from jexevents.errors import Unavailable
from jexevents.tryout.child import Daemon
from jexevents.tryout.client import Client
from jexevents.tryout.growing import GrowingLog, Written, stories
from jexevents.tryout.place import Place
from jexevents.tryout.story import serve, step

# An event is written so often, and the log is rotated after so many.
_PAUSE_SECONDS = 0.7
_ROTATED_EVERY = 12
_LOOK_SECONDS = 0.05
_LATE_SECONDS = 60.0
_PAGE = 100
_LAST = "JOB_TERMINATED"


def tell(console: Console, place: Place, stack: ExitStack, jobs: int | None) -> None:
    """Start all, let the log grow and show what comes, for so many jobs or till Ctrl-C.

    What was started is stopped as ``stack`` unwinds. Raises the project's errors.
    """
    served = serve(console, place, stack)
    log = GrowingLog(place.watched)
    with step(console, "monitor") as say:
        command = ["monitor", str(log.path), "--position", str(place.watched / "position")]
        child = Daemon(
            place.config,
            served.environment,
            place.monitor_log,
            [*command, "--listen", "127.0.0.1:0"],
            "monitor",
        )
        monitor = stack.enter_context(child)
        url = monitor.wait_until_ready(say)
        say(f"ready at {url}, follows {log.path}")
    console.print(
        "\nAbove each event as it is written into the log, below it as the ledger has it, with the "
        "time from one to the other.\nAsk the ledger for more as `make run` shows it. Ctrl-C stops "
        "all; the data stays in var/.\n",
        soft_wrap=True,
    )
    ledger = _Ledger(served.client, console)
    written = 0
    for cluster, name in stories(int(time.time()) % 10_000_000):
        for child in (served.daemon, monitor):
            child.require()
        one = log.write(cluster, name, datetime.now())
        console.print(Text(f"log     {one.line}", "cyan"), soft_wrap=True)
        ledger.wait_for(one)
        written += 1
        if written % _ROTATED_EVERY == 0:
            log.rotate()
            console.print(Text(f"log     rotated: {log.path.name} is {log.path.name}.1 now", "dim"))
        if jobs is not None and name == _LAST:
            jobs -= 1
            if jobs <= 0:
                break
        ledger.pause.wait(_PAUSE_SECONDS)
    console.print(f"\nAll {written} events that were written are in the ledger.")


class _Ledger:
    """Looks what comes into the ledger, and shows it."""

    def __init__(self, client: Client, console: Console) -> None:
        self._client = client
        self._console = console
        self.pause = threading.Event()
        self._seen = self._newest()

    def wait_for(self, written: Written) -> None:
        """Show what comes till this event has come. Raises Unavailable where it does not."""
        begun = time.monotonic()
        while time.monotonic() - begun < _LATE_SECONDS:
            for event in self._new():
                job = self._job(event)
                if event["name"] == written.name and job.get("key") == str(written.cluster):
                    self._show(event, job, time.monotonic() - begun)
                    return
            self.pause.wait(_LOOK_SECONDS)
        raise Unavailable(f"The event is not in the ledger after {_LATE_SECONDS:g} s: {written}")

    def _newest(self) -> int:
        items = self._client.get("/ledger/events?limit=1")["items"]
        return items[0]["seq"] if items else 0

    def _new(self) -> list[dict[str, Any]]:
        items = self._client.get(f"/ledger/events?limit={_PAGE}")["items"]
        found = [item for item in reversed(items) if item["seq"] > self._seen]
        self._seen = max([self._seen, *(item["seq"] for item in found)])
        return found

    def _job(self, event: dict[str, Any]) -> dict[str, Any]:
        return self._client.get(f"/ledger/jobs/{event['job_id']}") if event["job_id"] else {}

    def _show(self, event: dict[str, Any], job: dict[str, Any], seconds: float) -> None:
        said = f"ledger  #{event['seq']} {event['name']}, job {job['key']} is {job['state']}"
        code = "" if job["exit_code"] is None else f", exit code {job['exit_code']}"
        self._console.print(Text(f"{said}{code}  (after {seconds:.2f} s)", "green"), soft_wrap=True)
