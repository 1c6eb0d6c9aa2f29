import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import types
import uuid
import warnings
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from jexevents import logs
from jexevents.model import Fault, Phase

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stream():
    stream = io.StringIO()
    logging.captureWarnings(False)
    logs.configure("info", stream)
    yield stream
    logging.captureWarnings(False)


def lines_of(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def line_of(stream):
    (line,) = lines_of(stream)
    return line


def test_a_line_is_one_json_object(stream):
    logs.get_logger("ingest").info("batch_stored", events=3, job=uuid.UUID(int=1))
    line = line_of(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "event": "batch_stored",
        "component": "ingest",
        "events": 3,
        "job": "00000000-0000-0000-0000-000000000001",
    }
    assert list(lines_of(stream)[0])[:3] == ["time", "level", "event"]


def test_lines_below_the_level_are_not_written(stream):
    log = logs.get_logger("x")
    log.debug("quiet")
    log.warning("loud")
    assert line_of(stream)["level"] == "warning"


def test_a_logger_made_before_configuring_follows():
    log = logs.get_logger("early")
    first, second = io.StringIO(), io.StringIO()
    logs.configure("info", first)
    log.info("one")
    logs.configure("debug", second)
    log.debug("two")
    assert line_of(first)["event"] == "one"
    assert line_of(second)["event"] == "two"


def test_bound_ids_are_on_every_line(stream):
    with structlog.contextvars.bound_contextvars(request="r1"):
        logs.get_logger("x").info("one")
    logs.get_logger("x").info("two")
    assert [line.get("request") for line in lines_of(stream)] == ["r1", None]


def test_libraries_come_out_the_same_way(stream):
    logging.getLogger("urllib3.adapters").info("quiet")
    logging.getLogger("urllib3.adapters").warning("lost %s", "amqp://u:hidden@h/")
    line = line_of(stream)
    assert (line["event"], line["level"]) == ("library_message", "warning")
    assert line["logger"] == "urllib3.adapters"
    assert line["message"] == "lost amqp://u:***@h/"


def test_a_library_that_formats_wrongly(stream):
    record = logging.LogRecord("urllib3", logging.ERROR, "", 0, "%d jobs", ("no number",), None)
    # To our handler alone: pytest has one on the root too, which raises.
    (ours,) = [one for one in logging.getLogger().handlers if type(one).__module__ == logs.__name__]
    ours.handle(record)
    assert line_of(stream)["message"] == "%d jobs"


def test_library_exceptions_and_warnings(stream):
    try:
        raise OSError("no route to amqp://u:hidden@h")
    except OSError:
        logging.getLogger("waitress").exception("failed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    failed, old = lines_of(stream)
    assert "OSError: no route to amqp://u:***@h" in failed["exception"]
    assert old["logger"] == "py.warnings"


def test_configuring_again_does_not_double(stream):
    logs.configure("info", stream)
    logging.getLogger("urllib3").warning("once")
    assert line_of(stream)["message"] == "once"


def raise_with(secret):
    try:
        raise ValueError(f"bad dsn postgres://u:{secret}@h/db")
    except ValueError as exc:
        raise RuntimeError(f"cannot connect, password={secret}") from exc


def test_an_exception_is_one_field_without_secrets(stream):
    log = logs.get_logger("x")
    secret = "hidden"
    try:
        raise_with(secret)
    except RuntimeError as exc:
        log.exception("failed")
        log.error("failed", exc_info=exc)
    for line in lines_of(stream):
        assert line["level"] == "error"
        assert "Traceback" in line["exception"]
        assert "ValueError" in line["exception"]
        assert "RuntimeError" in line["exception"]
        assert "hidden" not in line["exception"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_no_password_is_logged(text):
    password = f"Zq7{text}Zq7"
    encoded = quote(password, safe="")
    stream = io.StringIO()
    logs.configure("info", stream)
    log = logs.get_logger("x")
    log.info("fields", password=password, api_token=password, nested=[{"Authorization": password}])
    log.info("texts", uri=f"amqps://u:{encoded}@h/", dsn=f"host=h password={encoded}")
    log.info(f"postgres://u:{encoded}@h/")
    logging.getLogger("x").warning("Authorization: Bearer %s", encoded)
    try:
        raise_with(encoded)
    except RuntimeError:
        log.exception("failed")
    assert len(lines_of(stream)) == 5
    assert "Zq7" not in stream.getvalue()


class Broken:
    def __str__(self):
        raise RuntimeError("no")


def cyclic():
    value = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Broken(), "<Broken>"),
        (b"\xff", "\ufffd"),
        (float("nan"), "nan"),
        (Phase.ERROR, "ERROR"),
        (Fault("/a", "b", "c"), "/a: expected b, got c"),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        ({1: "a"}, {"1": "a"}),
        (None, None),
        (True, True),
        ("\ud800\u00e4\u2028", "\ud800\u00e4\u2028"),
    ],
)
def test_any_value_can_be_logged(stream, value, shown):
    logs.get_logger("x").info("any", value=value)
    assert line_of(stream)["value"] == shown


def test_a_value_that_cannot_be_shown_ends_nothing(stream):
    logs.get_logger("x").info("any", value=cyclic())
    assert line_of(stream)["event"] == "log_line_unprintable"


def test_a_number_too_long_to_write(stream):
    logs.get_logger("x").info("any", value=1 << 20_000)
    assert line_of(stream)["value"] == "<integer of 20001 bits>"


def test_long_fields_are_cut(stream):
    logs.get_logger("x").info("long", text="ab" * 100_000)
    assert len(stream.getvalue()) < 40_000


def test_fields_cannot_stand_in_for_the_head(stream):
    logs.get_logger("x").info("one", time="yesterday", level="none")
    line = line_of(stream)
    assert line["level"] == "info"
    assert line["time"].endswith("Z")


def test_a_closed_pipe_ends_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        logs.configure("info", stream)
        logs.get_logger("x").info("into_the_void")
        logging.getLogger("urllib3").warning("into the void")


def test_a_full_disk_ends_nothing():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as stream:
        logs.configure("info", stream)
        logs.get_logger("x").info("into_the_void")


class Failing(io.StringIO):
    fails = False

    def write(self, text):
        if self.fails:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_lost_lines_are_counted():
    stream = Failing()
    logs.configure("info", stream)
    log = logs.get_logger("x")
    stream.fails = True
    log.info("one")
    log.info("two")
    stream.fails = False
    log.info("three")
    log.info("four")
    events = [(line["event"], line.get("count")) for line in lines_of(stream)]
    assert events == [("log_lines_lost", 2), ("three", None), ("four", None)]


def test_a_torn_line_does_not_swallow_the_next(monkeypatch, tmp_path):
    path = tmp_path / "log"
    with path.open("w") as stream:
        writer = logs.LineWriter(stream)
        real = os.write
        results = iter([4, None])

        def write(descriptor, content):
            length = next(results, len(content))
            if length is None:
                raise OSError(28, "No space left on device")
            return real(descriptor, content[:length])

        monkeypatch.setattr(os, "write", write)
        writer.write("a torn line")
        writer.write("whole")
    lines = path.read_text().splitlines()
    assert lines[0] == "a to"
    assert json.loads(lines[1])["event"] == "log_lines_lost"
    assert lines[2] == "whole"


def test_no_stream_at_all():
    logs.LineWriter(None).write("x")


def test_lines_of_threads_do_not_mix(tmp_path):
    path = tmp_path / "log"
    with path.open("w") as stream:
        logs.configure("info", stream)
        log = logs.get_logger("x")
        barrier = threading.Barrier(8)

        def work(number):
            barrier.wait()
            for _ in range(100):
                log.info("many", number=number, text="x" * 5000)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["number"] for line in lines) == sorted(list(range(8)) * 100)


def test_a_process_with_a_closed_output_exits_as_it_wants():
    program = (
        "import sys\n"
        "from jexevents import logs\n"
        "logs.configure('info')\n"
        "sys.stdin.readline()\n"
        "logs.get_logger('x').info('into_the_void')\n"
        "sys.exit(0)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=30) == 0
