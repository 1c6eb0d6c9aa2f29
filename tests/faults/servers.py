"""PostgreSQL and RabbitMQ as servers to which anything may be done, and which can be mended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pika
import psycopg2

from jexevents import processes
from jexevents.embedded import EmbeddedPostgres
from jexevents.errors import JexError
from jexevents.processes import ProcessId
from jexevents.tryout.packages import Programs
from jexevents.tryout.private import PrivateBroker
from tests.faults.proxy import AmqpProxy, PostgresProxy
from tests.support import administer, database_uri, fill_template, unique, wait_until

QUEUE = "jexevents"
_TEMPLATE = "faults_template"


class Postgres:
    """A PostgreSQL of the tests' own."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder)
        self.uri = self._server.start()
        self._frozen: list[ProcessId] = []
        administer(self.uri, f"CREATE DATABASE {_TEMPLATE}")
        fill_template(database_uri(self.uri, _TEMPLATE))

    def create(self) -> str:
        """Make a database with our tables and no rows; give its URI."""
        name = unique("faults")
        administer(self.uri, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return database_uri(self.uri, name)

    def drop(self, uri: str) -> None:
        name = psycopg2.extensions.parse_dsn(uri)["dbname"]
        administer(self.uri, f"DROP DATABASE {name} WITH (FORCE)")

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """Stop it as an administrator would: sessions are ended, nothing is lost."""
        self._server.stop()

    def kill(self) -> None:
        """Kill it with all its sessions, as a power cut would."""
        for process in self._all():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def kill_session(self, pid: int) -> None:
        """Kill the process of one session, as the kernel does when memory runs out."""
        os.kill(pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Let it do nothing more, and say nothing: like a machine whose disk hangs."""
        self._frozen = self._all()
        processes.signal_all(self._frozen, signal.SIGSTOP)

    def thaw(self) -> None:
        processes.signal_all(self._frozen, signal.SIGCONT)
        self._frozen = []

    def set_read_only(self, on: bool) -> None:
        """Refuse all writing, as a standby does, also to the sessions that are there."""
        word = "set default_transaction_read_only = on" if on else "reset all"
        administer(self.uri, f"alter system {word}")
        administer(self.uri, "select pg_reload_conf()")

    def mend(self) -> None:
        """Make it whole again, whatever was done to it."""
        self.thaw()
        self.start()
        self.set_read_only(False)

    def proxy(self) -> PostgresProxy:
        """Give a proxy to the server; see ``through``."""
        return PostgresProxy(psycopg2.extensions.parse_dsn(self.uri)["host"])

    def _all(self) -> list[ProcessId]:
        """List its processes, the first one first: it must not start others meanwhile."""
        data = str(self._server.folder.data)
        found = processes.select(lambda pid: processes.working_folder(pid) == data)
        return sorted(found, key=lambda process: process.pid)


def through(proxy: PostgresProxy, uri: str) -> str:
    """Give the URI of a database by way of the proxy."""
    dsn = psycopg2.extensions.parse_dsn(uri)
    query = "sslmode=disable&gssencmode=disable"
    return f"postgresql://{dsn['user']}@127.0.0.1:{proxy.port}/{dsn['dbname']}?{query}"


def ask(uri: str, statement: str, *arguments: Any) -> list[tuple]:
    """Run one statement by itself; give its rows."""
    with closing(psycopg2.connect(uri)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(statement, arguments or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def session(uri: str) -> Iterator[psycopg2.extensions.cursor]:
    """Give a cursor in a transaction that is rolled back at the end."""
    with closing(psycopg2.connect(uri)) as connection:
        yield connection.cursor()
        connection.rollback()


class Rabbit:
    """A RabbitMQ of the tests' own."""

    def __init__(self, folder: Path, programs: Programs) -> None:
        self.node = PrivateBroker(folder, programs)
        self.node.start()

    def create(self) -> str:
        """Make a virtual host; give its name."""
        name = unique("faults")
        self.node.create_vhost(name)
        return name

    def uri(self, vhost: str, port: int | None = None) -> str:
        """Give the URI of a virtual host; with a port, by way of the proxy there."""
        server, _, _ = self.node.uri.rpartition("/")
        return f"{server.rpartition(':')[0]}:{port or self.port}/{vhost}"

    @property
    def port(self) -> int:
        return pika.URLParameters(self.node.uri).port

    def proxy(self) -> AmqpProxy:
        return AmqpProxy(self.port)

    def start(self) -> None:
        self.node.start()

    def stop(self) -> None:
        """Stop it as an administrator would."""
        self.node.stop()

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self.node.kill()

    def mend(self) -> None:
        """Make it whole again, whatever was done to it."""
        self.start()

    def raise_alarm(self) -> None:
        """Set the limit of memory so low that publishers are blocked."""
        self.node.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1")

    def clear_alarm(self) -> None:
        self.node.rabbitmqctl("set_vm_memory_high_watermark", "0.4")

    def connections(self, vhost: str) -> list[str]:
        """List the consumers' connections of a virtual host: port, and what it calls itself."""
        others = (' depth"', ' wake"')
        listed = self.node.rabbitmqctl(
            "list_connections", "vhost", "peer_port", "client_properties"
        )
        return [
            line
            for line in listed.splitlines()
            if line.startswith(vhost)
            and '"jexevents ' in line
            and not any(other in line for other in others)
        ]

    def queue(self, vhost: str) -> str:
        """What there is to say of the queue."""
        columns = ("name", "messages", "messages_unacknowledged", "consumers", "state")
        return self.node.rabbitmqctl("list_queues", "-p", vhost, *columns)

    def ready(self, vhost: str) -> int:
        """How many messages are in the queue, without those that a consumer has in hand."""
        with closing(self._open(vhost)) as connection:
            declared = connection.channel().queue_declare(QUEUE, passive=True)
            return declared.method.message_count

    def crash_queue(self, vhost: str) -> None:
        """Kill the queue's process: the broker starts it again, and joins or cancels consumers."""
        self._eval(vhost, "exit(amqqueue:get_pid(Q), kill)")

    def cancel_consumers(self, vhost: str) -> None:
        """Have the broker tell each consumer of the queue that it is cancelled."""
        told = "rabbit_channel:send_command(element(1, C), {'basic.cancel', element(2, C), true})"
        self._eval(vhost, f"[{told} || C <- rabbit_amqqueue:consumers(Q)]")

    def _eval(self, vhost: str, what: str) -> None:
        """Do something to the queue Q inside the broker."""
        name = f'rabbit_misc:r(<<"{vhost}">>, queue, <<"{QUEUE}">>)'
        self.node.rabbitmqctl("eval", f"{{ok, Q}} = rabbit_amqqueue:lookup({name}), {what}.")

    def delete_queue(self, vhost: str) -> None:
        """Delete the queue with all in it."""
        with closing(self._open(vhost)) as connection:
            connection.channel().queue_delete(QUEUE)

    def wait_bound(self, vhost: str, timeout: float = 30) -> None:
        """Wait until the queue is there and bound to the exchange."""
        wait_until(lambda: self._is_bound(vhost), timeout, "the queue to be declared again")

    def _is_bound(self, vhost: str) -> bool:
        columns = ("source_name", "destination_name")
        listed = self.node.rabbitmqctl("list_bindings", "-p", vhost, *columns)
        return f"condor_events\t{QUEUE}" in listed

    def _open(self, vhost: str) -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.URLParameters(self.uri(vhost)))


def rabbitmq_programs(cache: Path) -> Programs:
    """Give RabbitMQ's programs; raises JexError where there are none."""
    from jexevents.tryout import packages

    try:
        return packages.installed()
    except JexError:
        return packages.fetched(cache, lambda line: None)
