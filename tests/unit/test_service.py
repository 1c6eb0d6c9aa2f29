import io
import json
import queue
import threading

import pytest

from jexevents import logs
from jexevents.errors import ServiceEnded
from jexevents.service import Service
from tests.unit.service_stress import stress

SOON = 10


@pytest.fixture(autouse=True)
def stream():
    stream = io.StringIO()
    logs.configure("debug", stream)
    return stream


class Waiting(Service):
    """Waits for the event alone."""

    def __init__(self, **kwargs):
        super().__init__("waiting", **kwargs)
        self.running = threading.Event()
        self.runs = 0

    def run(self):
        self.runs += 1
        self.running.set()
        self.wait(None)


class Blocking(Service):
    """Blocks in something that does not see the event."""

    def __init__(self):
        super().__init__("blocking")
        self.queue = queue.Queue()
        self.interrupts = 0

    def run(self):
        self.queue.get()

    def interrupt(self):
        self.interrupts += 1
        self.queue.put(None)


class Dying(Service):
    def __init__(self, exception=None, **kwargs):
        super().__init__("dying", **kwargs)
        self.reason = exception

    def run(self):
        if self.reason is not None:
            raise self.reason


@pytest.mark.parametrize("make_service", [Waiting, Blocking])
def test_start_stop_and_join_raced_from_many_threads(make_service):
    stress(make_service)


def test_it_runs_until_stopped():
    service = Waiting()
    assert not service.alive
    service.start()
    assert service.running.wait(SOON)
    assert service.alive
    assert not service.join(0)
    service.stop()
    assert service.join(SOON)
    assert not service.alive
    assert not service.failed


def test_starting_twice_runs_once():
    service = Waiting()
    service.start()
    service.start()
    service.stop()
    assert service.join(SOON)
    service.start()
    assert service.join(0)
    assert service.runs == 1


def test_stop_and_join_before_start():
    service = Waiting()
    assert service.join()
    service.stop()
    service.stop()
    service.start()
    assert service.join()
    assert service.runs == 0
    assert not service.alive


def test_a_wait_ends_at_once_on_stop():
    service = Waiting()
    service.start()
    assert service.running.wait(SOON)
    service.stop()
    assert service.wait(3600)
    assert service.join(SOON)


def test_what_blocks_is_interrupted_once():
    service = Blocking()
    service.start()
    service.stop()
    service.stop()
    assert service.join(SOON)
    assert service.interrupts == 1


def test_what_never_started_is_not_interrupted():
    service = Blocking()
    service.stop()
    assert service.interrupts == 0


def test_an_interrupt_that_fails_does_not_fail_stop(stream):
    class Stubborn(Waiting):
        def interrupt(self):
            raise OSError("already closed")

    service = Stubborn()
    service.start()
    service.stop()
    assert service.join(SOON)
    assert "service_not_interrupted" in stream.getvalue()


def test_it_can_stop_and_join_itself():
    class Suicidal(Service):
        joined = None

        def run(self):
            self.stop()
            self.joined = self.join()

    service = Suicidal("suicidal")
    service.start()
    assert service.join(SOON)
    assert service.joined is False
    assert not service.failed


@pytest.mark.parametrize("reason", [ValueError("bad"), SystemExit(3), KeyboardInterrupt()])
def test_a_death_is_noticed(stream, reason):
    dead = queue.Queue()
    service = Dying(reason, on_death=dead.put)
    service.start()
    assert dead.get(timeout=SOON) is service
    assert service.join(SOON)
    assert service.failed
    assert service.exception is reason
    line = next(
        line for line in map(json.loads, stream.getvalue().splitlines()) if "exception" in line
    )
    assert (line["event"], line["service"]) == ("service_died", "dying")


def test_an_end_unasked_is_a_death():
    dead = queue.Queue()
    service = Dying(on_death=dead.put)
    service.start()
    assert dead.get(timeout=SOON).failed
    assert isinstance(service.exception, ServiceEnded)


def test_a_death_is_known_when_it_is_reported():
    seen = queue.Queue()
    service = Dying(ValueError(), on_death=lambda dead: seen.put(dead.failed))
    service.start()
    assert seen.get(timeout=SOON) is True


def test_a_report_that_fails_is_logged(stream):
    def report(_service):
        raise RuntimeError("nobody listens")

    service = Dying(ValueError(), on_death=report)
    service.start()
    assert service.join(SOON)
    assert "service_death_not_reported" in stream.getvalue()
    assert isinstance(service.exception, ValueError)


def test_a_service_that_stops_is_no_death():
    dead = []
    service = Waiting(on_death=dead.append)
    service.start()
    assert service.running.wait(SOON)
    service.stop()
    assert service.join(SOON)
    assert dead == []


def test_a_thread_that_cannot_start_can_be_tried_again(monkeypatch):
    service = Waiting()

    def fail(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            service.start()
    assert service.join()
    service.start()
    assert service.running.wait(SOON)
    service.stop()
    assert service.join(SOON)
