"""Where nothing may be sent to, whatever it is called; and a deadline over all that is done."""

from __future__ import annotations

import ipaddress
import time

import pytest

from jexevents.hooks import network

FORBIDDEN = [
    ipaddress.ip_network(text)
    for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32")
]


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::a9fe:a9fe",
        "::169.254.169.254",
        "::ffff:0:a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:5a9:fe:a9fe::",
        "64:ff9b:1:5:a9:fea9:fe00:0",
        "64:ff9b:1:5::a9fe:a9fe",
        "2001:0:a9fe:a9fe::",
        "2001:0:c000:207::5601:5601",
    ],
)
def test_forbidden_in_every_form(address: str) -> None:
    assert network.is_forbidden(address, FORBIDDEN)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:0.0.0.0"])
@pytest.mark.parametrize("loopback", ["127.0.0.0/8", "::1/128"])
def test_any_address_is_this_machine(address: str, loopback: str) -> None:
    assert network.is_forbidden(address, [ipaddress.ip_network(loopback)])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "169.253.255.255",
        "192.0.2.7",
        "fd00:ec2::253",
        "2001:db8::1",
        "::c000:207",
        "64:ff9b:1:c000:2:700::",
        "2001:0:c000:207::",
    ],
)
def test_others_are_not(address: str) -> None:
    assert not network.is_forbidden(address, FORBIDDEN)


def test_the_earlier_of_two_deadlines_holds() -> None:
    assert network.remaining() is None
    with network.deadline(60):
        with network.deadline(3600):
            assert network.remaining() <= 60
        with network.deadline(5):
            assert network.remaining() <= 5
        assert 50 < network.remaining() <= 60
    assert network.remaining() is None


def test_past_a_deadline_nothing_is_begun() -> None:
    with network.deadline(0):
        began = time.monotonic()
        with pytest.raises(network.OutOfTime):
            network.connect("127.0.0.1", 9)
        assert time.monotonic() - began < 60


def test_a_name_that_means_a_forbidden_address_is_refused_before_a_connection() -> None:
    with pytest.raises(network.Forbidden, match=r"localhost is .* HookForbiddenNetworks"):
        network.connect("localhost", 9, [ipaddress.ip_network("127.0.0.0/8"),
                                         ipaddress.ip_network("::1/128")])  # fmt: skip


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".example.org", ""])
def test_a_host_that_is_none_is_unreachable(host: str) -> None:
    with pytest.raises(network.Unreachable), network.deadline(30):
        network.connect(host, 9, FORBIDDEN)
