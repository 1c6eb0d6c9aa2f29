"""A message that ends every daemon that tries it takes no other with it."""

import json

from tests.faults.breaking import waiting
from tests.faults.servers import ask, session
from tests.faults.stories import Message
from tests.faults.truth import assert_whole
from tests.support import wait_until

LIMIT = 3
KEY = 4711
# Who stores the culprit waits for us first, and is killed meanwhile.
TRAP = f"""
create function jex.trap() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock({KEY});
    return new;
end $$;
create trigger trap before insert on jex.events
    for each row when (new.raw like '%culprit%'::bytea) execute function jex.trap();
"""


def test_delivery_limit_takes_the_culprit_alone(scene):
    """A quorum queue drops a message that was handed out too often, as it counts."""
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": LIMIT}
    daemon = scene.begin(supervised=True, QueueArguments=arguments)
    ask(scene.database, TRAP)
    with session(scene.database) as cursor, scene.away("daemon"):
        cursor.execute(f"select pg_advisory_lock({KEY})")
        scene.producer.again([culprit()])
        for _ in range(LIMIT + 1):
            wait_until(lambda: waiting(scene.database), 60, "the culprit to be tried")
            daemon.kill()
            # The server would not notice the death of who waits.
            for pid in waiting(scene.database):
                ask(scene.database, "select pg_terminate_backend(%s)", *pid)
            daemon.wait_answering()
        scene.wait_more(300)
    del scene.producer.confirmed[0]
    assert_whole(scene)


def culprit():
    raw = "000 (1.000.000) 2026-03-01 12:00:00 Job submitted from host: <culprit:9618>\n...\n"
    return Message(0, raw, json.dumps({"Event": raw, "Source": "submit1"}).encode())
