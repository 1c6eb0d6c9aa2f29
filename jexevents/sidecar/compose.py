"""The sidecar as one service: all surfaces behind one gate, on the addresses it may bind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jexevents.errors import Unavailable
from jexevents.model import Credential, Role
from jexevents.observers import NOBODY, RequestObserver
from jexevents.sidecar.app import build_app
from jexevents.sidecar.auth import Gate, Signer
from jexevents.sidecar.bind import bound_names, decide
from jexevents.sidecar.clients import KnownHosts, networks
from jexevents.sidecar.routes import Route
from jexevents.sidecar.server import Server
from jexevents.sidecar.slots import SPARE_THREADS
from jexevents.sidecar.throttle import Throttle
from jexevents.sidecar.tokens import Tokens
from jexevents.store.nonces import Use
from jexevents.store.sessions import SignedIn


@dataclass(frozen=True, slots=True)
class Access:
    """Where the sidecar listens and whom it lets in; the names are the configuration's."""

    host: str | None
    port: int
    public_url: str = ""
    allowed_hosts: Sequence[str] = ()
    trusted_proxies: Sequence[str] = ()
    anonymous_roles: frozenset[Role] = frozenset()
    token_cache_seconds: float = 5.0
    threads: int = 8
    stream_limit: int = 32
    max_body_bytes: int = 1 << 20
    spool: Path | None = None


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The service to start and stop, the tokens to reread, and what the log should say."""

    server: Server
    tokens: Tokens
    warning: str


def sidecar(
    routes: Iterable[Route],
    access: Access,
    load_tokens: Callable[[], Sequence[Credential]],
    observer: RequestObserver = NOBODY,
    use_nonce: Callable[[str], Use | None] = lambda _secret: None,
    signers: Sequence[Signer] = (),
    throttle: Throttle | None = None,
    find_session: Callable[[str], SignedIn | None] = lambda _secret: None,
) -> Sidecar:
    """Put the routes of all surfaces behind one gate and one server, not started yet.

    Raises ConfigError where the configured address would be open to others unprotected.
    """
    tokens = Tokens(load_tokens, cache_seconds=access.token_cache_seconds)
    binding = decide(
        access.host,
        access.port,
        tokens_exist=_tokens_exist(tokens),
        anonymous_roles=access.anonymous_roles,
    )
    gate = Gate(
        tokens,
        anonymous_roles=access.anonymous_roles,
        trusted_proxies=networks(access.trusted_proxies),
        hosts=KnownHosts(bound_names(binding), access.allowed_hosts, access.public_url),
        use_nonce=use_nonce,
        signers=signers,
        throttle=throttle or Throttle(),
        find_session=find_session,
    )
    app = build_app(
        routes,
        gate,
        max_body_bytes=access.max_body_bytes,
        stream_limit=access.stream_limit,
        slots=access.threads,
        observer=observer,
    )
    # A long answer gives its slot to others and keeps its thread.
    threads = access.threads + access.stream_limit + SPARE_THREADS
    server = Server(
        app, binding, threads=threads, max_body_bytes=app.max_body_bytes, spool=access.spool
    )
    return Sidecar(server, tokens, binding.warning)


def _tokens_exist(tokens: Tokens) -> bool | None:
    try:
        return tokens.any_exist()
    except Unavailable:
        return None
