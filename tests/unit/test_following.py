"""Streams of events: read in any pieces, made again when they are cut, looked for where none is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.cli.tail import polled
from jexevents.client import sse
from jexevents.client.following import Follower, query_of
from jexevents.client.poster import Interrupted
from jexevents.client.replies import Reply
from jexevents.client.sse import ServerEvent, events
from jexevents.errors import Refused, ServerAway

STREAM = (
    "retry: 5\n\n: there\n\nid: 1\nevent: a\ndata: x\ndata:  \u00e4\n\ndata: y\r\n\r\nid: 2\ndata"
)
READ = [ServerEvent("a", "x\n \u00e4", "1"), ServerEvent("message", "y", "1")]


@given(st.data())
def test_events_are_the_same_in_any_pieces(data: st.DataObject) -> None:
    text = STREAM.encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert [one for one in events(pieces) if one] == READ


def test_an_event_is_given_as_soon_as_it_is_whole() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"data: 1\n\n"
        raise AssertionError("the next piece was asked for")

    assert next(events(pieces())) == ServerEvent("message", "1", "")


def test_an_event_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    with pytest.raises(ServerAway):
        list(events([b"data: ", b"x" * 101]))
    with pytest.raises(ServerAway):
        list(events([b"data: x\n"] * 100))


class Server:
    """Gives answers in their order: pieces of a stream, replies, or how it was cut."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    @contextmanager
    def opened(self, _path: str, fields: dict[str, str]) -> Iterator[Any]:
        self.asked.append(fields.get("Last-Event-ID", ""))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield answer if isinstance(answer, Reply) else self._pieces(answer)

    @staticmethod
    def _pieces(text: str) -> Iterator[bytes]:
        yield text.removesuffix("CUT").encode()
        if text.endswith("CUT"):
            raise Interrupted("cut")


END = "id: 9:end\nevent: end\ndata: {}\n\n"


def followed(server: Server, patience: float = 10.0) -> list[str]:
    clock = [0.0]

    def wait(seconds: float) -> None:
        clock[0] += max(seconds, 1.0)

    follower = Follower(server, patience, lambda _: None, clock=lambda: clock[0], wait=wait)
    return [event.data for event in follower.events("/x")]


def test_a_stream_that_is_cut_goes_on_behind_its_last_event() -> None:
    server = Server(
        "id: 1\ndata: a\n\nid: 2\ndata: bCUT",
        Interrupted("no connection"),
        Reply(503, {"Retry-After": "1"}, {}),
        "id: 2\ndata: b\n\n" + END,
    )
    assert followed(server) == ["a", "b", "{}"]
    assert server.asked == ["", "1", "1", "1"]


def test_a_stream_that_tells_nothing_but_an_id_goes_on_behind_that() -> None:
    server = Server("id: 1\ndata: a\n\n: quiet\nid: 7\n\n: quiet\nid: 7\n\nCUT", END)
    assert followed(server) == ["a", "{}"]
    assert server.asked == ["", "7"]


def test_who_had_all_already_is_told_the_end() -> None:
    assert followed(Server(Reply(204, {}, None))) == ["{}"]


def test_a_refusal_ends_it_and_so_does_a_server_that_stays_away() -> None:
    with pytest.raises(Refused):
        followed(Server(Reply(404, {}, {"detail": "no"})))
    with pytest.raises(ServerAway):
        followed(Server(*[Interrupted("no connection")] * 100))


def test_queries() -> None:
    assert query_of({"a": None, "b": 1, "c": "x y"}) == "?b=1&c=x+y"
    assert query_of({"a": None}) == ""


class Ledger:
    """Events by their numbers, as a server without a stream lists them."""

    def __init__(self) -> None:
        self.stored: list[int] = []

    def get(self, path: str) -> dict[str, Any]:
        assert path.startswith("/ledger/events?")
        return {"items": [{"seq": one} for one in sorted(self.stored, reverse=True)], "next": None}


def test_what_is_looked_for_again_and_again_is_told_once_and_nothing_is_missed() -> None:
    ledger = Ledger()
    ledger.stored = [5, 6]
    rounds = iter([[7, 9], [], [8], [10]])  # 8 was given its number before 9, and stored behind it
    newest = ledger.get("/ledger/events?")["items"]
    found = polled(ledger, newest, wait=lambda _: ledger.stored.extend(next(rounds)))
    assert [next(found)["seq"] for _ in range(4)] == [7, 9, 8, 10]
