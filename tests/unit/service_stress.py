"""The stress test that every service passes; import it with a factory of the service."""

import contextlib
import random
import sys
import threading

DEADLINE_SECONDS = 30


def stress(make_service, rounds=300, threads=6, seed=1):
    """Race start, stop and join of fresh services from many threads; then each has ended."""
    draw = random.Random(seed)
    with _frequent_switches():
        for _ in range(rounds):
            service = make_service()
            plans = [_plan(draw) for _ in range(threads)]
            # Somebody stops each of them, or the joins would wait for ever.
            plans[0].append("stop")
            assert _race(service, plans) == []
            assert service.join(DEADLINE_SECONDS)
            assert not service.alive
            assert not service.failed, service.exception


@contextlib.contextmanager
def _frequent_switches():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def _plan(draw):
    return draw.choices(["start", "stop", "join"], weights=[3, 1, 1], k=4)


def _race(service, plans):
    barrier = threading.Barrier(len(plans))
    errors = []

    def act(plan):
        barrier.wait()
        try:
            for name in plan:
                _call(service, name)
        except Exception as exc:  # noqa: BLE001 - shown by the assertion
            errors.append(exc)

    racers = [threading.Thread(target=act, args=(plan,)) for plan in plans]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(DEADLINE_SECONDS)
        assert not racer.is_alive()
    return errors


def _call(service, name):
    if name == "join":
        service.join(0)
    else:
        getattr(service, name)()
