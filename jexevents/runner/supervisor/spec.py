"""What is to be run, as it comes from the worker."""

from __future__ import annotations

import marshal

# The members of a spec, each of which is there; docs/supervisor.md says what they mean.
MEMBERS = (
    "id",
    "argv",
    "command",
    "cwd",
    "env",
    "timeout_seconds",
    "grace_seconds",
    "max_output_bytes",
    "secrets",
    "user",
    "umask",
    "cgroup",
)


def packed(spec: dict) -> bytes:
    """Give a spec in the form in which it goes through the pipe to the supervisor.

    It is Python's own form, since both ends are the same Python; JSON would take 10 ms to load.
    """
    return marshal.dumps({name: spec[name] for name in MEMBERS})


def unpacked(raw: bytes) -> dict:
    """Give the spec that came through the pipe; raises ValueError where it was cut off."""
    try:
        spec = marshal.loads(raw)
    except (EOFError, ValueError, TypeError) as exc:
        raise ValueError("what is to be run did not come whole") from exc
    if not isinstance(spec, dict) or set(spec) != set(MEMBERS):
        raise ValueError("what is to be run has not the members that this version knows")
    return spec


def secret_bytes(spec: dict) -> list[bytes]:
    """Give the secrets as they would stand in the output."""
    return [secret.encode("utf-8", "surrogateescape") for secret in spec["secrets"] if secret]
