"""What one would write first: json.loads, one INSERT and one commit a message."""

from __future__ import annotations

import json
import time
from typing import Any

import pika
import psycopg2

from bench.children.talk import say_begun, serve

TABLE = (
    "create table if not exists naive_events (id bigint generated always as identity primary key,"
    " received_at timestamptz not null default now(), hash text not null unique,"
    " event text not null)"
)
INSERT = "insert into naive_events (hash, event) values (%s, %s) on conflict do nothing"


def consume(uri: str, queue: str, database: str, count: int) -> dict[str, Any]:
    """Take and store ``count`` messages; give the time (wall clock) of the end."""
    store = psycopg2.connect(database)
    cursor = store.cursor()
    cursor.execute(TABLE)
    store.commit()
    with pika.BlockingConnection(pika.URLParameters(uri)) as connection:
        channel = connection.channel()
        taken = 0

        def on_message(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
            nonlocal taken
            message = json.loads(body)
            cursor.execute(INSERT, (message["Hash"], message["Event"]))
            store.commit()
            channel.basic_ack(method.delivery_tag)
            taken += 1
            if taken == count:
                channel.stop_consuming()

        channel.basic_consume(queue, on_message)
        say_begun(time.time())
        channel.start_consuming()
        return {"end": time.time()}


if __name__ == "__main__":
    serve(consume)
