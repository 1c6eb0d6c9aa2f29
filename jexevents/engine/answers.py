"""The errors of the library docker, and of those below it, as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import requests
import urllib3.exceptions

from jexevents.errors import Clash, EngineRefused, EngineUnavailable, NotThere
from jexevents.faults import fit

WORDS_CHARACTERS = 2000

# What a proxy in front of an engine says, and an engine that has lost what it works with.
_AWAY = frozenset({502, 503, 504})
_KINDS = {404: NotThere, 409: Clash}
# An engine that was updated while we were connected; a new connection asks for its version.
_OUTDATED = "client version"
_TIMEOUTS = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
# Nobody listens where the engine should.
_UNSENT = (ConnectionRefusedError, FileNotFoundError, PermissionError)
_MAX_DEPTH = 12


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Turn the libraries' errors into EngineUnavailable, EngineRefused, NotThere and Clash.

    ``address`` says where the engine is, without secrets.
    """
    try:
        yield
    except requests.HTTPError as exc:  # APIError of docker is one
        if exc.response is None:
            raise unavailable(address, exc) from exc
        raise refusal(address, exc.response) from exc
    except (
        docker.errors.DockerException,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as exc:
        raise unavailable(address, exc) from exc


def refusal(address: str, response: requests.Response) -> EngineRefused | EngineUnavailable:
    """Give the error that an answer with a status of 400 and more stands for."""
    status, words = response.status_code, _words(response)
    if status in _AWAY or (status == 400 and _OUTDATED in words and "API version" in words):
        return EngineUnavailable(f"The container engine at {address} says {status}: {words}")
    return _KINDS.get(status, EngineRefused)(status, words)


def unavailable(address: str, exc: BaseException) -> EngineUnavailable:
    """Give the error that says that nobody answered, and why."""
    causes = list(_causes(exc))
    if any(_is_timeout(cause) for cause in causes):
        message = f"The container engine at {address} gives no answer in time."
        return EngineUnavailable(message, timed_out=True)
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            message = f"The container engine at {address}: {cause.strerror}."
            unsent = isinstance(cause, _UNSENT)
            return EngineUnavailable(message, remedy=_remedy(cause), unsent=unsent)
    said = fit(" ".join(str(causes[-1]).split()), WORDS_CHARACTERS) or type(exc).__name__
    return EngineUnavailable(f"The container engine at {address}: {said}.")


def _is_timeout(cause: BaseException) -> bool:
    # The error of a connection that was refused has one of a time-out for its parent.
    refused = urllib3.exceptions.NewConnectionError
    return isinstance(cause, _TIMEOUTS) and not isinstance(cause, refused)


def _remedy(cause: OSError) -> str:
    if isinstance(cause, PermissionError):
        return "Let the user of jexevents use its socket, by the group docker for instance."
    if isinstance(cause, (FileNotFoundError, ConnectionRefusedError)):
        return "Start it, or name another one by DOCKER_HOST."
    return ""


def _words(response: requests.Response) -> str:
    """Give the engine's own words, in a form that can be stored."""
    try:
        said = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        said = response.text or response.reason or str(response.status_code)
    return fit(" ".join(str(said).split()), WORDS_CHARACTERS)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Walk from an error to what it was raised for; these libraries keep it in four places."""
    for _ in range(_MAX_DEPTH):
        yield exc
        inner = (getattr(exc, "reason", None), *exc.args, exc.__cause__, exc.__context__)
        found = [one for one in inner if isinstance(one, BaseException) and one is not exc]
        if not found:
            return
        exc = found[0]
