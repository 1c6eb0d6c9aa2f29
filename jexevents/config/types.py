"""The types of options: each reads a JSON value, reads a text of the environment, shows itself."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import tzlocal

from jexevents.config import (
    clients,
    hook_members,
    hooks,
    jobsecrets,
    logpaths,
    tasklists,
    uris,
)
from jexevents.config.misfit import Misfit
from jexevents.model import Role
from jexevents.redaction import MASK, redact, redact_uri, shown_url

_SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LEVELS = ("debug", "info", "warning", "error", "critical")
_EXCHANGE_TYPES = ("fanout", "direct", "topic", "headers")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_INT64 = range(-(2**63), 2**63)


def _as_it_is(value: Any, _folder: Path) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class OptionType:
    """What an option takes.

    ``name`` is for tables, ``expected`` for messages. ``read`` makes the value of what stands in
    JSON and raises Misfit; ``read_text`` makes what would stand in JSON of an environment
    variable (a text it cannot make anything of it hands on, for ``read`` to refuse). ``show``
    gives the value as JSON again, without passwords. ``resolve`` takes what ``read`` gave and the
    folder that paths count from, and raises Misfit, too.
    """

    name: str
    expected: str
    read: Callable[[Any], Any]
    read_text: Callable[[str], Any] = str
    show: Callable[[Any], Any] = redact
    resolve: Callable[[Any, Path], Any] = _as_it_is


def text(*, empty: bool = True, max_bytes: int = 255) -> OptionType:
    """A text without control characters; 255 bytes is what AMQP's short strings hold."""
    least = "" if empty else "not empty, "
    expected = f"a text, {least}of at most {max_bytes} bytes, without control characters"

    def read(value: Any) -> str:
        _require(isinstance(value, str) and (empty or value), expected)
        _require(len(_encoded(value, expected)) <= max_bytes, expected)
        _require(not _CONTROL.search(value), expected)
        return value

    return OptionType("text", expected, read)


def path() -> OptionType:
    """The path of a file, or the empty text for none; a relative one counts from the folder."""

    def resolve(value: str, folder: Path) -> str:
        return value and str(folder / Path(value).expanduser())

    return replace(text(max_bytes=4096), name="path", resolve=resolve)


def whole(least: int, most: int, unit: str = "") -> OptionType:
    """A whole number between two bounds, both allowed; a JSON number, never a text or 1.0."""
    expected = f"a whole number from {least} to {most}" + (f" ({unit})" if unit else "")

    def read(value: Any) -> int:
        _require(type(value) is int and least <= value <= most, expected)
        return value

    return OptionType("whole number", expected, read, _text_to_number)


def seconds(least: float, most: float) -> OptionType:
    """A duration in seconds, with fractions, between two bounds."""
    expected = f"a number of seconds from {least:g} to {most:g}"

    def read(value: Any) -> float:
        _require(type(value) in (int, float) and least <= value <= most, expected)
        return float(value)

    return OptionType("seconds", expected, read, _text_to_number)


def optional(inner: OptionType) -> OptionType:
    """What ``inner`` takes, or the empty text for none."""

    def read(value: Any) -> Any:
        return "" if value == "" else inner.read(value)

    return OptionType(inner.name, f'{inner.expected}, or ""', read, inner.read_text, inner.show)


def one_of(words: Iterable[str], also: re.Pattern[str] | None = None) -> OptionType:
    """One of some words in any case, in lower case then; or what ``also`` matches, as it is."""
    allowed = tuple(words)
    expected = "one of " + ", ".join(allowed) + (f" or a name {also.pattern}" if also else "")

    def read(value: Any) -> str:
        _require(isinstance(value, str), expected)
        if value.lower() in allowed:
            return value.lower()
        _require(also and also.fullmatch(value), expected)
        return value

    return OptionType("word", expected, read)


def list_of(name: str, expected: str, read_item: Callable[[Any], Any], kind: type) -> OptionType:
    """A list, kept as ``kind`` (tuple or frozenset); ``read_item`` may raise any ValueError."""

    def read(value: Any) -> Any:
        _require(isinstance(value, list), expected)
        try:
            return kind(read_item(item) for item in value)
        except ValueError as exc:
            raise Misfit(expected) from exc

    def show(value: Any) -> list[str]:
        shown = [str(getattr(item, "value", item)) for item in value]
        return sorted(shown) if kind is frozenset else shown

    return OptionType(name, expected, read, _text_to_list, show)


_UTC_NAMES = ("UTC", "Etc/UTC")


def resolve_zone(name: str) -> tzinfo:
    """Give the time zone of an IANA name, or for ``local`` that of this machine. Raises Misfit.

    zoneinfo looks into the system's files first, then into the package tzdata.
    """
    try:
        zone = tzlocal.get_localzone() if name == "local" else ZoneInfo(name)
    except (ValueError, OSError, KeyError, TypeError) as exc:
        raise Misfit('the name of an IANA time zone like "Europe/Berlin", or "local"') from exc
    # The same zone, but as Python knows it without looking anything up.
    return timezone.utc if getattr(zone, "key", None) in _UTC_NAMES else zone


def _require(holds: object, expected: str) -> None:
    if not holds:
        raise Misfit(expected)


def _encoded(value: str, expected: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as exc:
        raise Misfit(expected) from exc


def _text_to_number(value: str) -> Any:
    if _WHOLE.fullmatch(value):
        return int(value)
    return float(value) if _DECIMAL.fullmatch(value) else value


def _text_to_switch(value: str) -> Any:
    return _SWITCHES.get(value.lower(), value)


def _text_to_list(value: str) -> Any:
    if value.lstrip().startswith("["):
        return _text_to_json(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def _text_to_json(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _read_switch(value: Any) -> bool:
    _require(isinstance(value, bool), "true or false")
    return value


def _read_loose_number(value: Any) -> int:
    number = _text_to_number(value) if isinstance(value, str) else value
    _require(type(number) is int and number >= 0, "a number, 0 or more")
    return number


def _read_zone_name(value: Any) -> str:
    resolve_zone(value)
    return value


def _read_identifier(value: Any) -> str:
    expected = "a plain identifier of PostgreSQL: a-z, 0-9, _; at most 63; not pg_..."
    _require(isinstance(value, str) and _IDENTIFIER.fullmatch(value), expected)
    _require(not value.startswith("pg_") and value != "information_schema", expected)
    return value


def _read_node_name(value: Any) -> str:
    expected = "letters, digits, '.', '_' and '-', beginning with a letter or digit"
    _require(isinstance(value, str) and _NODE_NAME.fullmatch(value), expected)
    return value


def _read_shared_secret(value: Any) -> str:
    expected = "a text of 16 to 255 bytes, without control characters"
    read = text(empty=False).read(value)
    _require(len(read.encode()) >= 16, expected)
    return read


def _read_hook_secrets(value: Any) -> tuple[str, ...]:
    return () if value == "" else hook_members.read_secrets(value)


def _text_to_secrets(value: str) -> Any:
    """Take several with blanks or line ends in between, as a file of secrets has them."""
    if value.lstrip().startswith("["):
        return _text_to_json(value)
    words = value.split()
    return words if len(words) > 1 else value.strip()


def _read_queue_name(value: Any) -> str:
    expected = 'the name of a queue, 1 to 255 bytes, not beginning with the reserved "amq."'
    read = text(empty=False).read(value)
    _require(not read.startswith("amq."), expected)
    return read


def _read_anonymous_role(value: Any) -> Role:
    _require(value in ("read", "write"), "read or write")
    return Role(value)


def _read_network(value: Any) -> Any:
    # ip_network would take a number for an address.
    _require(isinstance(value, str), "a network")
    return ipaddress.ip_network(value)


def _read_arguments(value: Any) -> dict[str, Any]:
    expected = "an object with what AMQP tables hold: texts, true, false, 64-bit numbers, lists"
    _require(isinstance(value, dict), expected)
    _require(_fits_table(value), expected)
    return value


def _fits_table(value: Any) -> bool:
    if isinstance(value, dict):
        return all(0 < len(key.encode()) <= 255 and _fits_table(value[key]) for key in value)
    if isinstance(value, list):
        return all(map(_fits_table, value))
    return type(value) is not int or value in _INT64


SWITCH = OptionType("true or false", "true or false", _read_switch, _text_to_switch)
LOOSE_NUMBER = OptionType("number", "a number, 0 or more", _read_loose_number)
AMQP_URI = OptionType("AMQP URI", "an amqp:// or amqps:// URI", uris.read_amqp_uri, show=redact_uri)
DB_URI = OptionType(
    "database",
    "a postgres:// URI, a libpq key=value string or embedded:PATH",
    uris.read_db_uri,
    show=redact_uri,
    resolve=uris.resolve_db_uri,
)
EVENT_URL = optional(
    OptionType("URL", "an http:// or https:// URL", uris.read_event_url, show=shown_url)
)
HTTP_URL = optional(
    OptionType("URL", "an http:// or https:// URL", uris.read_http_url, show=shown_url)
)
SMTP_URI = OptionType(
    "SMTP URI", 'an smtp:// or smtps:// URI, or ""', uris.read_smtp_uri, show=redact_uri
)
MAIL_ADDRESS = OptionType("address", "an address of mail", uris.read_mail_address)
PUBLIC_URL = OptionType("URL", "an http:// or https:// URL", uris.read_public_url)
FOLDER = replace(text(max_bytes=4096), name="folder", resolve=uris.resolve_path)
NEEDED_FILE = replace(text(empty=False, max_bytes=4096), name="path", resolve=uris.resolve_path)
NEEDED_FOLDER = replace(text(empty=False, max_bytes=4096), name="folder", resolve=uris.resolve_path)
LISTEN = OptionType("address", 'an address like ":8080"', uris.read_listen_address, show=str)
TIME_ZONE = OptionType("time zone", "the name of an IANA time zone, or local", _read_zone_name)
IDENTIFIER = OptionType("identifier", "a plain identifier", _read_identifier)
NODE_NAME = OptionType("name", "a name", _read_node_name)
SHARED_SECRET = OptionType("text", "a text of 16 bytes or more", _read_shared_secret)
QUEUE_NAME = OptionType("text", "the name of a queue", _read_queue_name)
ARGUMENTS = OptionType("object", "an object", _read_arguments, _text_to_json)
LOG_LEVEL = one_of(_LEVELS)
EXCHANGE_TYPE = one_of(_EXCHANGE_TYPES, re.compile(r"x-[a-z0-9.-]{1,60}"))
HOSTS = list_of(
    "list of hosts",
    "a list of host names or addresses, without scheme and port",
    uris.read_host,
    tuple,
)
NETWORKS = list_of(
    "list of networks",
    'a list of addresses or networks in CIDR form like "10.0.0.0/8", no host bits set',
    _read_network,
    tuple,
)
CLIENTS = OptionType(
    "object", clients.EXPECTED, clients.read_clients, _text_to_json, clients.show_clients
)
JOB_SECRETS = OptionType(
    "object",
    jobsecrets.EXPECTED,
    jobsecrets.read_job_secrets,
    _text_to_json,
    jobsecrets.show_job_secrets,
    jobsecrets.resolve_job_secrets,
)
MOUNT_FOLDERS = OptionType(
    "list of folders", tasklists.FOLDERS, tasklists.read_folders, _text_to_list, list
)
WORKER_LABELS = OptionType(
    "list of words", tasklists.LABELS, tasklists.read_labels, _text_to_list, list
)
LOG_PATHS = OptionType(
    "list of paths",
    logpaths.EXPECTED,
    logpaths.read_log_paths,
    _text_to_list,
    list,
    logpaths.resolve_log_paths,
)
NETWORK_NAMES = OptionType(
    "list of names", tasklists.NETWORKS, tasklists.read_networks, _text_to_list, list
)
REPOSITORY_URL = replace(
    text(max_bytes=4096), name="URL", show=redact_uri, resolve=uris.resolve_repository
)
ANONYMOUS_ROLES = list_of(
    "list of roles", "a list out of read and write", _read_anonymous_role, frozenset
)
HOOK_SECRETS = OptionType(
    "secret or list",
    f'{hook_members.SECRET}, a list of up to 10 such, or ""',
    _read_hook_secrets,
    _text_to_secrets,
    lambda secrets: MASK if secrets else "",
)
HOOKS = OptionType(
    "list of objects",
    "a list of objects, one a hook",
    hooks.read_hooks,
    _text_to_json,
    hooks.show_hooks,
    hooks.resolve_hooks,
)
