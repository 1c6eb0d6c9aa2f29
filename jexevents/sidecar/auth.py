"""Who may call what. The rules, in the order in which they are applied:

1. An unsafe method with a foreign ``Origin`` is 403, whoever calls.
2. Without credentials an unknown ``Host`` is 403.
3. A public route (no role) lets everybody in, and does not look at tokens.
4. A bearer token decides alone: unknown, expired or malformed is 401, without the role 403; a
   token that is unknown while the database cannot be asked is 503.
5. Where a route is for systems (of SMRT Link), ``Authentication: hmac UID:SIGNATURE`` does as a
   token does, with the roles ``read`` and ``write``; a signature that is not good is 401, on this
   machine too. A credential of one system is good for such routes alone, 403 elsewhere.
6. Where a route takes nonces, one in the query does as a token does with the route's role; who
   has neither is 401, on this machine too. Who guesses is 429 for a while.
7. Where a route takes sessions (the dashboard's pages and what they load), the cookie of somebody
   who signed in does as the token does that the session began with. One that has ended is as none.
   What changes anything needs a word out of the session beside it (``Caller.session``).
8. Without a token ``read`` and ``write`` are open as far as ``AnonymousRoles`` says, and, while
   the database holds no token at all, to callers on this machine. ``run`` and ``admin`` never.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from threading import Lock

from jexevents import smrthmac
from jexevents.errors import ConfigError
from jexevents.model import Credential, Role
from jexevents.sidecar.clients import Client, KnownHosts, Network, client_of
from jexevents.sidecar.problems import Problem, forbidden, unauthorized
from jexevents.sidecar.routes import SAFE_METHODS
from jexevents.sidecar.throttle import Throttle
from jexevents.sidecar.tokens import Tokens
from jexevents.store.nonces import Use
from jexevents.store.sessions import SignedIn

ANONYMOUS = "anonymous"
OPENABLE = frozenset({Role.READ, Role.WRITE})

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]{1,1024}=*)")
_NO_NONCE = (
    "The nonce is not known, or it is used up, revoked or expired. "
    "Nonces are made by `jexevents nonce`."
)
_SIGNATURE = smrthmac.HEADER.lower()
_NO_SIGNATURE = (
    "The Authentication is no signature by a client that is known (SMRTLinkClients): "
    "hmac UID:HASH, over METHOD+PATH+TIME, by a clock that is not ahead of the server's, and at "
    "most 100 s behind it."
)
# The cookie of the dashboard's sessions.
COOKIE = "jexevents_session"
_COOKIE = re.compile(rf"(?:^|[;,]) *{COOKIE}=([A-Za-z0-9_-]{{1,128}}) *(?:$|[;,])")
_NOBODYS = secrets.token_hex(16)
_MAKE_TOKEN = "Tokens are made by `jexevents token`; send one as Authorization: Bearer TOKEN."


@dataclass(frozen=True, slots=True)
class Attempt:
    """What decides on admission: ``peer`` is the socket's address, header names lower-case.

    ``nonce`` is the one in the query, where the route takes any. ``path`` is the one that was
    asked for, to the letter.
    """

    method: str
    peer: str
    headers: Mapping[str, str]
    nonce: str | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    """A client that signs its requests: its secret, and the system that it speaks for, or None."""

    uid: str
    secret: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the credential's name and id, or ``anonymous`` and None.

    ``job`` is the key of the only job that the credential is good for, None for all; ``system``
    the only system of SMRT Link. ``session`` is the word that forms of one who is signed in must
    have, None for one who comes otherwise.
    """

    name: str
    roles: frozenset[Role]
    address: str
    credential_id: str | None = None
    job: str | None = None
    system: str | None = None
    session: str | None = None

    def has(self, role: Role) -> bool:
        """Tell whether the caller has a role; ``admin`` includes the others."""
        return role in self.roles or Role.ADMIN in self.roles


@dataclass(frozen=True)
class Gate:
    """Decides on every request; see the rules at the top. Raises Problem for those refused.

    ``refused`` counts the requests that failed authentication (401); they are not kept.
    Raises ConfigError where ``anonymous_roles`` has more than ``read`` and ``write``.
    """

    tokens: Tokens
    anonymous_roles: frozenset[Role] = frozenset()
    trusted_proxies: Sequence[Network] = ()
    hosts: KnownHosts = field(default_factory=KnownHosts)
    use_nonce: Callable[[str], Use | None] = lambda _secret: None
    signers: Sequence[Signer] = ()
    throttle: Throttle = field(default_factory=Throttle)
    find_session: Callable[[str], SignedIn | None] = lambda _secret: None
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    _refusals: Counter = field(default_factory=lambda: Counter(), init=False)

    def __post_init__(self) -> None:
        check_anonymous(self.anonymous_roles)

    @property
    def refused(self) -> int:
        """How many requests were answered 401 so far."""
        return self._refusals.value

    def admit(
        self,
        role: Role | None,
        attempt: Attempt,
        *,
        any_host: bool = False,
        nonces: bool = False,
        systems: bool = False,
        sessions: bool = False,
    ) -> Caller:
        """Give the caller, who has ``role``.

        Raises Problem (401, 403, with ``nonces`` 429), Unavailable (503).
        """
        try:
            if nonces:
                caller = self._admit_known(role, attempt)
            else:
                caller = self._admit(role, attempt, any_host, systems, sessions)
            if caller.system is not None and not systems:
                raise forbidden("This credential is good for events and files of SMRT Link alone.")
            return caller
        except Problem as problem:
            if problem.status == 401:
                self._refusals.add()
            raise

    def _admit_known(self, role: Role, attempt: Attempt) -> Caller:
        self._refuse_foreign_origin(attempt)
        client = client_of(attempt.peer, attempt.headers, self.trusted_proxies)
        try:
            return self._by_token_or_nonce(role, attempt, client)
        except Problem as problem:
            # What is right is let in at once: nobody guesses one of 144 bits, and those who send
            # nonces that were used up must not keep others of their address out.
            if problem.status == 401 and (attempt.nonce or "authorization" in attempt.headers):
                self.throttle.check(client.address)
                self.throttle.failed(client.address)
            raise

    def _by_token_or_nonce(self, role: Role, attempt: Attempt, client: Client) -> Caller:
        authorization = attempt.headers.get("authorization")
        if authorization is not None:
            return self._by_token(role, authorization, client)
        if not attempt.nonce:
            raise unauthorized(f"This needs a token or a nonce (x-nonce=). {_MAKE_TOKEN}")
        use = self.use_nonce(attempt.nonce)
        if use is None:
            raise unauthorized(_NO_NONCE, "invalid_token")
        name = f"nonce {use.nonce_id}"
        return Caller(name, frozenset({role}), client.address, use.nonce_id, use.job)

    def _by_signature(self, role: Role, attempt: Attempt, client: Client) -> Caller:
        signer = self._signer(attempt)
        if signer is None:
            raise unauthorized(_NO_SIGNATURE)
        name = f"hmac {signer.uid}"
        caller = Caller(name, OPENABLE, client.address, name, system=signer.system)
        if not caller.has(role):
            raise forbidden(f"This needs a token with the role {role.value}.")
        return caller

    def _signer(self, attempt: Attempt) -> Signer | None:
        """Give who signed, None if nobody that is known did."""
        told = smrthmac.split(attempt.headers[_SIGNATURE])
        if told is None:
            return None
        uid, signature = told
        # One that nobody has is tried, too, so that an unknown UID takes as long.
        known = next((one for one in self.signers if one.uid == uid), None)
        secret = _NOBODYS if known is None else known.secret
        now = self.now().timestamp()
        good = smrthmac.is_signature(signature, secret, attempt.method, attempt.path, now)
        return known if good else None

    def _admit(
        self, role: Role | None, attempt: Attempt, any_host: bool, systems: bool, sessions: bool
    ) -> Caller:
        self._refuse_foreign_origin(attempt)
        client = client_of(attempt.peer, attempt.headers, self.trusted_proxies)
        authorization = attempt.headers.get("authorization") if role is not None else None
        if authorization is not None:
            return self._by_token(role, authorization, client)
        if systems and _SIGNATURE in attempt.headers:
            return self._by_signature(role, attempt, client)
        if sessions and role is not None:
            caller = self._by_session(role, attempt, client)
            if caller is not None:
                return caller
        if not any_host:
            self._refuse_unknown_host(role, attempt)
        return self._anonymous(role, client)

    def _by_session(self, role: Role, attempt: Attempt, client: Client) -> Caller | None:
        secret = session_of(attempt.headers)
        who = None if secret is None else self.find_session(secret)
        if who is None:
            return None
        caller = Caller(who.name, who.roles, client.address, who.id, session=word_of(secret))
        if not caller.has(role):
            told = f"This needs the role {role.value}"
            raise forbidden(f"{told}, which the token that you signed in with has not.")
        return caller

    def _refuse_foreign_origin(self, attempt: Attempt) -> None:
        origin = attempt.headers.get("origin")
        if origin is None or attempt.method in SAFE_METHODS:
            return
        if not self.hosts.is_own_origin(origin, attempt.headers.get("host", "")):
            raise forbidden("Pages of another origin may not change anything here.")

    def _refuse_unknown_host(self, role: Role | None, attempt: Attempt) -> None:
        if not self.hosts.knows(attempt.headers.get("host", "")):
            remedy = "Add the name to AllowedHosts" + (", or send a token." if role else ".")
            raise forbidden(f"This server does not know itself by that Host. {remedy}")

    def _by_token(self, role: Role, authorization: str, client: Client) -> Caller:
        credential = self._authenticate(authorization)
        caller = Caller(
            credential.name,
            credential.roles,
            client.address,
            credential.id,
            system=credential.system,
        )
        if not caller.has(role):
            raise forbidden(f"This needs the role {role.value}, which the token has not.")
        return caller

    def _authenticate(self, authorization: str) -> Credential:
        match = _BEARER.fullmatch(authorization.strip())
        if match is None:
            raise unauthorized(f"The Authorization is no bearer token. {_MAKE_TOKEN}")
        credential = self.tokens.find(match.group(1))
        if credential is None:
            raise unauthorized("The token is not known.", "invalid_token")
        if credential.expires_at is not None and credential.expires_at <= self.now():
            raise unauthorized("The token has expired.", "invalid_token")
        return credential

    def _anonymous(self, role: Role | None, client: Client) -> Caller:
        if role is None:
            return Caller(ANONYMOUS, frozenset(), client.address)
        if role in self.anonymous_roles:
            return Caller(ANONYMOUS, self.anonymous_roles, client.address)
        # The database is asked last: it may be away, and strangers get their 401 without it.
        if role not in OPENABLE or not client.local or self.tokens.any_exist():
            raise unauthorized(f"This needs a token with the role {role.value}. {_MAKE_TOKEN}")
        return Caller(ANONYMOUS, OPENABLE, client.address)


class Counter:
    """A number that threads count up together."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = Lock()

    def add(self) -> None:
        """Count one more."""
        with self._lock:
            self.value += 1


def session_of(headers: Mapping[str, str]) -> str | None:
    """Give the session that a request's cookies name, None if none; ``headers`` lower-case."""
    found = _COOKIE.search(headers.get("cookie", ""))
    return None if found is None else found.group(1)


def word_of(session: str) -> str:
    """Give the word that forms of a session must have: who does not know the session cannot tell
    it, and who knows the word cannot tell the session."""
    return hmac.new(session.encode(), b"jexevents form", hashlib.sha256).hexdigest()


def check_anonymous(roles: Iterable[Role]) -> None:
    """Raise ConfigError where roles are to be open to all that never may be."""
    for role in roles:
        if role not in OPENABLE:
            raise ConfigError(
                f"AnonymousRoles: {role.value} always needs a token.",
                remedy="Only read and write can be opened.",
            )
