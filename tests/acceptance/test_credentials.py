"""Credentials: open on loopback until there is a token, and secrets that stay secret."""

import json
import re

import pytest

from tests.acceptance.support import make_token, rows, run, write_config
from tests.support import free_port

JOB = {
    "Submitter": "wregglej",
    "AppID": "c7f05682-23c8-4182-b9a2-e09650a5f49b",
    "CommandLine": "/bin/true",
    "CondorID": "222",
}
PASSWORD = "hunter2-hunter2"


def test_loopback_is_open_until_there_is_a_token(start, servers):
    daemon = start(**servers, TokenCacheSeconds=0).wait_ready()
    assert daemon.ask("POST", "/jobs", JOB).status == 201
    assert daemon.get("/ledger/jobs").status == 200
    make_token(daemon.config, "read")
    answer = daemon.get("/ledger/jobs")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert daemon.ask("POST", "/jobs", JOB).status == 401
    assert daemon.get("/healthz").status == daemon.get("/readyz").status == 200


def test_roles_decide(start, servers):
    daemon = start(**servers, TokenCacheSeconds=0).wait_ready()
    tokens = {role: make_token(daemon.config, role)[1] for role in ("read", "write", "admin")}
    asked = {
        role: (
            daemon.get("/ledger/jobs", token).status,
            daemon.ask("POST", "/jobs", JOB, token).status,
        )
        for role, token in tokens.items()
    }
    assert asked == {"read": (200, 403), "write": (403, 201), "admin": (200, 200)}
    assert daemon.get("/ledger/jobs", "jex_wrong").status == 401
    assert daemon.ask("GET", "/ledger/jobs", Authorization="Basic eDp5").status == 401


def test_token_is_shown_once_and_kept_as_its_hash(tmp_path, servers):
    config = write_config(tmp_path, servers)
    token_id, secret = make_token(config, "read", "write")
    assert re.fullmatch(r"jex_[\w-]{43}", secret)
    listed = run("token", "list", "--json", "--config", config)
    (row,) = json.loads(listed.out)
    assert (row["id"], row["roles"]) == (token_id, ["read", "write"])
    table = run("token", "list", "--config", config).out
    assert token_id in table
    for kept in (listed.out, table, dump(servers["DBURI"])):
        assert secret not in kept
        assert secret.removeprefix("jex_") not in kept
    assert run("token", "revoke", token_id, "--config", config).code == 0
    assert run("token", "revoke", token_id, "--config", config).code == 64
    assert json.loads(run("token", "list", "--json", "--config", config).out)[0]["revoked_at"]


def dump(uri):
    """Give all rows of all tables as text."""
    tables = rows(uri, "select tablename from pg_tables where schemaname = 'jex'")
    return "\n".join(str(rows(uri, f"select t::text from jex.{name} t")) for (name,) in tables)


def test_expired_token_opens_nothing(tmp_path, start, servers):
    daemon = start(**servers, TokenCacheSeconds=0).wait_ready()
    _, secret = make_token(daemon.config, "read")
    rows(servers["DBURI"], "update jex.tokens set expires_at = now() - interval '1 s'")
    assert daemon.get("/ledger/jobs", secret).status == 401
    assert daemon.get("/ledger/jobs").status == 401


@pytest.fixture
def with_passwords(servers):
    """The servers with passwords that are wrong, and so told of in errors."""
    amqp = servers["AMQPURI"].replace("guest:guest", f"guest:{PASSWORD}")
    port = free_port()
    return {"AMQPURI": amqp, "DBURI": f"postgres://jexevents:{PASSWORD}@127.0.0.1:{port}/jex"}


def test_passwords_are_told_to_nobody(start, with_passwords):
    daemon = start(**with_passwords)
    daemon.wait_logged("broker_away")
    told = [daemon.get(path).body.decode() for path in ("/readyz", "/ledger/jobs", "/healthz")]
    told += [said for command in ("check", "migrate") for said in say(daemon.config, command)]
    assert daemon.stop() == 0
    told.append(daemon.text)
    assert any("127.0.0.1" in text for text in told)
    assert not [text for text in told if PASSWORD in text]


@pytest.mark.parametrize(
    "uri",
    [
        f"host=127.0.0.1 port=1 user=jexevents password={PASSWORD} dbname=jex",
        f"postgres://127.0.0.1:1/jex?user=jexevents&password={PASSWORD}",
    ],
)
def test_every_form_of_a_password_is_hidden(uri, tmp_path):
    told = say(write_config(tmp_path, {"DBURI": uri}), "check")
    assert any("127.0.0.1" in text for text in told)
    assert not [text for text in told if PASSWORD in text]


def say(config, command):
    done = run(command, "--config", config)
    return done.out, done.err


def test_fault_of_a_uri_does_not_tell_its_password(tmp_path):
    for key, uri in (
        ("AMQPURI", f"amqp://user:{PASSWORD}@host:port/"),
        ("AMQPURI", f"http://user:{PASSWORD}@host/"),
        ("DBURI", f"postgres://user:{PASSWORD}@host:port/db"),
        ("DBURI", f"mysql://user:{PASSWORD}@host/db"),
        ("DBURI", f"host=a pasword={PASSWORD}"),
    ):
        done = run("check", "--config", write_config(tmp_path, {key: uri}))
        assert done.code == 78, (key, uri, done)
        assert key in done.err
        assert PASSWORD not in done.out + done.err


def test_short_tokens_of_administrators(tmp_path, servers):
    config = write_config(tmp_path, servers)
    made = run("token", "make", "--role", "admin", "--ttl", "1h", "--short", "--config", config)
    assert re.fullmatch("[0-9a-f]{16}\n", made.out)
    for bad in ([], ["--ttl", "25h"]):
        done = run("token", "make", "--role", "admin", "--short", *bad, "--config", config)
        assert done.code == 64
        assert "--ttl 24h" in done.err
    done = run("token", "make", "--role", "write", "--ttl", "1h", "--short", "--config", config)
    assert (done.code, "--role admin" in done.err) == (64, True)


# As long as notes are, and no markup of a terminal.
NOTE = "[red]for the reactor of the nightly pipeline"


def test_nonces_are_made_listed_and_revoked(tmp_path, servers):
    config = write_config(tmp_path, servers)
    made = run("nonce", "make", "--uses", "3", "--ttl", "1h", "--note", NOTE, "--config", config)
    secret = made.out.strip()
    assert len(secret) >= 20
    (row,) = json.loads(run("nonce", "list", "--json", "--config", config).out)
    assert (row["note"], row["uses"], row["max_uses"]) == (NOTE, 0, 3)
    table = run("nonce", "list", "--config", config).out
    assert row["id"] in table
    assert NOTE in table
    assert secret not in table
    assert run("nonce", "revoke", row["id"], "--config", config).code == 0
    assert run("nonce", "revoke", row["id"], "--config", config).code == 64
    assert run("nonce", "make", "--uses", "0", "--config", config).code == 64
