"""The parts of the event server's client: files, addresses, credentials, answers, forms."""

from __future__ import annotations

import io
import json
import uuid
from datetime import datetime, timezone
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.client import documents as reading
from jexevents.client.address import NoAddress, checked, of_configuration
from jexevents.client.credentials import NoCredential, Nothing, Signature, Token
from jexevents.client.documents import completed, documents
from jexevents.client.form import Upload
from jexevents.client.replies import Reply, judged, wait_asked_for
from jexevents.config import load, load_some
from jexevents.errors import ConfigError, Refused, ServerAway

SYSTEM = "2319db24-f46e-11e6-a35c-3c15c2cc8f88"
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
_OBJECTS = st.dictionaries(_TEXT, st.integers(-5, 5) | _TEXT, max_size=3)


def found(text: str | bytes) -> list[tuple[str, Any]]:
    body = text if isinstance(text, bytes) else text.encode()
    return [(one.place, one.document or one.fault) for one in documents(io.BytesIO(body))]


# --- the events of a file


@pytest.mark.parametrize("text", ['{"a": 1}', '\n {"a": 1}\n\n', "\ufeff" + '{"a": 1}'])
def test_one_event_in_a_line(text: str) -> None:
    assert [document for _, document in found(text)] == [{"a": 1}]


def test_one_event_over_several_lines() -> None:
    assert found('{\n  "a":\n 1}\n') == [("", {"a": 1})]


def test_an_array() -> None:
    events = [("entry 1", {"a": 1}), ("entry 2", {"b": 2})]
    assert found('[\n{"a": 1},\n{"b": 2}]') == events
    assert found('[{"a": 1}, {"b": 2}]') == [(f"line 1 {place}", one) for place, one in events]
    assert found("[]") == []


def test_lines() -> None:
    assert found('{"a": 1}\r\n\n{"b": 2}\n[{"c": 3}, {"d": 4}]') == [
        ("line 1", {"a": 1}), ("line 3", {"b": 2}), ("line 4 entry 1", {"c": 3}),
        ("line 4 entry 2", {"d": 4}),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_nothing(text: str) -> None:
    assert found(text) == []


def test_what_is_no_event_is_told_with_its_place_and_the_others_are_read() -> None:
    lines = found('{"a": 1}\nx\n7\n{"b": 1, "b": 2}\n{"c": "\\u0000"}\n{"d": 4}')
    assert [place for place, _ in lines] == [f"line {number}" for number in range(1, 7)]
    assert [type(one) for _, one in lines] == [dict, str, str, str, str, dict]
    assert "got number" in lines[2][1]
    ((place, fault),) = found("{\n x")
    assert place == ""
    assert "line 2" in fault
    assert found('["x"]') == [("line 1 entry 1", "expected a JSON object, got string")]


def test_lines_are_given_as_they_come() -> None:
    """As of a pipe that stays open: what is behind a line is not read before it is given."""

    class Pipe(io.BytesIO):
        def read(self, *_size: int) -> bytes:
            raise AssertionError("it would wait for the end")

    stream = Pipe(b'{"a": 1}\n{"b": 2}\n')
    given_so_far = documents(stream)
    assert next(given_so_far).document == {"a": 1}
    assert stream.tell() == len(b'{"a": 1}\n')
    assert next(given_so_far).document == {"b": 2}


def test_what_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    long = b'{"a": "' + b"x" * 100 + b'"}'
    assert [place for place, _ in found(b'{"a": 1}\n' + long + b"\n{}")] == ["line 1", "line 2"]
    ((_, fault),) = found(b"{\n" + long)
    assert "more than 100 bytes" in fault
    ((_, fault),) = found(b"{" + b" " * 200)
    assert "more than 100 bytes" in fault


@given(st.lists(_OBJECTS, min_size=1, max_size=4))
def test_all_forms_say_the_same(events: list[dict]) -> None:
    for text in (
        "\n".join(map(json.dumps, events)),
        json.dumps(events),
        json.dumps(events, indent=1, ensure_ascii=False),
    ):
        assert [one.document for one in documents(io.BytesIO(text.encode()))] == events


@given(st.binary(max_size=60))
def test_any_bytes_are_events_or_faults(body: bytes) -> None:
    for one in documents(io.BytesIO(body)):
        assert (one.document is None) == bool(one.fault)


def test_missing_ids_are_added() -> None:
    assert completed({"a": 1}, None) == {"a": 1}
    made = completed({"a": 1}, SYSTEM)
    assert made["smrtLinkId"] == SYSTEM
    assert uuid.UUID(made["uuid"]).version == 4
    assert completed({}, SYSTEM)["uuid"] != made["uuid"]
    whole = {"smrtlinkId": "x", "uuid": None}
    assert completed(whole, SYSTEM) == whole


# --- addresses


def test_addresses() -> None:
    assert checked("https://h/prefix/") == "https://h/prefix"
    assert checked("http://[::1]:80") == "http://[::1]:80"
    for wrong in ("h:80", "ftp://h", "http://", "http://h:x", "http://h:0", "http://u:p@h", "/x",
                  "http://h?a", "http://h#a", "http://[::1"):  # fmt: skip
        with pytest.raises(NoAddress):
            checked(wrong)


@pytest.mark.parametrize(
    ("public", "host", "port", "url"),
    [
        ("https://jex.example.org/", None, 8080, "https://jex.example.org"),
        ("", None, 8080, "http://127.0.0.1:8080"),
        (None, "0.0.0.0", 80, "http://127.0.0.1:80"),
        (None, "::", 80, "http://[::1]:80"),
        (None, "10.0.0.7", 80, "http://10.0.0.7:80"),
    ],
)
def test_the_address_of_the_configuration(public, host, port, url) -> None:
    assert of_configuration(public, host, port) == url


def test_a_port_that_is_not_known() -> None:
    with pytest.raises(NoAddress, match="--url"):
        of_configuration(None, None, 0)


def test_of_the_configuration_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "jexevents.json"
    path.write_text('{"PublicURL": "http://a", "DBURI": 7, "Nonsense": 1, "HTTPListenPort": ":1"}')
    environ = {"JEXEVENTS_DBURI_FILE": "/nowhere", "JEXEVENTS_NO_SUCH": "x", "JEXEVENTS_TOKEN": "t"}
    names = ("PublicURL", "HTTPListenPort")
    some = load_some(path, {**environ, "SMRTFLOW_SERVER_PORT": "2"}, *names)
    assert (some["PublicURL"], some["HTTPListenPort"].port) == ("http://a", 2)
    assert load_some(None, {"JEXEVENTS_CONFIG": str(path)}, *names)["PublicURL"] == "http://a"
    assert load_some(None, {}, *names)["HTTPListenPort"].port == 8080
    with pytest.raises(ConfigError, match="HTTPLISTENPORT"):
        load_some(path, {"JEXEVENTS_HTTPLISTENPORT": "x"}, *names)
    with pytest.raises(ConfigError):
        load_some(tmp_path / "none", {}, *names)


def test_the_clients_variables_are_no_options() -> None:
    names = ("TOKEN", "TOKEN_FILE", "SMRTLINK_SECRET", "SMRTLINK_SECRET_FILE")
    environ = {f"JEXEVENTS_{name}": "x" for name in names}
    assert load(None, environ) == load(None, {})


# --- credentials


def test_credentials() -> None:
    assert Nothing().headers("POST", "/") == {}
    assert Token("jex_x").headers("POST", "/") == {"Authorization": "Bearer jex_x"}
    signed = Signature("uid", "example-secret", lambda: 1_795_320_000.0)
    assert signed.headers("POST", "/api/v1/events") == {
        "Authentication": "hmac uid:wzTe73Nyp7Q+jY282Ra2rXKw+fE7uX5KTuUyUUH9qMk="
    }
    assert "example-secret" not in repr(signed)
    assert "jex_x" not in repr(Token("jex_x"))


def test_a_signature_is_made_anew_for_each_attempt() -> None:
    times = iter([0.0, 100.0])
    signed = Signature("uid", "s", lambda: next(times))
    assert signed.headers("POST", "/") != signed.headers("POST", "/")


@pytest.mark.parametrize(
    ("make", "arguments"),
    [(Token, [""]), (Token, ["a\nb"]), (Token, ["ü"]), (Signature, ["", "s"]),
     (Signature, ["a b", "s"]), (Signature, ["a", ""])],
)  # fmt: skip
def test_what_is_no_credential(make, arguments) -> None:
    with pytest.raises(NoCredential):
        make(*arguments)


# --- answers


def test_answers() -> None:
    assert judged(Reply(201, {}, {"a": 1})) == {"a": 1}
    faults = [{"pointer": "/uuid", "expected": "a UUID", "got": '"x"'}, 7, {"pointer": ""}]
    problem = {"detail": "No event.", "errors": faults}
    with pytest.raises(Refused) as caught:
        judged(Reply(422, {}, problem))
    assert caught.value.status == 422
    assert "No event." in str(caught.value)
    assert caught.value.faults[0] == '/uuid: expected a UUID, got "x"'
    for document in (None, [], "x", {"detail": 7, "errors": {}}):
        with pytest.raises(Refused):
            judged(Reply(400, {}, document))
    with pytest.raises(Refused, match="https://other"):
        judged(Reply(302, {"Location": "https://other"}, None))
    for reply in (Reply(500, {}, None), Reply(507, {}, problem), Reply(200, {}, None)):
        with pytest.raises(ServerAway):
            judged(reply)


def test_what_a_server_says_cannot_write_to_the_terminal() -> None:
    with pytest.raises(Refused) as caught:
        judged(Reply(422, {}, {"detail": "\x1b[2J" + "x" * 5000}))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("", 0), ("soon", 0), ("-1", 0), ("9" * 50, 86_400), ("٣", 0),
     ("Thu, 26 Nov 2026 12:00:30 GMT", 30), ("Thu, 26 Nov 2026 11:00:00 GMT", 0),
     ("Thu, 26 Nov 2026 12:00:30 -0000", 30)],
)  # fmt: skip
def test_retry_after(text: str, seconds: float) -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
    assert wait_asked_for(Reply(503, {"Retry-After": text}, None), now) == seconds


# --- forms


@pytest.mark.parametrize("name", ["a.tgz", 'a "quoted".tgz', "ü.tgz", "a\nb.tgz"])
@pytest.mark.parametrize("size", [1, 7, 1 << 16, -1])
def test_a_form_has_the_file_as_it_is(tmp_path: Path, name: str, size: int) -> None:
    path, content = tmp_path / name, b"\r\n--x\r\n" * 30
    path.write_bytes(content)
    upload = Upload(path, "file")
    for _ in range(2):
        with upload.opened() as form:
            length = len(form)
            body = b"".join(iter(lambda form=form: form.read(size), b""))
        assert len(body) == length
    head = f"Content-Type: {upload.content_type}\r\n\r\n".encode()
    (part,) = message_from_bytes(head + body).get_payload()
    assert part.get_payload(decode=True) == content
    escaped = name.replace('"', "%22").replace("\n", "%0A").encode()
    assert b'; name="file"; filename="' + escaped + b'"\r\n' in body


def test_a_file_that_becomes_shorter_is_no_shorter_form(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes(b"x" * 1000)
    with Upload(path, "file").opened() as form:
        path.write_bytes(b"")
        with pytest.raises(OSError, match="shorter"):
            b"".join(form)
