"""What the tests in a browser need: Debian's chromium and axe-core, fetched into the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from jexevents.errors import Unavailable
from jexevents.tryout import apt

AXE = "axe-core@4.11.0"
_PACKAGES = ("chromium", "fonts-dejavu-core", "fontconfig-config")
_PROGRAM = "usr/lib/chromium/chromium"
_NPM_SECONDS = 300
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir>{root}/usr/share/fonts</dir><dir>/usr/share/fonts</dir>
<cachedir prefix="xdg">fontconfig</cachedir>
<alias binding="same"><family>monospace</family>
<prefer><family>DejaVu Sans Mono</family></prefer></alias>
<match target="pattern"><edit name="family" mode="append_last"><string>DejaVu Sans</string></edit>
</match>
</fontconfig>
"""


@dataclass(frozen=True)
class Chromium:
    """Where it is, and what its environment must have."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict)


def chromium(cache: Path) -> Chromium:
    """Give the installed chromium, or one out of Debian's packages. Raises Unavailable."""
    if found := shutil.which("chromium"):
        return Chromium(Path(found))
    root = apt.unpacked(
        cache,
        "chromium",
        _PACKAGES,
        lambda _said: None,
        whole=lambda root: (root / _PROGRAM).is_file() and (root / "fonts.conf").is_file(),
        finish=_with_fonts,
    )
    conf = root / "fonts.conf"
    # It was written where it was unpacked, before it had its place.
    conf.write_text(_FONTS.format(root=root))
    folders = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    # Some of the libraries stand in folders of their own.
    folders += [one for each in folders for one in each.iterdir() if one.is_dir()]
    return Chromium(
        root / _PROGRAM,
        {"LD_LIBRARY_PATH": os.pathsep.join(map(str, folders)), "FONTCONFIG_FILE": str(conf)},
    )


def _with_fonts(root: Path) -> None:
    if not (root / _PROGRAM).is_file():
        raise Unavailable(f"the package chromium holds no {_PROGRAM}")
    (root / "fonts.conf").write_text(_FONTS.format(root=root))


def axe(cache: Path) -> str:
    """Give the script of axe-core, by npm. Raises Unavailable."""
    kept = cache / f"{AXE.replace('@', '-')}.min.js"
    if kept.is_file():
        return kept.read_text("utf-8")
    if not shutil.which("npm"):
        raise Unavailable("this system has no npm")
    cache.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["npm", "pack", "--silent", AXE, "--pack-destination", str(cache)],
        cwd=cache,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_NPM_SECONDS,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"npm: {done.stderr.strip()[-300:]}")
    archive = cache / done.stdout.strip().splitlines()[-1]
    with tarfile.open(archive) as packed:
        script = packed.extractfile("package/axe.min.js").read().decode("utf-8")
    archive.unlink()
    fresh = kept.with_suffix(f".{os.getpid()}")
    fresh.write_text(script, "utf-8")
    fresh.replace(kept)
    return script
