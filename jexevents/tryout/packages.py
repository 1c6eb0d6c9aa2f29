"""RabbitMQ's programs: those installed, or on Debian and Ubuntu fetched by apt and unpacked
into a private folder. Nothing is installed system-wide and no service is started; it works
for root and for anyone else."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from jexevents.errors import BrokerUnavailable, Unavailable
from jexevents.tryout import apt
from jexevents.tryout.apt import Say

PACKAGE = "rabbitmq-server"
DEBIAN_SCRIPTS = "usr/lib/rabbitmq/bin"

# Debian's erl knows but one place, /usr/lib/erlang; this one looks where it stands itself.
ERL = """#!/bin/sh
ROOTDIR=$(cd "$(dirname "$0")/.." && pwd)
for BINDIR in "$ROOTDIR"/erts-*/bin; do :; done
EMU=beam
PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
exec "$BINDIR/erlexec" ${1+"$@"}
"""


@dataclass(frozen=True)
class Programs:
    """Where RabbitMQ's scripts are; ``root`` is where its packages were unpacked, if so."""

    scripts: Path
    root: Path | None
    how: str

    def search_path(self) -> str:
        """Give the PATH with which the scripts find Erlang."""
        own = [str(self.root / "usr/lib/erlang/bin")] if self.root else []
        return os.pathsep.join([*own, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

    def libraries(self) -> str:
        """Give the folders of shared libraries that were unpacked too."""
        found = self.root.glob("usr/lib/*-linux-gnu*") if self.root else []
        return os.pathsep.join(str(folder) for folder in found)

    def epmd(self) -> str:
        """Give Erlang's port mapper; BrokerUnavailable where it cannot be found."""
        found = shutil.which("epmd", path=self.search_path())
        for folder in ("/usr/lib/erlang/bin", "/usr/local/lib/erlang/bin"):
            found = found or shutil.which("epmd", path=folder)
        if not found:
            raise BrokerUnavailable("Erlang's program epmd is not on the PATH.")
        return found


def installed() -> Programs:
    """Give the RabbitMQ of this system; BrokerUnavailable if there is none."""
    # Debian's program on the PATH changes to the user rabbitmq; the one behind it does not.
    behind = Path("/") / DEBIAN_SCRIPTS
    found = shutil.which(PACKAGE, path=f"{behind}:{os.environ.get('PATH', '')}:/usr/sbin")
    if not found:
        raise BrokerUnavailable("no program rabbitmq-server is installed")
    return Programs(Path(found).parent, None, f"the installed {found}")


def fetched(cache: Path, say: Say) -> Programs:
    """Give RabbitMQ out of Debian's or Ubuntu's packages, kept in ``cache`` for next time."""
    try:
        root = apt.unpacked(
            cache,
            "rabbitmq",
            [PACKAGE],
            say,
            whole=lambda root: (root / DEBIAN_SCRIPTS).is_dir(),
            finish=_relocate,
        )
    except Unavailable as exc:
        raise BrokerUnavailable(str(exc)) from exc
    return Programs(root / DEBIAN_SCRIPTS, root, f"Debian's packages in {root}")


def _relocate(unpacked: Path) -> None:
    if not (unpacked / DEBIAN_SCRIPTS / PACKAGE).exists():
        raise BrokerUnavailable(f"the package {PACKAGE} holds no {DEBIAN_SCRIPTS}/{PACKAGE}")
    erl = unpacked / "usr/lib/erlang/bin/erl"
    if erl.exists():
        erl.write_text(ERL)
