import html
import json
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from jexevents.config import from_mapping
from jexevents.errors import ConfigError
from jexevents.redaction import (
    is_secret_name,
    redact,
    redact_text,
    redact_uri,
    shown_url,
    without,
)

# Long enough not to stand in a message by chance.
MARK = "Zq7"
passwords = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(
    lambda text: f"{MARK}{text}{MARK}"
)
printable = st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), max_size=12).map(
    lambda text: f"{MARK}{text}{MARK}"
)


def dsn_quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def dsn_escaped(text):
    return "".join("\\" + char if char in " \t\n\\'" else char for char in text)


def shown_by(mapping):
    try:
        config = from_mapping(mapping)
    except ConfigError as exc:
        return f"{exc} {exc!r} {exc.faults!r}"
    return json.dumps(config.redacted()) + repr(config) + str(config) + repr(config.warnings)


@given(passwords)
def test_no_encoded_password_is_shown(password):
    assume("\0" not in password)
    word = quote(password, safe="")
    shown = shown_by({"AMQPURI": f"amqp://u:{word}@h/", "DBURI": f"postgres://u:{word}@h/db"})
    assert MARK not in shown
    assert shown.count("***") == 6


@given(passwords)
@example("@0/Zq7")
@example("5672/Zq7")
@example("1?Zq7")
def test_no_raw_password_is_shown(password):
    mapping = {
        "AMQPURI": f"amqp://u:{password}@h/",
        "DBURI": f"postgres://u:{password}@h/db",
        "EventURL": f"http://u:{password}@h/",
        "JEXURL": f"http://u:{password}@h/",
        "PublicURL": f"http://u:{password}@h/",
        "AllowedHosts": [f"http://u:{password}@h/"],
        "BatchSize": {"uri": f"http://u:{password}@h/"},
    }
    assert MARK not in shown_by(mapping)
    for key, value in mapping.items():
        assert MARK not in shown_by({key: value})


@given(passwords)
def test_no_password_of_a_connection_string_is_shown(password):
    assume("\0" not in password)
    for text in (dsn_quoted(password), dsn_escaped(password)):
        shown = shown_by({"DBURI": f"host=h password = {text} dbname=jex"})
        assert MARK not in shown


@given(printable)
def test_no_password_is_left_in_a_text(password):
    encoded = quote(password, safe="")
    assert MARK not in redact_text(f"cannot reach amqp://u:{password}@h/ or mail a@b")
    assert MARK not in redact_text(f'{{"uri": "postgres://u:{encoded}@h/db", "other": 1}}')
    assert MARK not in redact_text(f"invalid dsn: host=h password={dsn_quoted(password)} dbname=x")
    assert MARK not in redact_text(f"{{'password': {password!r}, 'user': 'u'}}")
    assert MARK not in redact_text(json.dumps({"Token": password}))
    assert MARK not in redact_text(f"postgres://h/db?user=u&pass%77ord={encoded}&sslmode=require")
    assert MARK not in redact_uri(f"postgres://h/db?password={encoded}")
    assert MARK not in redact_text(f"Authorization: Bearer {encoded}")


fragments = st.sampled_from(
    [
        "password",
        "token",
        "=",
        ":",
        " ",
        "'",
        '"',
        "\\",
        "Bearer ",
        "://",
        "u:",
        "@",
        "?",
        "&",
        "x",
        ",",
        "}",
        "*",
    ]
)


@example("://:PASSWORD=' '@")
@given(st.text() | st.lists(fragments).map("".join))
def test_redaction_never_fails_and_repeats_to_the_same(text):
    once = redact_text(text)
    assert redact_text(once) == once
    assert isinstance(redact_uri(text), str)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("amqp://user:pw@host:5672/vhost", "amqp://user:***@host:5672/vhost"),
        ("amqp://user@host/", "amqp://user@host/"),
        ("amqp://host:5672/", "amqp://host:5672/"),
        ("postgres://:pw@h/db", "postgres://:***@h/db"),
        ("postgres://u:p@w@h/db?sslmode=disable", "postgres://u:***@h/db?sslmode=disable"),
        ("postgres://h/db?sslpassword=pw&sslmode=x", "postgres://h/db?sslpassword=***&sslmode=x"),
        ("host=h password=pw dbname=x", "host=h password=*** dbname=x"),
        ("host=h password='p w' dbname=x", "host=h password='***' dbname=x"),
        ("host=h passfile=/x dbname=y", "host=h passfile=/x dbname=y"),
        ("embedded:/srv/data", "embedded:/srv/data"),
        ("http://[::1]:8080/a:b", "http://[::1]:8080/a:b"),
    ],
)
def test_what_is_shown_of_uris(uri, shown):
    assert redact_uri(uri) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.org/services/T0/B0/Zq7", "https://hooks.example.org/***"),
        ("https://example.org:8443/?sig=Zq7&x=1", "https://example.org:8443/***"),
        ("https://example.org?sig=Zq7", "https://example.org/***"),
        ("https://example.org/#Zq7", "https://example.org/***"),
        ("https://Zq7@example.org/", "https://example.org/***"),
        ("https://u:Zq7@example.org", "https://example.org/***"),
        ("http://u:5672/Zq7@h/", "http://***/***"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://example.org", "http://example.org"),
        ("http://[Zq7", "***"),
        ("mailto:ann@example.org", "mailto:ann@example.org"),
        ("", ""),
    ],
)
def test_of_a_url_that_is_sent_to_only_its_host_is_shown(url, shown):
    assert shown_url(url) == shown
    assert shown_url(shown) == shown


@given(printable.filter(lambda text: "***" not in text))
def test_a_secret_that_is_known_is_left_out_however_it_is_written(secret):
    for written in (
        secret,
        json.dumps({"it": secret}),
        json.dumps([secret]).replace("/", "\\/"),
        f"?a={quote(secret)}",
        f"?a={quote(secret, safe='')}",
        html.escape(secret),
    ):
        assert secret not in without([secret], f"I got <{written}>.")
        assert MARK not in without([secret, secret[:6]], f"I got <{written}>.")


def test_what_is_in_every_text_is_no_secret():
    assert without(["", "1", "abc"], "1 abc") == "1 abc"


@pytest.mark.parametrize(
    "text",
    [
        "the token expired",
        "password authentication failed for user jex",
        "12:30:01 worker 5 at node@example.org",
        'expected a token, got "x"',
        "tokens remembered",
    ],
)
def test_plain_sentences_stay(text):
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "name", ["password", "DBPassword", "db_password", "token", "X-Auth-Token", "nonce", "secrets"]
)
def test_names_of_secrets(name):
    assert is_secret_name(name)
    assert redact({name: "x", "nested": [{name: b"x"}]}) == {name: "***", "nested": [{name: "***"}]}


@pytest.mark.parametrize("name", ["token_id", "nonce_count", "passenger", "job", "secretary"])
def test_names_of_no_secrets(name):
    assert redact({name: "x"}) == {name: "x"}


def test_values_that_json_does_not_know():
    class Broken:
        def __str__(self):
            raise RuntimeError("no")

    assert redact({"a": {1}, "b": b"amqp://u:p@h", "c": Broken(), 5: None}) == {
        "a": [1],
        "b": "amqp://u:***@h",
        "c": "<Broken>",
        "5": None,
    }


def test_json_in_a_text_stays_json():
    text = json.dumps({"token": 'a"b', "user": "u", "list": [{"password": "x"}], "n": 1})
    assert json.loads(redact_text(text)) == {
        "token": "***",
        "user": "u",
        "list": [{"password": "***"}],
        "n": 1,
    }


@pytest.mark.parametrize(
    "piece",
    ["a", "a://x:", "://", "password", "password ", "token=", "?a", "&a=", "'", '"', "\\", "@"],
)
def test_no_text_takes_long(piece):
    # Quadratic time would be some minutes here.
    long = piece * (1_000_000 // len(piece))
    assert len(redact_text(long)) <= 2 * len(long)
    assert redact_uri(long)
