"""The webhooks over HTTP: what is shown of them, and sending again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.model import Arrival, Role
from jexevents.sidecar.app import App, build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.tokens import Tokens
from jexevents.store.database import Database
from jexevents.store.outbox import DEAD, DELIVERED, Delivery, Outbox, Result
from jexevents.store.tokens import Tokens as StoredTokens
from jexevents.validation import SCHEMAS
from tests.integration.web import Answer, assert_problem, bearer, call
from tests.ledger import NOON, executing, message, submitted, terminated
from tests.outbox import put

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOOK = {
    "Name": "portal", "URL": "https://u:hidden@example.org/hidden/in?x=hidden", "Secret": SECRET,
    "Headers": {"Authorization": "Bearer hidden"},
}  # fmt: skip
OPTIONS = {
    "Hooks": [HOOK, {"Name": "off", "URL": "https://example.org", "Disabled": True}],
    "EventURL": "http://example.org",
    "JEXURL": "http://u:hidden@jex.example.org/hidden",
}


@dataclass
class Place:
    """A ledger with hooks that nobody sends for, and the app over it."""

    database: Database
    woken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = from_mapping(OPTIONS)
        self.outbox = Outbox(self.database)
        self.tokens = StoredTokens(self.database)
        surface = wiring.Surfaces(self.config, self.database, wake=self.woken.extend).hooks()
        tokens = Tokens(self.tokens.in_force, cache_seconds=0, ask_again_seconds=0)
        self.app: App = build_app(surface.routes(), Gate(tokens), check_answers=True)
        self.admin = bearer(self.tokens.make("boss", [Role.ADMIN]).secret)

    def send(self, *events: str) -> None:
        arrivals = [Arrival(message(event), NOON, "amqp:test", "") for event in events]
        wiring.ingest(self.config, self.database).handle(arrivals)

    def claim(self) -> Sequence[Delivery]:
        return self.outbox.claim("portal", "test", 10, 60)

    def call(self, method: str, path: str, query: str = "") -> Answer:
        return call(self.app, method, path, query=query, **self.admin)

    def get(self, path: str, query: str = "") -> Any:
        answer = self.call("GET", path, query)
        assert answer.status == 200, answer.body
        return answer.json()

    def audit(self) -> list[tuple]:
        with self.database.look() as connection, connection.cursor() as cursor:
            cursor.execute("select credential, action from audit order by id")
            return [row for row in cursor.fetchall() if row[1].startswith("hook")]


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    pool = Database(database)
    yield Place(pool)
    pool.close()


def test_hooks_and_how_they_stand(place: Place) -> None:
    place.send(submitted(), executing(second=1), terminated(second=2))
    (first, second, third) = place.claim()
    place.outbox.finish([Result(first, DELIVERED, status=200), Result(second, DEAD, status=500)])
    place.outbox.release([third])
    portal, off, _, jex = place.get("/hooks")["items"]
    assert (portal["pending"], portal["delivered"], portal["dead"]) == (1, 1, 1)
    assert (portal["name"], portal["configured"], portal["disabled"]) == ("portal", True, False)
    assert portal["oldest_pending_at"] is not None
    assert (off["name"], off["disabled"], off["pending"]) == ("off", True, 0)
    assert (jex["name"], jex["options"]["Kinds"]) == ("jex-url", ["condor"])


def test_no_secret_is_shown(place: Place) -> None:
    text = place.call("GET", "/hooks").body.decode()
    assert "hidden" not in text
    assert SECRET.removeprefix("whsec_") not in text
    assert '"***"' in text
    assert '"https://example.org/***"' in text
    assert '"http://jex.example.org/***"' in text


def test_a_hook_that_is_configured_no_more_is_shown_as_such(place: Place) -> None:
    place.outbox.disable("gone", "The receiver answered 410 Gone.")
    gone = place.get("/hooks")["items"][-1]
    assert (gone["name"], gone["configured"], gone["options"]) == ("gone", False, {})
    assert gone["refused_by_receiver_at"] is not None
    assert "410" in gone["reason"]
    assert place.get("/hooks/gone/deliveries")["items"] == []


def test_deliveries_by_page_and_by_state(place: Place) -> None:
    place.send(*(executing(job=f"{job}.000.000") for job in range(1, 6)))
    first, *rest = place.claim()
    place.outbox.finish([Result(first, DEAD, status=500, error="no", answer="broken", seconds=0.5)])
    place.outbox.release(rest)
    page = place.get("/hooks/portal/deliveries", "limit=3")
    following = place.get(*page["next"].split("?"))
    assert following["next"] is None
    items = page["items"] + following["items"]
    assert [one["seq"] for one in items] == sorted((one["seq"] for one in items), reverse=True)
    (dead,) = place.get("/hooks/portal/deliveries", "state=dead")["items"]
    assert dead == items[-1]
    assert (dead["status"], dead["error"], dead["answer"]) == (500, "no", "broken")
    assert (dead["name"], dead["job"]["state"]) == ("EXECUTE", "Running")
    assert dead["message_id"] == f"msg_{first.message_id.replace('-', '')}"
    assert len(place.get("/hooks/portal/deliveries", "state=pending")["items"]) == 4
    assert SCHEMAS.check("hook_deliveries", page) == []


def test_a_delivery_is_sent_again(place: Place) -> None:
    place.send(submitted())
    (delivery,) = place.claim()
    path = f"/hooks/portal/deliveries/{delivery.id}/redeliver"
    assert "being sent" in assert_problem(place.call("POST", path), 409)["detail"]
    place.outbox.finish([Result(delivery, DEAD, status=500)])
    assert place.call("POST", path).status == 202
    assert place.woken == ["portal"]
    assert place.audit() == [("boss", "hook.redeliver")]
    (again,) = place.claim()
    assert again.message_id == delivery.message_id
    assert (again.attempts, again.tried_first_at) == (0, None)


@pytest.mark.parametrize(("name", "status"), [("portal", 409), ("off", 409), ("event-url", 202)])
def test_what_needs_no_event_is_sent_again_without(place: Place, name: str, status: int) -> None:
    (number,) = put(place, name, [1])
    (delivery,) = place.outbox.claim(name, "test", 10, 60)
    place.outbox.finish([Result(delivery, DEAD, status=500)])
    answer = place.call("POST", f"/hooks/{name}/deliveries/{number}/redeliver")
    assert answer.status == status


def test_a_hook_is_enabled(place: Place) -> None:
    assert_problem(place.call("POST", "/hooks/portal/enable"), 409)
    place.outbox.disable("portal", "The receiver answered 410 Gone.")
    assert place.call("POST", "/hooks/portal/enable").status == 204
    assert not place.outbox.is_disabled("portal")
    assert place.woken == ["portal"]
    assert place.audit() == [("boss", "hook.enable")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/hooks/none/deliveries"),
        ("POST", "/hooks/none/enable"),
        ("POST", "/hooks/none/deliveries/1/redeliver"),
        ("POST", "/hooks/portal/deliveries/1/redeliver"),
        ("POST", "/hooks/portal/deliveries/x/redeliver"),
        ("POST", f"/hooks/portal/deliveries/{'9' * 30}/redeliver"),
        ("POST", "/hooks/portal/deliveries/-1/redeliver"),
    ],
)
def test_what_is_not_there(place: Place, method: str, path: str) -> None:
    assert_problem(place.call(method, path), 404)


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "limit=1001", "before=x", "page=2"])
def test_bad_questions(place: Place, query: str) -> None:
    assert_problem(place.call("GET", "/hooks/portal/deliveries", query), 400)


@pytest.mark.parametrize("role", [Role.READ, Role.WRITE, Role.RUN])
def test_only_administrators_have_anything_sent(place: Place, role: Role) -> None:
    token = bearer(place.tokens.make("other", [role]).secret)
    for path in ("/hooks/portal/enable", "/hooks/portal/deliveries/1/redeliver"):
        assert_problem(call(place.app, "POST", path, **token), 403)
    expected = 200 if role is Role.READ else 403
    assert call(place.app, "GET", "/hooks", **token).status == expected
