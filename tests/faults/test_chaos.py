"""Three daemons on one queue and one database, and everything goes wrong at random."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg2

from tests.faults.breaking import HOW, SESSIONS, failing, lock_crosswise, locked
from tests.faults.conftest import FULL
from tests.faults.servers import ask, through
from tests.faults.truth import assert_whole

DAEMONS = 3


class Chaos:
    """Faults of the database and of all else, at the same time; each is mended in the end."""

    def __init__(self, scene, amqp, database):
        self.scene, self.amqp, self.database = scene, amqp, database
        self.done = []
        self._pause = threading.Event()

    def run(self, faults, rng, seconds):
        """Do the faults in random order, again and again, for so long."""
        until, bag = time.monotonic() + seconds, []
        while time.monotonic() < until:
            bag = bag or rng.sample(faults, len(faults))
            fault = bag.pop()
            self.done.append(fault.__name__)
            # What the other fault has just broken may be needed for this one.
            with suppress(psycopg2.Error):
                fault(self, rng)
            self._pause.wait(rng.uniform(0.2, 1.5))

    # Of PostgreSQL

    def kill_postgres(self, rng):
        self.scene.postgres.kill()
        self._last(rng)
        self.scene.postgres.start()

    def stop_postgres(self, rng):
        self.scene.postgres.stop()
        self._last(rng)
        self.scene.postgres.start()

    def kill_session(self, rng):
        self.scene.postgres.kill_session(rng.choice(ask(self.scene.database, SESSIONS))[0])

    def terminate_sessions(self, rng):
        for (pid,) in ask(self.scene.database, SESSIONS):
            ask(self.scene.database, "select pg_terminate_backend(%s)", pid)

    def fail_statements(self, rng):
        with failing(self.scene.database, rng.choice(list(HOW))):
            self._last(rng)

    def deadlock(self, rng):
        lock_crosswise(self.scene.database)

    def make_read_only(self, rng):
        self.scene.postgres.set_read_only(True)
        self._last(rng)
        self.scene.postgres.set_read_only(False)

    def lock_tables(self, rng):
        with locked(self.scene.database, rng.choice(["exclusive", "access exclusive"])):
            self._last(rng)

    def freeze(self, rng):
        self.scene.postgres.freeze()
        self._last(rng)
        self.scene.postgres.thaw()

    def lose_commits(self, rng):
        self.database.lose_commits(rng.randint(1, 5))

    def cut_database(self, rng):
        self.database.cut()

    # Of RabbitMQ

    def kill_broker(self, rng):
        self.scene.rabbit.kill()
        self.scene.rabbit.start()

    def stop_broker(self, rng):
        self.scene.rabbit.stop()
        self.scene.rabbit.start()

    def cut_broker(self, rng):
        self.amqp.cut()

    def cut_batch(self, rng):
        self.amqp.cut_at = rng.choice(["delivery", "acknowledgement"])

    def close_channels(self, rng):
        self.amqp.break_channels()

    def raise_alarm(self, rng):
        self.scene.rabbit.raise_alarm()
        self._last(rng)
        self.scene.rabbit.clear_alarm()

    def delete_queue(self, rng):
        self.scene.delete_queue()

    def cancel_consumers(self, rng):
        self.scene.rabbit.cancel_consumers(self.scene.vhost)

    def crash_queue(self, rng):
        self.scene.rabbit.crash_queue(self.scene.vhost)

    # Of the daemons

    def kill_daemon(self, rng):
        self._one_away(rng, "kill")

    def stop_daemon(self, rng):
        self._one_away(rng, "terminate")

    def _one_away(self, rng, how):
        number = rng.randrange(DAEMONS)
        daemon = self.scene.daemons[number]
        with self.scene.watchers[number].excused("daemon"):
            getattr(daemon, how)()
            daemon.wait_answering()

    def _last(self, rng):
        """Let a fault last for a while."""
        self._pause.wait(rng.uniform(0.5, 4))


OF_POSTGRESQL = [
    Chaos.kill_postgres,
    Chaos.stop_postgres,
    Chaos.kill_session,
    Chaos.terminate_sessions,
    Chaos.fail_statements,
    Chaos.deadlock,
    Chaos.make_read_only,
    Chaos.lock_tables,
    Chaos.freeze,
    Chaos.lose_commits,
    Chaos.cut_database,
]
OF_RABBITMQ_AND_DAEMONS = [
    Chaos.kill_broker,
    # Takes longer than the whole chaos of the short form.
    *([Chaos.stop_broker] if FULL else []),
    Chaos.cut_broker,
    Chaos.cut_batch,
    Chaos.close_channels,
    Chaos.raise_alarm,
    Chaos.delete_queue,
    Chaos.cancel_consumers,
    Chaos.crash_queue,
    *[Chaos.kill_daemon] * 4,
    *[Chaos.stop_daemon] * 2,
]


def test_three_daemons_in_chaos(scene, sizes, rng):
    """Every message is published twice, in shuffled order."""
    amqp, database = scene.keep(scene.rabbit.proxy()), scene.keep(scene.postgres.proxy())
    scene.begin(
        count=DAEMONS,
        supervised=True,
        twice=True,
        amqp_uri=scene.rabbit.uri(scene.vhost, amqp.port),
        database_uri=through(database, scene.database),
    )
    chaos = Chaos(scene, amqp, database)
    with scene.away("database"), ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(chaos.run, faults, random.Random(rng.random()), sizes.chaos_seconds)
            for faults in (OF_POSTGRESQL, OF_RABBITMQ_AND_DAEMONS)
        ]
        for run in runs:
            run.result()
        print("done:", ", ".join(chaos.done))
        scene.wait_more(300, 120)
    assert_whole(scene)
