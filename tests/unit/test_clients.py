"""Where requests come from and under which name, by table; no socket involved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.errors import ConfigError
from jexevents.sidecar.clients import Authority, KnownHosts, authority, client_of, networks

PROXIES = networks(["10.0.0.0/8", "127.0.0.1", "2001:db8::/32"])


@pytest.mark.parametrize(
    ("peer", "headers", "trusted", "address", "local"),
    [
        ("127.0.0.1", {}, (), "127.0.0.1", True),
        ("127.8.9.1", {}, (), "127.8.9.1", True),
        ("::1", {}, (), "::1", True),
        ("::ffff:127.0.0.1", {}, (), "127.0.0.1", True),
        ("::ffff:192.0.2.1", {}, (), "192.0.2.1", False),
        ("192.0.2.1", {}, (), "192.0.2.1", False),
        ("::2", {}, (), "::2", False),
        ("fe80::1%eth0", {}, (), "fe80::1%eth0", False),
        ("0.0.0.0", {}, (), "0.0.0.0", False),
        ("", {}, (), "unknown", False),
        ("localhost", {}, (), "unknown", False),
        ("127.1", {}, (), "unknown", False),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, (), "127.0.0.1", False),
        ("127.0.0.1", {"x-forwarded-for": ""}, (), "127.0.0.1", False),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, (), "127.0.0.1", False),
        ("127.0.0.1", {"x-real-ip": "127.0.0.1"}, (), "127.0.0.1", False),
        ("127.0.0.1", {"via": "1.1 squid"}, (), "127.0.0.1", False),
        ("192.0.2.1", {"x-forwarded-for": "127.0.0.1"}, PROXIES, "192.0.2.1", False),
        ("127.0.0.1", {}, PROXIES, "unknown", False),
        ("127.0.0.1", {"x-real-ip": "127.0.0.1"}, PROXIES, "unknown", False),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, PROXIES, "192.0.2.7", False),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, PROXIES, "127.0.0.1", True),
        ("127.0.0.1", {"x-forwarded-for": "::1"}, PROXIES, "::1", True),
        ("10.1.2.3", {"x-forwarded-for": "127.0.0.1, 192.0.2.7"}, PROXIES, "192.0.2.7", False),
        ("10.1.2.3", {"x-forwarded-for": "192.0.2.7, 10.9.9.9"}, PROXIES, "192.0.2.7", False),
        ("10.1.2.3", {"x-forwarded-for": "10.9.9.8,10.9.9.9"}, PROXIES, "10.9.9.8", False),
        ("::ffff:10.1.2.3", {"x-forwarded-for": "192.0.2.7"}, PROXIES, "192.0.2.7", False),
        ("2001:db8::1", {"x-forwarded-for": "[::1]:4711"}, PROXIES, "::1", True),
        ("10.1.2.3", {"x-forwarded-for": "192.0.2.7:4711"}, PROXIES, "192.0.2.7", False),
        ("10.1.2.3", {"x-forwarded-for": "127.0.0.1, unknown"}, PROXIES, "unknown", False),
        ("10.1.2.3", {"x-forwarded-for": "127.0.0.1,"}, PROXIES, "unknown", False),
        ("10.1.2.3", {"x-forwarded-for": "127.0.0.1\n"}, PROXIES, "127.0.0.1", True),
    ],
)
def test_client(peer, headers, trusted, address, local):
    client = client_of(peer, headers, trusted)
    assert (client.address, client.local) == (address, local)


@given(st.text(max_size=20), st.text(max_size=60))
def test_a_foreign_peer_is_never_local_whatever_it_claims(peer, claims):
    for name in ("x-forwarded-for", "forwarded", "x-real-ip"):
        assert not client_of("192.0.2.1", {name: claims}, PROXIES).local
        assert not client_of("127.0.0.1", {name: claims}, ()).local
    assert not client_of(peer, {"x-forwarded-for": claims}, ()).local


def test_a_bad_network_is_a_config_error():
    with pytest.raises(ConfigError, match="TrustedProxies"):
        networks(["10.0.0.0/33"])


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("localhost", Authority("localhost")),
        ("LOCALHOST.:80", Authority("localhost", 80)),
        ("[::1]:8080", Authority("::1", 8080)),
        ("127.0.0.1", Authority("127.0.0.1")),
        ("::1", None),
        ("a b", None),
        ("a@b", None),
        ("a,b", None),
        ("a/b", None),
        ("", None),
        ("a:b", None),
    ],
)
def test_authority(text, read):
    assert authority(text) == read


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("", True),
        ("localhost", True),
        ("LocalHost:8080", True),
        ("jex.localhost", True),
        ("127.0.0.1:9", True),
        ("[::1]:9", True),
        ("[::ffff:127.0.0.1]", True),
        ("192.0.2.1:8080", True),
        ("192.0.2.2", False),
        ("jex.example.org", True),
        ("jex.example.org.:443", True),
        ("other.example.org:1", True),
        ("evil.example.org", False),
        ("localhost.evil.example", False),
        ("localhost, evil.example", False),
        ("evil.example@localhost", False),
        ("[::1", False),
        ("\xff", False),
    ],
)
def test_known_hosts(host, known):
    hosts = KnownHosts(["192.0.2.1"], ["other.example.org:1"], "https://jex.example.org/jex")
    assert hosts.knows(host) == known


def test_bound_everywhere_any_literal_address_is_known_and_no_name():
    hosts = KnownHosts(["0.0.0.0"])
    assert hosts.knows("192.0.2.9:8080")
    assert hosts.knows("[2001:db8::1]")
    assert not hosts.knows("evil.example")


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://localhost:8080", "localhost:8080", True),
        ("http://localhost", "localhost", True),
        ("http://localhost:80", "localhost", True),
        ("https://anything.example", "anything.example", True),  # the Host rule judges that one
        ("http://localhost:3000", "localhost:8080", False),
        ("http://127.0.0.1:8080", "localhost:8080", False),
        ("https://jex.example.org", "127.0.0.1:8080", True),
        ("http://jex.example.org", "127.0.0.1:8080", False),
        ("https://jex.example.org:444", "127.0.0.1:8080", False),
        ("https://ui.example.org", "127.0.0.1:8080", True),
        ("https://dev.example.org:8443", "127.0.0.1:8080", True),
        ("https://dev.example.org", "127.0.0.1:8080", False),
        ("null", "localhost", False),
        ("", "localhost", False),
        ("file://", "localhost", False),
        ("http://[", "localhost", False),
        ("http://localhost@evil.example", "localhost", False),
    ],
)
def test_origins(origin, host, own):
    hosts = KnownHosts((), ["ui.example.org", "dev.example.org:8443"], "https://jex.example.org")
    assert hosts.is_own_origin(origin, host) == own


def test_a_bad_allowed_host_is_a_config_error():
    with pytest.raises(ConfigError, match="AllowedHosts"):
        KnownHosts(allowed=["https://jex.example.org"])
