"""Certificates for servers of tests."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support import missing


@dataclass(frozen=True)
class Certificate:
    """A certificate of 127.0.0.1 that no authority knows, so it is its own; and its key."""

    cert: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    """Make one in a folder."""
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
               "-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1",
               "-keyout", made.key, "-out", made.cert]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        missing("openssl", exc)
    return made
