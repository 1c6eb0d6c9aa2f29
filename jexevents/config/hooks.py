"""The hooks of a configuration: a list of objects, each member read by its row of ``MEMBERS``.

The values are plain; wiring makes of them what sends. No text of a fault holds a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from jexevents.config.contents import read_secret_file
from jexevents.config.hook_members import (
    KINDS,
    MEMBERS,
    NONE_GIVEN,
    SECRET,
    read_secrets,
)
from jexevents.config.misfit import Misfit, Misfits, Wrong
from jexevents.faults import shown
from jexevents.hookwords import CLOUDEVENTS, JOB, MAILTO, SMRTLINK, TIMEOUT_SECONDS, TRY_SECONDS
from jexevents.redaction import MASK, shown_url

MOST_HOOKS = 100


@dataclass(frozen=True, slots=True)
class HookOptions:
    """One hook as it is configured; ``hmac`` is UID and secret."""

    name: str
    url: str = field(repr=False)
    sources: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    format: str = CLOUDEVENTS
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    secret_file: str | None = None
    hmac: tuple[str, str] | None = field(default=None, repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    try_seconds: float = TRY_SECONDS
    disabled: bool = False


def read_hooks(value: Any) -> tuple[HookOptions, ...]:
    """Read a list of hooks. Raises Misfit; Misfits, with everything that is wrong within it."""
    if not isinstance(value, list) or len(value) > MOST_HOOKS:
        raise Misfit(f"a list of at most {MOST_HOOKS} objects, one a hook")
    wrongs: list[Wrong] = []
    hooks = [_read_hook(f"/{place}", one, wrongs) for place, one in enumerate(value)]
    wrongs += _repeated(value)
    if wrongs:
        raise Misfits(wrongs)
    return tuple(hooks)


def resolve_hooks(hooks: Sequence[HookOptions], folder: Path) -> tuple[HookOptions, ...]:
    """Read the files that hold secrets; relative paths count from ``folder``. Raises Misfits."""
    wrongs: list[Wrong] = []
    resolved = []
    for place, hook in enumerate(hooks):
        try:
            resolved.append(hook if hook.secret_file is None else _with_secrets(hook, folder))
        except Misfit as exc:
            expected = "a readable file with one secret a line, each " + SECRET
            wrongs.append(Wrong(f"/{place}/SecretFile", expected, str(exc), "Look at the file."))
    if wrongs:
        raise Misfits(wrongs)
    return tuple(resolved)


def show_hooks(hooks: Sequence[HookOptions]) -> list[dict[str, Any]]:
    """Give hooks as JSON again, without what is secret: of headers only the names are shown."""
    return [_shown(hook) for hook in hooks]


def _shown(hook: HookOptions) -> dict[str, Any]:
    given: dict[str, Any] = {
        "Name": hook.name,
        "URL": shown_url(hook.url),
        "Sources": list(hook.sources),
        "Kinds": list(hook.kinds),
        "Events": list(hook.events),
        "States": list(hook.states),
        "Format": hook.format,
        "Headers": dict.fromkeys(hook.headers, MASK),
        "TimeoutSeconds": hook.timeout_seconds,
        "TryForSeconds": hook.try_seconds,
        "Disabled": hook.disabled,
    }
    if hook.secret_file is not None:
        given["SecretFile"] = hook.secret_file
    elif hook.secrets:
        given["Secret"] = MASK
    if hook.hmac is not None:
        given["HMAC"] = {"UID": hook.hmac[0], "Secret": MASK}
    return given


def _read_hook(place: str, value: Any, wrongs: list[Wrong]) -> HookOptions | None:
    """Read one hook; what is wrong with it goes into ``wrongs``, and then it is None."""
    if not isinstance(value, dict):
        expected = 'an object such as {"Name": "mine", "URL": "https://example.org/"}'
        wrongs.append(Wrong(place, expected, shown(value)))
        return None
    found = [*_unknown(place, value)]
    given: dict[str, Any] = {}
    for member in MEMBERS:
        if member.name in value:
            try:
                given[member.attribute] = member.read(value[member.name])
            except Misfit as exc:
                got = f"{shown(value[member.name], (member.name,) if member.secret else ())}"
                found.append(Wrong(f"{place}/{member.name}", str(exc), got))
        elif member.default == NONE_GIVEN:
            found.append(Wrong(f"{place}/{member.name}", "it", "nothing", "Give the hook one."))
    if not found:
        found += _contradictions(place, value, given)
    wrongs += found
    return None if found else _completed(given)


def _completed(given: Mapping[str, Any]) -> HookOptions:
    hook = HookOptions(**given)
    is_limited = hook.format == SMRTLINK and not hook.kinds
    return replace(hook, kinds=(SMRTLINK,)) if is_limited else hook


def _unknown(place: str, value: Mapping[str, Any]) -> Iterator[Wrong]:
    known = {member.name.lower(): member.name for member in MEMBERS}
    for name in value:
        if name not in known.values():
            near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
            remedy = f"Did you mean {known[near[0]]}?" if near else "Remove it."
            label = name[:40] if name.isprintable() else "?"
            # Its value is left out: a misspelled Secret holds one, too.
            yield Wrong(f"{place}/{label}", "a member that hooks have", "an unknown one", remedy)


def _repeated(value: Sequence[Any]) -> Iterator[Wrong]:
    seen: set[str] = set()
    for place, one in enumerate(value):
        name = one.get("Name") if isinstance(one, dict) else None
        if isinstance(name, str):
            if name in seen:
                expected = "a name that no other hook has"
                yield Wrong(f"/{place}/Name", expected, shown(name), "Name it otherwise.")
            seen.add(name)


def _contradictions(
    place: str, value: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[Wrong]:
    """Find members that are right by themselves, and do not go together."""
    if "Secret" in value and "SecretFile" in value:
        yield Wrong(f"{place}/SecretFile", "Secret or SecretFile", "both", "Remove one of them.")
    form = given.get("format", CLOUDEVENTS)
    if form == SMRTLINK:
        others = [kind for kind in KINDS if kind != SMRTLINK and _any(given.get("kinds"), kind)]
        if others:
            remedy = 'Write "Kinds": ["smrtlink"], or choose another format.'
            got = f"a pattern that takes {others[0]} too"
            yield Wrong(f"{place}/Kinds", "only smrtlink, for that format", got, remedy)
    elif "HMAC" in value:
        remedy = "Use Secret, or the format smrtlink."
        yield Wrong(f"{place}/HMAC", "it with the format smrtlink alone", form, remedy)
    for scheme in (MAILTO, JOB):
        if given["url"].startswith(scheme):
            for name in ("Format", "Headers", "Secret", "SecretFile", "HMAC"):
                if name in value:
                    yield Wrong(f"{place}/{name}", "an http:// URL with it", scheme, "Remove it.")


def _any(patterns: Sequence[str] | None, text: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns or ())


def _with_secrets(hook: HookOptions, folder: Path) -> HookOptions:
    text, _ = read_secret_file(folder.absolute() / Path(hook.secret_file).expanduser())
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return replace(hook, secrets=read_secrets(lines))
    except Misfit as exc:
        raise Misfit("a file that has other lines, or none") from exc
