"""The daemon and the commands as processes: started, asked, signalled, read."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika
import psycopg2
from prometheus_client.parser import text_string_to_metric_families

from jexevents.config import load
from jexevents.model import Role
from jexevents.store.database import Database
from jexevents.store.tokens import Tokens
from tests.support import ROOT, wait_until

PYTHON = (sys.executable, "-m", "jexevents")
START_SECONDS = 30
STOP_SECONDS = 10
INVOCATION = "5d2a0f04-9f1e-4a86-8b9f-5d6c0e0f7a11"


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """Give this environment without what configures jexevents, and with ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JEXEVENTS_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def run(*arguments: object, program: Sequence[str] = PYTHON, **more: str) -> Done:
    """Run a command of jexevents to its end; ``more`` goes into its environment."""
    done = subprocess.run(
        [*program, *map(str, arguments)],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def write_config(folder: Path, options: Mapping[str, Any]) -> Path:
    """Write a configuration that listens on any free port and tries again fast."""
    base = {"HTTPListenPort": "127.0.0.1:0", "ReconnectMaxSeconds": 0.5, "LogLevel": "debug"}
    path = folder / "jexevents.json"
    path.write_text(json.dumps({**base, **options}))
    return path


class Daemon:
    """One daemon; ``log`` is what it wrote so far, line by line.

    ``variables`` are in its environment.
    """

    def __init__(
        self,
        folder: Path,
        options: Mapping[str, Any],
        program: Sequence[str] = PYTHON,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.config = write_config(folder, options)
        self._output = folder / "daemon.log"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*program, "--config", str(self.config)],
                env=environment(**(variables or {})),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        """All that it wrote."""
        return self._output.read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        # The last line may be half written just now.
        whole, _, _ = self.text.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event]

    def wait_logged(self, event: str, times: int = 1) -> dict[str, Any]:
        """Wait until an event is in the log so many times; give the last."""
        lines = wait_until(
            lambda: (found := self.logged(event))[times - 1 :] and found,
            START_SECONDS,
            f"{event} in:\n{self.text}",
        )
        return lines[-1]

    def wait_ready(self) -> Daemon:
        wait_until(lambda: self.is_ready(), START_SECONDS, f"/readyz of:\n{self.text}")
        return self

    def is_ready(self) -> bool:
        assert self._process.poll() is None, f"ended with {self._process.returncode}:\n{self.text}"
        return bool(self.logged("listening")) and self.get("/readyz").status == 200

    @property
    def port(self) -> int:
        return self.wait_logged("listening")["addresses"][0][1]

    def get(self, path: str, token: str | None = None) -> Answer:
        return self.ask("GET", path, token=token)

    def ask(
        self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str
    ) -> Answer:
        """Send one request; a ``body`` that is no bytes goes as JSON."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def metric(self, name: str, token: str | None = None, **labels: str) -> float | None:
        """Give a value of /metrics, None where there is no such series."""
        answer = self.get("/metrics", token)
        assert answer.status == 200, answer
        for family in text_string_to_metric_families(answer.body.decode()):
            for sample in family.samples:
                if sample.name == f"jexevents_{name}" and sample.labels == labels:
                    return sample.value
        return None

    def wait_metric(self, value: float, name: str, **labels: str) -> None:
        wait_until(
            lambda: self.metric(name, **labels) == value,
            START_SECONDS,
            f"{name}{labels or ''} to be {value}; it is {self.metric(name, **labels)}",
        )

    def job(self, key: str, token: str | None = None) -> dict[str, Any] | None:
        """Give a job of the ledger by its key, None while there is none."""
        answer = self.get(f"/ledger/jobs?key={quote(key, safe='')}", token)
        assert answer.status == 200, answer
        items = answer.json()["items"]
        return items[0] if items else None

    def wait_job(self, key: str, token: str | None = None) -> dict[str, Any]:
        return wait_until(lambda: self.job(key, token), START_SECONDS, f"job {key}; {self.text}")

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Wait for its end; give the exit code."""
        return self._process.wait(seconds)

    def stop(self) -> int:
        """End it as supervisord would; give the exit code."""
        self.send(signal.SIGTERM)
        return self.wait(STOP_SECONDS)

    def end(self) -> None:
        """Leave nothing behind, however the test went."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def submission(cluster: int) -> str:
    """Give the event that makes a job, as HTCondor writes it."""
    head = f"000 ({cluster:03}.000.000) 2026-03-04 05:06:07"
    return f"{head} Job submitted from host: <127.0.0.1:9618>\n...\n"


def invocation_ad(cluster: int, invocation: str) -> str:
    """Give the event that names a job's invocation id."""
    head = f"028 ({cluster:03}.000.000) 2026-03-04 05:06:07"
    return f'{head} Job ad information event triggered.\nIpcUuid = "{invocation}"\n...\n'


def message(event: str) -> bytes:
    """Give the body that HTCondor's log monitors send."""
    return json.dumps({"Event": event, "Hash": "0" * 64}).encode()


def publish(uri: str, bodies: Iterable[bytes], exchange: str = "condor_events") -> None:
    """Publish with confirms; an exchange or queue that is missing is an error."""
    with closing(pika.BlockingConnection(pika.URLParameters(uri))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish(exchange, "", body, mandatory=True)


def rows(uri: str, statement: str) -> list[tuple]:
    """Run one statement; give its rows."""
    with closing(psycopg2.connect(uri)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def make_token(config: Path, *roles: str) -> tuple[str, str]:
    """Make a token as the command does; give its id and the secret."""
    with closing(Database(load(config, environment()).db_uri)) as database:
        made = Tokens(database).make("", map(Role, roles))
    return made.id, made.secret
