import json
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pika
import pytest
from psycopg2.extensions import parse_dsn

from jexevents.config import (
    OPTIONS,
    ListenAddress,
    Option,
    from_mapping,
    help_text,
    hook_members_table,
    load,
    markdown_table,
    types,
)
from jexevents.errors import ConfigError
from jexevents.model import Role

ROOT = Path(__file__).resolve().parents[2]
MAILED = {"Name": "mailed", "URL": "mailto:ann@example.org"}

# The original's example, with its placeholders.
SEED = """
{
  "AMQPURI" : "amqp://<user>:<password>@<hostname>:<port>/",
  "ExchangeName" : "exchange",
  "ExchangeType" : "fanout",
  "RoutingKey" : "key",
  "ExchangeDurable" : true,
  "ExchangeAutodelete" : false,
  "ExchangeInternal" : false,
  "ExchangeNoWait" : false,
  "QueueName" : "queue",
  "QueueBindingKey" : "binding_key",
  "QueueDurable" : true,
  "QueueAutodelete" : false,
  "QueueInternal" : false,
  "QueueNoWait" : false,
  "ConsumerTag" : "tag",
  "DBURI" : "postgres://<username>:<password>@<hostname>:<port>/<dbname>?sslmode=disable",
  "HTTPListenPort" : ":8080"
}
"""


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="config.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)
        return path

    return write_file


def faults_of(call, *args):
    with pytest.raises(ConfigError) as caught:
        call(*args)
    return caught.value.faults


def fault_of(call, *args):
    (fault,) = faults_of(call, *args)
    return fault


# The file


def test_everything_has_a_default():
    config = load(None, {})
    assert config.amqp_uri == "amqp://guest:guest@localhost:5672/%2F"
    assert (config.exchange_name, config.exchange_type) == ("condor_events", "fanout")
    assert (config.queue_name, config.consumer_tag) == ("jexevents", "jexevents")
    assert config.http_listen_port == ListenAddress(None, 8080)
    assert (config.batch_size, config.prefetch_count, config.stream_limit) == (500, 1000, 32)
    assert config.warnings == ()
    assert config.path is None


def test_an_empty_object_is_the_same_as_no_file(write):
    path = write("{}")
    environ = {
        "JEXEVENTS_DBURI": "dbname=x",
        "JEXEVENTS_UPLOADDIR": "/uploads",
        "JEXEVENTS_JOBSDIR": "/jobs",
        "JEXEVENTS_POSITIONFILE": "/position",
    }
    config = load(path, environ)
    assert config == load(None, environ)
    assert config.path == path


def test_the_original_example_loads_verbatim(write):
    text = SEED.replace("<port>", "5672")
    for name in ("user", "username", "password", "hostname", "dbname"):
        text = text.replace(f"<{name}>", name)
    config = load(write(text), {})
    assert config.amqp_uri == "amqp://user:password@hostname:5672/%2F"
    assert config.db_uri == "postgres://username:password@hostname:5672/dbname?sslmode=disable"
    assert config.http_listen_port == (None, 8080)
    assert (config.routing_key, config.queue_binding_key) == ("key", "binding_key")
    assert config.warnings == ()


def test_the_original_example_is_refused_with_its_placeholders(write):
    faults = faults_of(load, write(SEED), {})
    assert {fault.key for fault in faults} == {"AMQPURI", "DBURI"}


def test_older_keys_load_and_say_that_they_do_nothing(write):
    older = {
        "LogPath": "/var/log/jex.log",
        "LogMaxSize": "10",
        "LogMaxBackups": 3,
        "QueueExclusive": True,
    }
    config = load(write(json.dumps(older)), {})
    assert config.queue_exclusive is True
    assert (config.log_max_size, config.log_max_backups) == (10, 3)
    assert len(config.warnings) == 3
    assert any("LogPath" in warning and "standard output" in warning for warning in config.warnings)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", ()),
        ([], ()),
        ("/var/log/condor/EventLog", ("/var/log/condor/EventLog",)),
        ("logs/*.log", ("{folder}/logs/*.log",)),
        (["~/EventLog", "a,b", "../x"], ("{home}/EventLog", "{folder}/a,b", "{above}/x")),
        (["/a", "/a", "/b/../a"], ("/a",)),
    ],
)
def test_logs_to_follow(written, meant, tmp_path):
    config = from_mapping({"EventLog": written}, tmp_path)
    places = {"folder": tmp_path, "above": tmp_path.parent, "home": Path.home()}
    assert config.event_log == tuple(one.format(**places) for one in meant)
    assert config.warnings == ()


@pytest.mark.parametrize("written", [1, None, {}, [""], ["  "], ["a", 1], ["a\nb"], ["x" * 4097]])
def test_logs_that_cannot_be_named_so(written):
    (fault,) = faults_of(from_mapping, {"EventLog": written})
    assert (fault.key, "a path or a pattern" in fault.expected) == ("EventLog", True)


def test_logs_to_follow_from_the_environment():
    assert load(None, {"JEXEVENTS_EVENTLOG": "/a, /b"}).event_log == ("/a", "/b")
    assert load(None, {"JEXEVENTS_EVENT_LOG": '["/a,b"]'}).event_log == ("/a,b",)


def test_the_samples_load():
    sample = load(ROOT / "etc/jexevents.json", {})
    assert sample.db_uri == f"embedded:{ROOT}/var/postgres"
    assert (sample.jobs_repository, sample.jobs_dir) == (
        f"{ROOT}/var/repository",
        f"{ROOT}/var/jobs",
    )
    # `make run` sets it, which knows the port.
    (warning,) = sample.warnings
    assert "Set PublicURL." in warning
    production = load(ROOT / "etc/jexevents.production.json", {})
    assert production.amqp_uri.startswith("amqps://")
    assert production.db_uri.startswith("postgres://")
    assert production.queue_arguments == {"x-queue-type": "quorum"}
    jobs = load(ROOT / "etc/jexevents.jobs.json", {})
    assert not any("PublicURL" in warning for warning in jobs.warnings)
    assert [secret.name for secret in jobs.job_secrets] == ["DB_PASSWORD"]
    monitor = load(ROOT / "etc/jexevents.monitor.json", {})
    assert monitor.event_log == ("/var/log/condor/EventLog",)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("./jobs", "{folder}/jobs"),
        ("../jobs.git", "{above}/jobs.git"),
        ("~/jobs", "{home}/jobs"),
        ("/srv/jobs.git", "/srv/jobs.git"),
        ("git@example.org:jobs.git", "git@example.org:jobs.git"),
        ("https://example.org/jobs.git", "https://example.org/jobs.git"),
        ("jobs.example.org:x", "jobs.example.org:x"),
        ("", ""),
    ],
)
def test_a_path_to_the_repository_counts_from_the_folder_of_the_file(write, written, meant):
    path = write(json.dumps({"JobsRepository": written}))
    above, home = path.parent.parent, Path.home()
    found = load(path, {}).jobs_repository
    assert found == meant.format(folder=path.parent, above=above, home=home)


def test_the_file_is_the_one_that_the_environment_names(write):
    path = write('{"QueueName": "mine"}')
    assert load(None, {"JEXEVENTS_CONFIG": str(path)}).queue_name == "mine"
    other = write('{"QueueName": "other"}', "other.json")
    assert load(other, {"JEXEVENTS_CONFIG": str(path)}).queue_name == "other"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "an empty file"),
        (b" \n ", "an empty file"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "byte order mark"),
        (b'{"QueueName": "\xff"}', "not UTF-8, at offset 15"),
        (b'{\n  "QueueName" "q"\n}', "line 2, column 15"),
        (b"[]", "another JSON value (array)"),
        (b"null", "another JSON value (null)"),
        (b'{"BatchMaxSeconds": NaN}', "NaN"),
        (b'{"QueueName": ' + b"9" * 5000 + b"}", "too long"),
        (b" " * (1024 * 1024 + 1), "more than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_configuration(write, content, part):
    path = write(content)
    fault = fault_of(load, path, {})
    assert fault.place == str(path)
    assert part in fault.got


def test_a_file_nested_too_deep(write):
    deep = '{"QueueArguments": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}"
    fault = fault_of(load, write(deep), {})
    assert "nest" in str(fault)


def test_a_file_that_is_not_there(tmp_path):
    assert "no such file" in fault_of(load, tmp_path / "none.json", {}).got
    assert "is a directory" in fault_of(load, tmp_path, {}).got


def test_a_key_that_stands_there_twice(write):
    fault = fault_of(load, write('{"QueueName": "a", "QueueName": "b"}'), {})
    assert (fault.key, fault.got) == ("QueueName", "it twice")


def test_a_key_twice_within_an_object(write):
    fault = fault_of(load, write('{"QueueArguments": {"x": 1, "x": 2}}'), {})
    assert fault.key == "x"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("QueName", "Did you mean QueueName?"),
        ("queuename", "Names are case-sensitive: did you mean QueueName?"),
        ("AmqpUri", "Names are case-sensitive: did you mean AMQPURI?"),
        ("zzzz", "Remove it."),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(key, hint):
    fault = fault_of(from_mapping, {key: "amqp://user:hidden@h/"})
    assert fault.remedy == hint
    assert "hidden" not in str(fault)


def test_all_faults_come_at_once(write):
    path = write('{"QueName": 1, "BatchSize": "500", "DBURI": 5, "ExchangeType": "fan"}')
    environ = {"JEXEVENTS_HTTPTHREADS": "many", "JEXEVENTS_NONSENSE": "1"}
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    keys = [fault.key for fault in caught.value.faults]
    assert sorted(keys) == [
        "BatchSize",
        "DBURI",
        "ExchangeType",
        "JEXEVENTS_HTTPTHREADS",
        "JEXEVENTS_NONSENSE",
        "QueName",
    ]
    assert "6 faults" in str(caught.value)
    assert all(key in str(caught.value) for key in keys)


# Values


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BatchSize", "500"),
        ("BatchSize", 500.0),
        ("BatchSize", True),
        ("BatchSize", 0),
        ("BatchSize", None),
        ("PrefetchCount", 65536),
        ("BatchMaxSeconds", True),
        ("BatchMaxSeconds", -1),
        ("BatchMaxSeconds", 1e400),
        ("QueueDurable", 1),
        ("QueueDurable", "true"),
        ("QueueName", ""),
        ("QueueName", "amq.mine"),
        ("QueueName", "x" * 256),
        ("QueueName", "ä" * 128),
        ("QueueName", "a\nb"),
        ("QueueName", "\ud800"),
        ("QueueName", ["q"]),
        ("ExchangeName", ""),
        ("ExchangeType", "fan"),
        ("ExchangeType", "x-"),
        ("QueueArguments", []),
        ("QueueArguments", {"": 1}),
        ("QueueArguments", {"x-max-length": 2**63}),
        ("QueueArguments", {"x": {"y": [2**64]}}),
        ("LogTimeZone", "Europe"),
        ("LogTimeZone", "Mars/Olympus"),
        ("LogTimeZone", "../../etc/passwd"),
        ("LogTimeZone", ""),
        ("LogTimeZone", 1),
        ("DBSchema", "Jex"),
        ("DBSchema", "jex; drop"),
        ("DBSchema", "pg_jex"),
        ("DBSchema", "j" * 64),
        ("NodeName", "a b"),
        ("NodeName", ""),
        ("LogLevel", "loud"),
        ("AllowedHosts", "host"),
        ("AllowedHosts", ["http://host"]),
        ("AllowedHosts", ["host:80"]),
        ("AllowedHosts", ["*"]),
        ("TrustedProxies", ["10.0.0.1/8"]),
        ("TrustedProxies", [1]),
        ("TrustedProxies", ["proxy.example.org"]),
        ("AnonymousRoles", ["admin"]),
        ("AnonymousRoles", ["run"]),
        ("AnonymousRoles", [["read"]]),
        ("PublicURL", "example.org"),
        ("PublicURL", "ftp://example.org"),
        ("PublicURL", "https://user:pw@example.org"),
        ("PublicURL", "https://example.org/?a=b"),
        ("EventURL", "nowhere"),
        ("LogMaxSize", "much"),
        ("LogMaxSize", -1),
        ("LogMaxSize", 1.5),
        ("HTTPMaxBodyBytes", 10),
    ],
)
def test_a_value_that_does_not_fit(key, value):
    fault = fault_of(from_mapping, {key: value})
    assert (fault.place, fault.key) == ("mapping", key)
    assert fault.expected
    assert fault.remedy.startswith("For instance: ")


def test_a_fault_says_what_came():
    assert fault_of(from_mapping, {"BatchSize": "500"}).got == 'the text "500"'
    assert fault_of(from_mapping, {"BatchSize": None}).got == "null"
    assert fault_of(from_mapping, {"BatchSize": [1]}).got == "the list [1]"
    long = fault_of(from_mapping, {"QueueName": "x" * 1000}).got
    assert len(long) < 120


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_every_option_refuses_what_is_of_no_type(option):
    # null and a number no port can have: nothing takes either.
    assert fault_of(from_mapping, {option.name: None}).key == option.name
    assert faults_of(from_mapping, {option.name: -70_000})


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_every_example_is_one(option):
    if option.example is not None:
        assert from_mapping({option.name: option.example})


@pytest.mark.parametrize(
    ("value", "address", "shown"),
    [
        (":8080", (None, 8080), ":8080"),
        ("8080", (None, 8080), ":8080"),
        (8080, (None, 8080), ":8080"),
        (0, (None, 0), ":0"),
        (":0", (None, 0), ":0"),
        ("localhost:8080", ("localhost", 8080), "localhost:8080"),
        ("127.0.0.1:1", ("127.0.0.1", 1), "127.0.0.1:1"),
        ("0.0.0.0:80", ("0.0.0.0", 80), "0.0.0.0:80"),
        ("[::1]:8080", ("::1", 8080), "[::1]:8080"),
        ("[::]:65535", ("::", 65535), "[::]:65535"),
    ],
)
def test_listen_addresses(value, address, shown):
    config = from_mapping({"HTTPListenPort": value})
    assert config.http_listen_port == address
    assert config.redacted()["HTTPListenPort"] == shown


@pytest.mark.parametrize(
    "value",
    [
        "",
        ":",
        "host",
        "host:",
        ":65536",
        65536,
        -1,
        80.0,
        True,
        "::1:80",
        "a b:80",
        "u@h:80",
        "\u0668\u0660",
    ],
)
def test_what_is_no_listen_address(value):
    assert fault_of(from_mapping, {"HTTPListenPort": value}).key == "HTTPListenPort"


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("amqp://h", "amqp://h/%2F"),
        ("amqp://h/", "amqp://h/%2F"),
        ("amqp://h:5672/", "amqp://h:5672/%2F"),
        ("amqp://h/%2F", "amqp://h/%2F"),
        ("amqp://h/%2f", "amqp://h/%2F"),
        ("amqp://h//", "amqp://h/%2F"),
        ("amqp://h/jex", "amqp://h/jex"),
        ("amqp://h/a/b", "amqp://h/a%2Fb"),
        ("amqps://u:p%40w@h/?heartbeat=5", "amqps://u:p%40w@h/%2F?heartbeat=5"),
        ("AMQP://[::1]:5672/x", "amqp://[::1]:5672/x"),
    ],
)
def test_amqp_uris(uri, normal):
    assert from_mapping({"AMQPURI": uri}).amqp_uri == normal


@pytest.mark.parametrize(
    ("uri", "vhost"),
    [("amqp://h", "/"), ("amqp://h//", "/"), ("amqp://h/%2F", "/"), ("amqp://h/a/b", "a/b")],
)
def test_the_virtual_host_is_for_pika_what_it_is_for_the_original(uri, vhost):
    parameters = pika.URLParameters(from_mapping({"AMQPURI": uri}).amqp_uri)
    assert parameters.virtual_host == vhost


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "h",
        "amqp:h",
        "http://h/",
        "amqp://",
        "amqp://u:p@/",
        "amqp://h:0/",
        "amqp://h:65536/",
        "amqp://h:port/",
        "amqp://u:p@w@h/",
        "amqp://u:p/w@h/",
        "amqp://u:p#w@h/",
        "amqp://u:p%zz@h/",
        "amqp://u:p%00@h/",
        "amqp://u:p%ff@h/",
        "amqp://u:p@0/w@h/",
        "amqp://u:1/w@h/",
        "amqp://u:1?w@h/",
        "amqp://u:p w@h/",
        "amqp://u:p[w@h/",
        "amqp://h/\n",
        5,
    ],
)
def test_what_is_no_amqp_uri(uri):
    fault = fault_of(from_mapping, {"AMQPURI": uri})
    assert fault.key == "AMQPURI"
    assert "p" not in fault.got.replace("(not shown, it may hold a password)", "")


@pytest.mark.parametrize(
    "uri",
    [
        "postgres://u:p@h:5432/db?sslmode=disable",
        "postgresql://h",
        "postgresql:///db?host=/tmp",
        "postgres://u@h1:5432,h2:5433,[::1]:5434/db?target_session_attrs=primary&connect_timeout=2",
        "postgres://%2Fvar%2Frun%2Fpostgresql/db",
        "postgres://u:p#w?d@h/db",
        "host=h dbname=jex",
        "host = h password = 'a b\\'c' dbname=jex",
        "host=h password=a\\ b options=",
        "embedded:/srv/data",
    ],
)
def test_database_uris(uri):
    assert from_mapping({"DBURI": uri}).db_uri == uri
    if not uri.startswith("embedded:"):
        assert parse_dsn(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        " ",
        "jex",
        "localhost/jex",
        "mysql://h/db",
        "postgres://h:port/db",
        "postgres://h:0/db",
        "postgres://h:99999/db",
        "postgres://u:p/w@h/db",
        "postgres://u:p%zz@h/db",
        "postgres://u:p%00@h/db",
        "postgres://u:p@h/%db",
        "postgres://u:p w@h/db",
        "postgres://h/db?sslmode",
        "postgres://h/db?password=a=b",
        "Host=h",
        "host=h password='open",
        "host=h password",
        "host=h\0",
        "embedded:",
        "embedded: ",
        5,
    ],
)
def test_what_is_no_database_uri(uri):
    assert fault_of(from_mapping, {"DBURI": uri}).key == "DBURI"


def test_the_embedded_path_counts_from_the_folder_of_the_file(write, tmp_path, monkeypatch):
    path = write('{"DBURI": "embedded:../data"}')
    assert load(path, {}).db_uri == f"embedded:{tmp_path.parent}/data"
    assert load(write("{}"), {}).db_uri == f"embedded:{tmp_path}/var/postgres"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load(path, {"JEXEVENTS_DBURI": "embedded:x"}).db_uri == f"embedded:{elsewhere}/x"
    assert load(None, {}).db_uri == f"embedded:{elsewhere}/var/postgres"
    monkeypatch.setenv("HOME", "/home/jex")
    assert load(None, {"JEXEVENTS_DBURI": "embedded:~/x"}).db_uri == "embedded:/home/jex/x"


def test_lists_and_words_come_out_ready_to_use():
    config = from_mapping(
        {
            "TrustedProxies": ["10.0.0.0/8", "::1"],
            "AllowedHosts": ["Jex.Example.ORG", "[::1]", "10.0.0.1"],
            "AnonymousRoles": ["read", "read"],
            "LogLevel": "WARNING",
            "ExchangeType": "x-delayed-message",
            "PublicURL": "https://jex.example.org/base/",
            "LogTimeZone": "Europe/Berlin",
        }
    )
    assert config.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert config.allowed_hosts == ("jex.example.org", "::1", "10.0.0.1")
    assert config.anonymous_roles == frozenset({Role.READ})
    assert config.log_level == "warning"
    assert config.exchange_type == "x-delayed-message"
    assert config.public_url == "https://jex.example.org/base"
    assert config.log_zone == ZoneInfo("Europe/Berlin")


def test_the_local_time_zone_is_one():
    assert isinstance(datetime.now(from_mapping({}).log_zone).utcoffset(), timedelta)


def test_derived_defaults_follow_what_they_derive_from():
    assert from_mapping({"BatchSize": 10}).prefetch_count == 20


@pytest.mark.parametrize(
    ("mapping", "part"),
    [
        ({"PrefetchCount": 499}, "PrefetchCount at least BatchSize"),
        ({"QueueArguments": {"x-queue-type": "quorum"}, "QueueDurable": False}, "quorum"),
        ({"QueueArguments": {"x-queue-type": "stream"}, "QueueExclusive": True}, "stream"),
        ({"Hooks": [MAILED]}, "both, for a hook has a mailto: URL"),
        ({"Hooks": [MAILED], "SMTPURI": "smtp://h"}, "both, for a hook has a mailto: URL"),
        ({"Hooks": [MAILED], "MailFrom": "a@b"}, "both, for a hook has a mailto: URL"),
    ],
)
def test_rules_over_several_options(mapping, part):
    assert part in fault_of(from_mapping, mapping).expected


def test_a_rule_over_options_that_nobody_gave_has_a_place():
    fault = fault_of(from_mapping, {"Hooks": [MAILED]})
    assert str(fault).startswith("default: SMTPURI, MailFrom: expected both")
    fault = fault_of(from_mapping, {"Hooks": [MAILED], "MailFrom": "a@b"})
    assert str(fault).startswith("mapping: SMTPURI, MailFrom: expected both")


def test_a_hook_may_send_mails_where_there_is_a_server():
    config = from_mapping({"Hooks": [MAILED], "SMTPURI": "smtps://h:1", "MailFrom": "a@b"})
    assert (config.smtp_uri, config.mail_from) == ("smtps://h:1", "a@b")
    from_mapping({"Hooks": [{**MAILED, "Disabled": True}]})


@pytest.mark.parametrize(
    "uri",
    [
        "mail.example.org",
        "http://h",
        "smtp://",
        "smtp://u@h",
        "smtp://:hidden@h",
        "smtp://u:hid/den@h",
        "smtp://u:hid?den@h",
        "smtp://u:hidd%C3%A4n@h",
        "smtp://h/path",
        "smtp://h?starttls=maybe",
        "smtps://h?starttls=none",
        "smtp://h?timeout=1",
        17,
    ],
)
def test_bad_mail_servers(uri):
    fault = fault_of(from_mapping, {"SMTPURI": uri})
    assert "hid" not in str(fault)


def test_a_file_of_authorities_counts_from_the_folder(tmp_path):
    config = from_mapping({"HookCAFile": "tls/ca.pem"}, tmp_path)
    assert config.hook_ca_file == str(tmp_path / "tls/ca.pem")
    assert from_mapping({"HookCAFile": "/ca.pem"}, tmp_path).hook_ca_file == "/ca.pem"
    assert from_mapping({}, tmp_path).hook_ca_file == ""


def test_the_password_of_the_mail_server_is_not_shown():
    config = from_mapping({"SMTPURI": "smtp://u:hidden@h?starttls=offered"})
    assert config.redacted()["SMTPURI"] == "smtp://u:***@h?starttls=offered"
    assert "hidden" not in repr(config)


# The environment


@pytest.mark.parametrize(
    ("variable", "text", "attribute", "value"),
    [
        ("JEXEVENTS_QUEUENAME", "mine", "queue_name", "mine"),
        ("JEXEVENTS_QUEUE_NAME", "mine", "queue_name", "mine"),
        ("JEXEVENTS_HTTPLISTENPORT", "9090", "http_listen_port", (None, 9090)),
        ("JEXEVENTS_HTTP_LISTEN_PORT", "[::1]:0", "http_listen_port", ("::1", 0)),
        ("JEXEVENTS_QUEUE_DURABLE", "no", "queue_durable", False),
        ("JEXEVENTS_QUEUE_AUTODELETE", "1", "queue_autodelete", True),
        ("JEXEVENTS_QUEUE_AUTODELETE", "True", "queue_autodelete", True),
        ("JEXEVENTS_BATCH_SIZE", "5", "batch_size", 5),
        ("JEXEVENTS_BATCH_MAX_SECONDS", "0.5", "batch_max_seconds", 0.5),
        ("JEXEVENTS_BATCH_MAX_SECONDS", "1", "batch_max_seconds", 1.0),
        ("JEXEVENTS_ALLOWED_HOSTS", "a, b,", "allowed_hosts", ("a", "b")),
        ("JEXEVENTS_ALLOWED_HOSTS", '["a"]', "allowed_hosts", ("a",)),
        ("JEXEVENTS_ALLOWED_HOSTS", "", "allowed_hosts", ()),
        ("JEXEVENTS_QUEUE_ARGUMENTS", '{"x": 1}', "queue_arguments", {"x": 1}),
        ("JEXEVENTS_LOG_MAX_SIZE", "3", "log_max_size", 3),
        ("JEXEVENTS_QUEUE_BINDING_KEY", "", "queue_binding_key", ""),
        ("JEXEVENTS_QUEUE_NAME", "500", "queue_name", "500"),
    ],
)
def test_a_variable_wins_over_the_file(write, variable, text, attribute, value):
    file = write('{"QueueName": "file", "QueueBindingKey": "file", "BatchSize": 7}')
    assert getattr(load(file, {variable: text, "PATH": "/bin"}), attribute) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("JEXEVENTS_QUEUE_DURABLE", "maybe"),
        ("JEXEVENTS_BATCH_SIZE", "5.0"),
        ("JEXEVENTS_BATCH_SIZE", "\u0665"),
        ("JEXEVENTS_BATCH_SIZE", ""),
        ("JEXEVENTS_BATCH_SIZE", "9" * 5000),
        ("JEXEVENTS_BATCH_MAX_SECONDS", "nan"),
        ("JEXEVENTS_QUEUE_ARGUMENTS", "x=1"),
        ("JEXEVENTS_ALLOWED_HOSTS", "[a"),
        ("JEXEVENTS_QUEUE_NAME", "\udcff"),
    ],
)
def test_a_variable_that_does_not_fit(variable, text):
    fault = fault_of(load, None, {variable: text})
    assert (fault.place, fault.key) == ("environment", variable)
    assert fault.remedy.startswith(f"For instance: {variable}=")


def test_a_variable_mends_what_is_wrong_in_the_file(write):
    assert load(write('{"BatchSize": "7"}'), {"JEXEVENTS_BATCHSIZE": "7"}).batch_size == 7


def test_the_same_key_by_two_variables_is_refused():
    fault = fault_of(load, None, {"JEXEVENTS_DBURI": "dbname=a", "JEXEVENTS_DB_URI": "dbname=a"})
    assert fault.got == "JEXEVENTS_DBURI as well"


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("JEXEVENTS_QUENAME", "JEXEVENTS_QUEUENAME"),
        ("JEXEVENTS_amqpuri", "JEXEVENTS_AMQPURI"),
        ("JEXEVENTS_DBURI_FIL", "JEXEVENTS_DBURI_FILE"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest(variable, hint):
    fault = fault_of(load, None, {variable: "postgres://u:hidden@h/"})
    assert hint in fault.remedy
    assert "hidden" not in str(fault)


def test_variables_that_are_no_options():
    assert load(None, {"JEXEVENTS_CACHE": "x", "JEXEVENTS_TEST_AMQP": "y", "JEXEVENTS": "z"})


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_from_a_file(write, end):
    path = write(f"postgres://u:p@h/db{end}", "secret")
    assert load(None, {"JEXEVENTS_DBURI_FILE": str(path)}).db_uri == "postgres://u:p@h/db"
    path = write(f"amqp://u:p@h/x{end}", "secret")
    assert load(None, {"JEXEVENTS_AMQP_URI_FILE": str(path)}).amqp_uri == "amqp://u:p@h/x"


def test_one_newline_alone_is_taken_off(write):
    fault = fault_of(load, None, {"JEXEVENTS_AMQPURI_FILE": str(write("amqp://h/x\n\n"))})
    assert fault.key == "JEXEVENTS_AMQPURI_FILE"


def test_a_secret_both_ways_is_refused(write):
    path = write("dbname=x")
    environ = {"JEXEVENTS_DBURI_FILE": str(path), "JEXEVENTS_DBURI": "dbname=x"}
    assert fault_of(load, None, environ).got == "JEXEVENTS_DBURI as well"


def test_a_secret_file_that_cannot_be_read(write, tmp_path):
    missing = {"JEXEVENTS_DBURI_FILE": str(tmp_path / "none")}
    assert "no such file" in fault_of(load, None, missing).got
    binary = {"JEXEVENTS_DBURI_FILE": str(write(b"\xff"))}
    assert "not UTF-8" in fault_of(load, None, binary).got


def test_only_secrets_come_from_files(write):
    environ = {"JEXEVENTS_QUEUENAME_FILE": str(write("x"))}
    assert fault_of(load, None, environ).remedy == "Only secrets have it."


# The value


def test_a_configuration_does_not_change():
    config = from_mapping({"QueueArguments": {"x": [1]}})
    with pytest.raises(AttributeError, match="does not change"):
        config.queue_name = "other"
    with pytest.raises(AttributeError, match="does not change"):
        config.warnings = ()
    with pytest.raises(AttributeError, match="does not change"):
        del config.queue_name
    config.queue_arguments["x"].append(2)
    assert config.queue_arguments == {"x": [1]}


def test_defaults_do_not_change_either():
    from_mapping({}).queue_arguments["x"] = 1
    assert from_mapping({}).queue_arguments == {}


def test_equal_configurations_are_equal():
    assert from_mapping({"QueueName": "q"}) == from_mapping({"QueueName": "q"})
    assert from_mapping({"QueueName": "q"}) != from_mapping({})
    assert len({from_mapping({}), from_mapping({})}) == 1
    assert from_mapping({}) != 1


def test_a_wrong_attribute_names_the_nearest():
    with pytest.raises(AttributeError, match="did you mean queue_name"):
        _ = from_mapping({}).queuename
    assert "queue_name" in dir(from_mapping({}))


def test_the_dump_loads_again():
    config = from_mapping({"AMQPURI": "amqp://h/", "TrustedProxies": ["10.0.0.0/8"]})
    dump = json.loads(json.dumps(config.redacted()))
    assert from_mapping(dump) == config
    assert list(dump) == list(OPTIONS)


def test_so_does_one_of_urls_that_nobody_may_see():
    given = {
        "EventURL": "https://hooks.example.org/services/T0/hidden?sig=hidden",
        "JEXURL": "http://u:hidden@jex:1234/hidden",
        "Hooks": [{"Name": "a", "URL": "https://example.org/in/hidden?sig=hidden"}],
    }
    dump = json.loads(json.dumps(from_mapping(given).redacted()))
    assert dump["EventURL"] == "https://hooks.example.org/***"
    assert dump["JEXURL"] == "http://jex:1234/***"
    assert dump["Hooks"][0]["URL"] == "https://example.org/***"
    assert from_mapping(dump).redacted() == dump


@pytest.mark.parametrize("key", ["EventURL", "JEXURL"])
def test_nor_does_a_fault_show_them(key):
    assert "hidden" not in str(fault_of(from_mapping, {key: "ftp://example.org/hidden"}))


def test_a_password_in_a_file_open_to_all_is_a_warning(write):
    path = write('{"DBURI": "postgres://u:hidden@h/"}')
    assert load(path, {}).warnings == ()
    path.chmod(0o644)
    (warning,) = load(path, {}).warnings
    assert str(path) in warning
    assert "hidden" not in warning
    harmless = write('{"DBURI": "postgres://u@h/", "AMQPURI": "amqp://guest:guest@localhost/"}')
    harmless.chmod(0o644)
    assert load(harmless, {}).warnings == ()


def test_a_secret_file_open_to_all_is_a_warning(write):
    path = write("dbname=x password=y")
    path.chmod(0o644)
    (warning,) = load(None, {"JEXEVENTS_DBURI_FILE": str(path)}).warnings
    assert "JEXEVENTS_DBURI_FILE" in warning


def test_no_secret_is_shown_that_is_no_uri():
    option = Option("NodeSecret", types.text(), "", "", secret=True)
    assert option.show("hidden") == "***"


# The documents


def test_the_documentation_is_up_to_date():
    text = (ROOT / "docs/configuration.md").read_text()
    assert text.endswith(markdown_table())
    assert f"\n{hook_members_table()}\n" in text


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_every_option_is_documented(option):
    text = (ROOT / "docs/configuration.md").read_text()
    assert f"| `{option.name}` |" in text
    assert option.name in help_text()
    assert option.help
    assert option.help.endswith(".")


def test_help_fits_a_terminal():
    too_long = [line for line in help_text(79).splitlines() if len(line) > 90]
    assert not too_long


def test_keys_of_the_original_are_all_there():
    assert set(json.loads(SEED)) <= set(OPTIONS)


def test_percent_encoding_of_a_password_survives():
    password = "a@b/c:d#e%f ä"
    word = quote(password, safe="")
    config = from_mapping({"AMQPURI": f"amqp://u:{word}@h/", "DBURI": f"postgres://u:{word}@h/db"})
    assert pika.URLParameters(config.amqp_uri).credentials.password == password
    assert parse_dsn(config.db_uri)["password"] == password


def test_variables_that_have_their_names_from_a_seed(tmp_path):
    variables = {"SMRTFLOW_SERVER_PORT": "8888", "SMRTFLOW_EVENT_ROOT_DIR": str(tmp_path)}
    config = load(None, {**variables, "SMRTFLOW_OTHER": "x"})
    assert (config.http_listen_port.host, config.http_listen_port.port) == (None, 8888)
    assert config.smrt_link_event_dir == str(tmp_path)
    both = {**variables, "JEXEVENTS_HTTPLISTENPORT": ":1"}
    with pytest.raises(ConfigError, match=r"SMRTFLOW_SERVER_PORT.*one variable a key"):
        load(None, both)
    with pytest.raises(ConfigError, match="SMRTFLOW_SERVER_PORT"):
        load(None, {"SMRTFLOW_SERVER_PORT": "many"})


def test_a_folder_counts_from_the_configurations_own(write):
    path = write('{"SMRTLinkEventDir": "events"}')
    assert load(path, {}).smrt_link_event_dir == str(path.parent / "events")
    assert load(path, {"SMRTFLOW_EVENT_ROOT_DIR": ""}).smrt_link_event_dir == ""


SYSTEM = "2319db24-f46e-11e6-a35c-3c15c2cc8f88"


def test_clients_that_sign(tmp_path):
    told = {"a": "pw", "b": {"Secret": "pw2", "System": SYSTEM.upper()}}
    config = from_mapping({"SMRTLinkClients": told})
    assert [tuple(one) for one in config.smrt_link_clients] == [
        ("a", "pw", None),
        ("b", "pw2", SYSTEM),
    ]
    assert "pw" not in repr(config)
    assert load(None, {"JEXEVENTS_SMRTLINKCLIENTS": json.dumps(told)}) == config
    (tmp_path / "clients").write_text(json.dumps(told))
    assert load(None, {"JEXEVENTS_SMRTLINKCLIENTS_FILE": str(tmp_path / "clients")}) == config


@pytest.mark.parametrize(
    "told",
    [
        [],
        "hunter2",
        {"a": ""},
        {"a": 7},
        {"a b": "hunter2"},
        {"a:b": "hunter2"},
        {"": "hunter2"},
        {"a": {"secret": "hunter2"}},
        {"a": {"Secret": "hunter2", "System": "x"}},
        {"a": {"System": SYSTEM}},
    ],
)
def test_clients_that_cannot_be_are_refused_and_not_shown(told):
    with pytest.raises(ConfigError) as caught:
        from_mapping({"SMRTLinkClients": told})
    assert "SMRTLinkClients" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_folder_of_uploads_counts_from_the_file(write):
    path = write("{}")
    assert load(path, {}).upload_dir == str(path.parent / "var/uploads")
    assert load(write('{"UploadDir": "../up"}'), {}).upload_dir == str(path.parent.parent / "up")
    assert load(None, {"JEXEVENTS_UPLOAD_DIR": "/up"}).upload_dir == "/up"
    with pytest.raises(ConfigError, match="UploadDir"):
        load(write('{"UploadDir": ""}'), {})


def test_the_secret_of_nodes_is_long_and_is_not_shown(write):
    secret = "a secret of 16 b"
    config = load(write(json.dumps({"NodeSecret": secret})), {})
    assert config.node_secret == secret
    assert config.redacted()["NodeSecret"] == "***"
    with pytest.raises(ConfigError, match="16 to 255") as caught:
        load(write(json.dumps({"NodeSecret": secret[1:]})), {})
    assert secret[1:] not in str(caught.value)
