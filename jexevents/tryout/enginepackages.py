"""The programs of a container engine: those installed, and what is lacking out of Debian's or
Ubuntu's packages, unpacked into a private folder."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from jexevents.errors import Unavailable
from jexevents.tryout import apt
from jexevents.tryout.apt import Say

PACKAGES = ("docker.io", "docker-registry", "busybox-static", "iproute2")
NEEDED = ("dockerd", "containerd", "runc", "docker-init", "docker-registry", "ip")
_ELF_BYTES = 4096  # of a program, which name its loader if it has one


@dataclass(frozen=True)
class Programs:
    """Where the programs of an engine are: unpacked below ``root``, or installed."""

    root: Path

    def search_path(self) -> str:
        """Give the PATH with which they find each other."""
        own = [str(self.root / folder) for folder in ("usr/sbin", "usr/bin", "sbin", "bin")]
        return os.pathsep.join([*own, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

    def libraries(self) -> str:
        """Give the folders of shared libraries that were unpacked too."""
        found = [*self.root.glob("usr/lib/*-linux-gnu*"), *self.root.glob("lib/*-linux-gnu*")]
        return os.pathsep.join(str(folder) for folder in found)

    def find(self, name: str) -> str | None:
        """Give the path of a program; None if there is none."""
        return shutil.which(name, path=self.search_path())

    def busybox(self) -> str | None:
        """Give the path of a busybox that needs no library; None if there is none."""
        for folder in self.search_path().split(os.pathsep):
            found = shutil.which("busybox", path=folder)
            if found and b"ld-linux" not in Path(found).read_bytes()[:_ELF_BYTES]:
                return found
        return None

    def lacking(self) -> list[str]:
        """Name what is not there of all that is needed."""
        found = {name: self.find(name) for name in NEEDED} | {"busybox": self.busybox()}
        return [name for name, path in found.items() if not path]

    def environment(self) -> dict[str, str]:
        """Give what they need to have in theirs."""
        return {"PATH": self.search_path(), "LD_LIBRARY_PATH": self.libraries(), "LC_ALL": "C"}


def fetched(cache: Path, say: Say) -> Programs:
    """Give an engine's programs out of Debian's or Ubuntu's packages, kept in ``cache``.

    What this system has is used, what it lacks is fetched. Raises Unavailable.
    """
    if os.geteuid() != 0:
        raise Unavailable("only root can start a container engine")
    root = apt.unpacked(
        cache,
        "engine",
        PACKAGES,
        say,
        whole=lambda root: not Programs(root).lacking(),
    )
    if lacking := Programs(root).lacking():
        raise Unavailable(f"Debian's packages in {root} have no {', '.join(lacking)}")
    return Programs(root)
