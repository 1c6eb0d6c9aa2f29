"""A publisher that sends events at a fixed rate and notes when it sent some of them."""

from __future__ import annotations

import time
from typing import Any

import pika

from bench.children.talk import serve
from bench.load import messages
from bench.pacing import schedule, wait_until

_PERSISTENT = pika.BasicProperties(delivery_mode=2)


def publish(
    uri: str, exchange: str, jobs: int, rate: float, begin: float, noted: list[int]
) -> dict[str, Any]:
    """Publish all events of ``jobs`` jobs from ``begin`` on.

    Gives the times at which the events with the numbers ``noted`` were handed to the socket,
    how late each event was at most, and the rate that came out.
    """
    wanted, sent, late = set(noted), {}, 0.0
    with pika.BlockingConnection(pika.URLParameters(uri)) as connection:
        channel = connection.channel()
        bodies = list(messages(jobs))
        for number, (body, due) in enumerate(zip(bodies, schedule(begin, rate), strict=False)):
            wait_until(due)
            now = time.time()
            channel.basic_publish(exchange, "", body, _PERSISTENT)
            late = max(late, now - due)
            if number in wanted:
                sent[number] = now
            if number % 1000 == 0:
                # So that the heartbeats of a connection that only sends are read.
                connection.process_data_events(0)
        seconds = time.time() - begin
    return {"sent": list(sent.items()), "late": late, "rate": len(bodies) / seconds}


if __name__ == "__main__":
    serve(publish)
