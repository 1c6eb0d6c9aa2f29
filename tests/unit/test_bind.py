"""Which addresses are bound: the whole table."""

from __future__ import annotations

import pytest

from jexevents.errors import ConfigError
from jexevents.model import Role
from jexevents.sidecar.bind import EVERYWHERE, LOOPBACK, bound_names, decide

READ = frozenset({Role.READ})


@pytest.mark.parametrize(
    ("host", "tokens", "opened", "hosts", "warns"),
    [
        (None, True, (), EVERYWHERE, False),
        (None, False, READ, EVERYWHERE, False),
        (None, None, READ, EVERYWHERE, False),
        (None, False, (), LOOPBACK, True),
        (None, None, (), LOOPBACK, True),
        ("192.0.2.1", True, (), ("192.0.2.1",), False),
        ("192.0.2.1", False, READ, ("192.0.2.1",), False),
        ("192.0.2.1", None, (), LOOPBACK, True),
        ("jex.example", True, (), ("jex.example",), False),
        ("*", True, (), EVERYWHERE, False),
        ("0.0.0.0", True, (), ("0.0.0.0",), False),
        ("::", None, (), LOOPBACK, True),
        ("127.0.0.1", False, (), ("127.0.0.1",), False),
        ("127.0.0.1", None, (), ("127.0.0.1",), False),
        ("::1", False, (), ("::1",), False),
        ("localhost", False, (), ("localhost",), False),
    ],
)
def test_decision(host, tokens, opened, hosts, warns):
    binding = decide(host, 8080, tokens_exist=tokens, anonymous_roles=opened)
    assert (binding.hosts, binding.port) == (hosts, 8080)
    assert bool(binding.warning) == warns


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::", "*", "", "jex.example"])
def test_a_foreign_address_that_nothing_protects_is_refused_with_what_to_do(host):
    with pytest.raises(ConfigError, match="HTTPListenPort") as caught:
        decide(host, 8080, tokens_exist=False)
    for way in ("jexevents token", "AnonymousRoles", "loopback"):
        assert way in caught.value.remedy


def test_the_warning_says_what_to_do():
    assert "jexevents token" in decide(None, 8080, tokens_exist=False).warning
    assert "Restart" in decide(None, 8080, tokens_exist=None).warning


def test_names_of_a_binding():
    assert bound_names(decide(None, 1, tokens_exist=True)) == ("::", "::")
    assert bound_names(decide("192.0.2.1", 1, tokens_exist=True)) == ("192.0.2.1",)
