"""The ceiling: takes messages off a queue and only acknowledges them, in batches."""

from __future__ import annotations

import time
from typing import Any

import pika

from bench.children.talk import say_begun, serve


def consume(uri: str, queue: str, count: int, batch: int, prefetch: int) -> dict[str, Any]:
    """Take ``count`` messages; give the time (wall clock) of the end."""
    with pika.BlockingConnection(pika.URLParameters(uri)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=prefetch)
        taken = 0

        def on_message(channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
            nonlocal taken
            taken += 1
            if taken % batch == 0 or taken == count:
                channel.basic_ack(method.delivery_tag, multiple=True)
            if taken == count:
                channel.stop_consuming()

        channel.basic_consume(queue, on_message)
        say_begun(time.time())
        channel.start_consuming()
        return {"end": time.time()}


if __name__ == "__main__":
    serve(consume)
