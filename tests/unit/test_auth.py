"""The gate's rules: who may call what, in which order the rules apply."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from hashlib import sha256

import pytest

from jexevents import smrthmac
from jexevents.errors import ConfigError, StoreUnavailable, Unavailable
from jexevents.model import Credential, Role
from jexevents.sidecar.auth import Attempt, Gate, Signer
from jexevents.sidecar.clients import KnownHosts, networks
from jexevents.sidecar.problems import Problem
from jexevents.sidecar.tokens import Tokens

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)


def credential(name: str, *roles: Role, expires_at=None) -> Credential:
    digest = sha256(name.encode()).digest()
    return Credential(name, name, digest, frozenset(roles), expires_at)


ALL = [
    *(credential(role.value, role) for role in Role),
    credential("old", Role.ADMIN, expires_at=NOW),
    credential("young", Role.ADMIN, expires_at=NOW + timedelta(seconds=1)),
]


def away() -> list[Credential]:
    raise StoreUnavailable


def gate(credentials=(), **options) -> Gate:
    load = credentials if callable(credentials) else lambda: credentials
    return Gate(Tokens(load), now=lambda: NOW, **options)


def attempt(token: str = "", *, method: str = "GET", peer: str = "127.0.0.1", **headers: str):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        fields["authorization"] = f"Bearer {token}"
    return Attempt(method, peer, fields)


def status(made: Gate, role: Role | None, tried: Attempt, **options) -> int:
    try:
        made.admit(role, tried, **options)
    except Problem as problem:
        return problem.status
    except Unavailable:
        return 503
    return 200


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("needed", Role)
def test_admin_includes_all_roles_and_the_others_nothing(held, needed):
    expected = 200 if held in (needed, Role.ADMIN) else 403
    assert status(gate(ALL), needed, attempt(held.value)) == expected


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("tokens", [(), ALL, away], ids=["no tokens", "tokens", "away"])
@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("opened", [frozenset(), frozenset({Role.READ})])
def test_without_a_token(role, tokens, local, opened):
    made = gate(tokens, anonymous_roles=opened)
    tried = attempt(peer="127.0.0.1" if local else "192.0.2.1")
    expected = 401
    if role in opened:
        expected = 200
    elif role in (Role.READ, Role.WRITE) and local:
        expected = {id(()): 200, id(ALL): 401, id(away): 503}[id(tokens)]
    assert status(made, role, tried) == expected


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer a b", "Bearer admin, Bearer admin", "Basic YTpi", "admin",
     "Digest x", "Bearer \xff", "Bearer " + "a" * 2000, "Bearer guess", "Bearer old"],
)  # fmt: skip
def test_bad_credentials_are_401_with_a_challenge_and_counted(authorization):
    made = gate(ALL, anonymous_roles=frozenset({Role.READ}))
    with pytest.raises(Problem) as caught:
        made.admit(Role.READ, attempt(authorization=authorization))
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith('Bearer realm="jexevents"')
    assert made.refused == 1


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_in_any_case(scheme):
    assert gate(ALL).admit(Role.RUN, attempt(authorization=f"{scheme}  run")).name == "run"


def test_only_failed_authentication_is_counted():
    made = gate(ALL)
    assert status(made, Role.RUN, attempt("read")) == 403
    assert status(made, Role.RUN, attempt("run")) == 200
    assert made.refused == 0


def test_expiry():
    assert status(gate(ALL), Role.READ, attempt("young")) == 200
    assert status(gate(ALL), Role.READ, attempt("old")) == 401


def test_an_expired_token_still_closes_what_needs_one():
    expired = [credential("old", Role.ADMIN, expires_at=NOW)]
    assert status(gate(expired), Role.READ, attempt()) == 401


def test_an_unknown_token_while_the_database_is_away_is_503():
    assert status(gate(away), Role.READ, attempt("read")) == 503


def test_the_caller_is_told():
    caller = gate(ALL).admit(Role.READ, attempt("admin", peer="192.0.2.1"))
    assert (caller.name, caller.credential_id, caller.address) == ("admin", "admin", "192.0.2.1")
    assert caller.has(Role.RUN)
    nobody = gate().admit(Role.READ, attempt())
    assert (nobody.name, nobody.credential_id) == ("anonymous", None)
    assert nobody.roles == {Role.READ, Role.WRITE}
    assert not nobody.has(Role.RUN)


def test_public_routes_do_not_look_at_tokens():
    made = gate(away)
    assert status(made, None, attempt("guess", peer="192.0.2.1")) == 200


def test_a_trusted_proxy_speaks_for_its_client():
    made = gate(trusted_proxies=networks(["127.0.0.1"]))
    assert status(made, Role.READ, attempt(x_forwarded_for="192.0.2.1")) == 401
    assert status(made, Role.READ, attempt(x_forwarded_for="127.0.0.1")) == 200
    assert status(made, Role.READ, attempt()) == 401


def test_what_came_through_an_unknown_proxy_is_not_local():
    for name in ("x_forwarded_for", "forwarded", "x_real_ip"):
        assert status(gate(), Role.READ, attempt(**{name: "127.0.0.1"})) == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("role", [None, Role.WRITE])
@pytest.mark.parametrize("token", ["", "write"])
def test_unsafe_methods_with_a_foreign_origin_are_403(method, role, token):
    foreign = attempt(token, method=method, origin="https://evil.example", host="localhost:1")
    assert status(gate(ALL), role, foreign, any_host=True) == 403
    own = attempt("write", method=method, origin="http://localhost:1", host="localhost:1")
    assert status(gate(ALL), role, own) == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_may_have_any_origin(method):
    tried = attempt("read", method=method, origin="https://evil.example", host="localhost")
    assert status(gate(ALL), Role.READ, tried) == 200


def test_an_unknown_host_is_403_without_credentials_only():
    made = gate(ALL, hosts=KnownHosts(allowed=["jex.example"]))
    assert status(made, Role.READ, attempt(host="evil.example")) == 403
    assert status(made, None, attempt(host="evil.example")) == 403
    assert status(made, None, attempt("read", host="evil.example")) == 403
    assert status(made, None, attempt(host="evil.example"), any_host=True) == 200
    assert status(made, Role.READ, attempt("read", host="evil.example")) == 200
    assert status(made, Role.READ, attempt("guess", host="evil.example")) == 401
    assert status(made, None, attempt(host="jex.example:8080")) == 200


@pytest.mark.parametrize("role", [Role.RUN, Role.ADMIN])
def test_run_and_admin_cannot_be_opened(role):
    with pytest.raises(ConfigError, match="AnonymousRoles"):
        gate(anonymous_roles=frozenset({Role.READ, role}))


SYSTEM = "2319db24-f46e-11e6-a35c-3c15c2cc8f88"
BOUND = Credential("bound", "bound", sha256(b"bound").digest(), frozenset(Role), system=SYSTEM)


def test_a_credential_of_one_system_is_for_its_routes_alone():
    made = gate([*ALL, BOUND])
    assert status(made, Role.READ, attempt("bound")) == 403
    caller = made.admit(Role.READ, attempt("bound"), systems=True)
    assert caller.system == SYSTEM
    assert made.admit(Role.READ, attempt("read"), systems=True).system is None
    assert status(made, Role.WRITE, attempt("bound"), nonces=True) == 403


def test_a_signature_is_good_by_a_clock_that_is_behind_and_not_ahead():
    made = gate(signers=[Signer("uid", "s")])
    for seconds, good in ((-100, True), (0, True), (100, False), (-200, False)):
        header = smrthmac.header("uid", "s", "GET", "/a", NOW.timestamp() + seconds)
        signed = Attempt("GET", "192.0.2.1", {"authentication": header}, path="/a")
        if good:
            assert made.admit(Role.READ, signed, systems=True).name == "hmac uid"
            continue
        with pytest.raises(Problem, match="not ahead of the server's, and at most 100 s behind"):
            made.admit(Role.READ, signed, systems=True)


def test_a_signature_is_looked_at_where_the_route_is_for_systems():
    header = smrthmac.header("uid", "s", "GET", "/a", NOW.timestamp())
    signed = Attempt("GET", "192.0.2.1", {"authentication": header}, path="/a")
    made = gate(ALL, signers=[Signer("uid", "s", SYSTEM)])
    caller = made.admit(Role.READ, signed, systems=True)
    assert (caller.name, caller.system, caller.roles) == (
        "hmac uid",
        SYSTEM,
        {Role.READ, Role.WRITE},
    )
    assert status(made, Role.READ, signed) == 401
    for role in (Role.RUN, Role.ADMIN):
        assert status(made, role, signed, systems=True) == 403
    assert made.refused == 1
    wrong = Attempt("GET", "127.0.0.1", {"authentication": header}, path="/b")
    assert status(gate(signers=[Signer("uid", "s")]), Role.READ, wrong, systems=True) == 401
    both = Attempt(
        "GET", "192.0.2.1", {"authentication": "x", "authorization": "Bearer read"}, path="/a"
    )
    assert made.admit(Role.READ, both, systems=True).name == "read"
    foreign = Attempt(
        "POST", "192.0.2.1", {**signed.headers, "origin": "https://evil.example"}, path="/a"
    )
    assert status(made, Role.READ, foreign, systems=True) == 403
