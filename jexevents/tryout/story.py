"""What ``make run`` does, step by step."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from jexevents import config, wiring
from jexevents.broker.connect import connect
from jexevents.broker.publisher import Publisher
from jexevents.config import Config
from jexevents.errors import BrokerUnavailable
from jexevents.model import Role
from jexevents.sources.condor.split import Splitter
from jexevents.store import migrate
from jexevents.store.database import Database
from jexevents.store.tokens import Tokens, hashed
from jexevents.tryout.broker import provide_broker
from jexevents.tryout.child import Daemon
from jexevents.tryout.client import Client
from jexevents.tryout.place import Place

SAMPLE = Path(__file__).parent / "sample.log"
_INVOCATION = "5d2a0f04-9f1e-4a86-8b9f-5d6c0e0f7a11"
_SEEN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Served:
    """What runs: the configuration with the broker in it, the environment that says so, the daemon
    and a client of it; ``broker`` is what to show for the broker's URI."""

    settings: Config
    environment: Mapping[str, str]
    broker: str
    daemon: Daemon
    client: Client


def tell(console: Console, place: Place, stack: ExitStack) -> None:
    """Do it all, and stay until the daemon ends or KeyboardInterrupt.

    What was started is stopped as ``stack`` unwinds. Raises the project's errors.
    """
    served = serve(console, place, stack)
    with step(console, "events") as say:
        _publish_once(served.settings, served.client, say)
    _show(console, served.client, place)
    if served.settings.jobs_repository:
        said = "The daemon runs the jobs that are defined in the git repository"
        _say(console, f"{said} {_repository(served.settings.jobs_repository)}")
    if not config.load(place.config, os.environ).node_secret:
        variable = config.OPTIONS["NodeSecret"].env_name
        secret = f"{variable}=$(cat {_short(place.node_secret)})"
        _say(console, f"A worker beside it (docs/workers.md) has to be told: {secret}")
    _say(console, f"RabbitMQ, to publish events of your own: {served.broker}")
    _say(console, "Ctrl-C stops the daemon and the servers; the data stays in var/.")
    served.daemon.wait()


def serve(console: Console, place: Place, stack: ExitStack) -> Served:
    """Provide the servers and start the daemon.

    What was started is stopped as ``stack`` unwinds. Raises the project's errors.
    """
    place.var.mkdir(parents=True, exist_ok=True)
    settings = config.load(place.config, os.environ)
    named = _named(settings)
    environment = _listening(os.environ, settings)
    with step(console, "RabbitMQ") as say:
        broker = stack.enter_context(
            provide_broker(place.broker, uri=named, cache=place.cache, say=say)
        )
        say(broker.how)
    with step(console, "PostgreSQL") as say:
        say("starting (the first time its data folder is made)")
        database = stack.enter_context(wiring.database(settings, "jexevents make run"))
        count = migrate.migrate(database, say)
        say("ready, its tables made" if count else "ready, with the data of before")
    with step(console, "token") as say:
        token = _token(place, database)
        say(f"kept in {_short(place.token)}, mode 0600")
    environment = _with(environment, "AMQPURI", broker.uri)
    if not settings.node_secret:
        environment = _with(environment, "NodeSecret", _node_secret(place))
    with step(console, "daemon") as say:
        daemon = stack.enter_context(Daemon(place.config, environment, place.log))
        client = Client(daemon.wait_until_ready(say), token)
        say(f"ready at {client.url}, logs to {_short(place.log)}")
    # The password of a broker of our own is no secret; one that was named may have another.
    shown = broker.uri if named is None else config.redact_uri(named)
    return Served(config.load(place.config, environment), environment, shown, daemon, client)


@contextmanager
def step(console: Console, what: str) -> Iterator:
    """Show a long step with a spinner, and what it came to when it is done."""
    said = ["..."]
    with console.status(f"{what}: ...") as status:

        def say(line: str) -> None:
            said.append(line)
            status.update(f"{what}: {line}")

        yield say
    console.print(f"[green]✓[/] {what}: {said[-1]}", soft_wrap=True)


def _named(settings: Config) -> str | None:
    """Give the broker that the user named, or the sample's if one answers there; else None."""
    uri = settings.amqp_uri
    if config.variables_of(os.environ, ["AMQPURI"]):
        return uri
    try:
        connect(uri, heartbeat_seconds=settings.heartbeat_seconds).close()
    except BrokerUnavailable:
        return None
    return uri


def _token(place: Place, database: Database) -> str:
    """Give the token of before if it still opens something, else a new one."""
    tokens = Tokens(database)
    known = {credential.sha256 for credential in tokens.in_force()}
    if place.token.is_file():
        secret = place.token.read_text("ascii").strip()
        if hashed(secret) in known:
            return secret
    secret = tokens.make("make run", list(Role)).secret
    _keep(place.token, secret)
    return secret


def _node_secret(place: Place) -> str:
    """Give the secret of before, else a new one: a worker that is started beside the daemon needs
    it, or nobody could read what it has written."""
    if not place.node_secret.is_file():
        _keep(place.node_secret, secrets.token_urlsafe(32))
    return place.node_secret.read_text("ascii").strip()


def _keep(path: Path, secret: str) -> None:
    """Write a file that its owner alone can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")


def _listening(environ: Mapping[str, str], settings: Config) -> dict[str, str]:
    """Give an environment for the daemon: the port that is configured, or a free one.

    Links, as those in webhooks, lead to that port where they are not configured to lead elsewhere.
    """
    port = settings.http_listen_port.port
    if not _is_free(port):
        return _with(environ, "HTTPListenPort", "127.0.0.1:0")
    environment = _with(environ, "HTTPListenPort", f"127.0.0.1:{port}")
    if settings.public_url or not port:
        return environment
    return _with(environment, "PublicURL", f"http://localhost:{port}")


def _with(environ: Mapping[str, str], name: str, value: str) -> dict[str, str]:
    """Give an environment in which an option has a value, whatever variable gave it another."""
    others = config.variables_of(environ, [name])
    kept = {variable: environ[variable] for variable in environ if variable not in others}
    return {**kept, config.OPTIONS[name].env_name: value}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _publish_once(settings: Config, client: Client, say) -> None:
    """Publish the sample log event by event, unless the ledger has its jobs already."""
    splitter = Splitter()
    pieces = splitter.feed(SAMPLE.read_bytes())
    if client.knows(_INVOCATION):
        say(f"the {len(pieces)} events of the sample log are in the ledger already")
        return
    uri, topology = settings.amqp_uri, wiring.topology(settings)
    with Publisher(uri, topology, settings.routing_key) as publisher:
        for number, piece in enumerate(pieces, 1):
            publisher.publish_event(piece.raw.decode(), log=SAMPLE.name, offset=piece.offset)
            say(f"published {number} of {len(pieces)} to the exchange {settings.exchange_name!r}")
    client.wait_for_events(len(pieces), _SEEN_SECONDS)
    say(f"{len(pieces)} events of a sample log published; the ledger has them all")


def _show(console: Console, client: Client, place: Place) -> None:
    table = Table("job", "status", "exit code", "finished", "reason")
    for job in reversed(client.jobs()):
        code = "" if job["exit_code"] is None else str(job["exit_code"])
        table.add_row(
            job["key"],
            job["state"],
            code,
            (job["finished_at"] or "")[:19],
            job["reason"] or "",
        )
    console.print("\nWhat the ledger says of the jobs of the sample log:")
    console.print(table)
    token = _short(place.token)
    _say(console, f"See them in a browser: {client.url}/ (sign in with the token in {token})\n")
    bearer = f'-H "Authorization: Bearer $(cat {token})"'
    console.print("Ask it yourself, in another terminal:\n")
    for path in (f"/last-events/{_INVOCATION}", "/ledger/jobs?phase=ERROR", "/readyz"):
        console.print(f"  curl {bearer} '{client.url}{path}'", soft_wrap=True, markup=False)


def _say(console: Console, line: str) -> None:
    console.print(f"\n{line}", soft_wrap=True, markup=False)


def _repository(url: str) -> str:
    """Give a repository as one would type it here; of a URL no password."""
    return _short(Path(url)) if url.startswith("/") else config.redact_uri(url)


def _short(path: Path) -> str:
    """Give a path as one would type it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
