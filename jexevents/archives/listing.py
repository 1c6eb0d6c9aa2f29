"""What was found in an archive so far, held to the bounds and to the rules for names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jexevents.errors import Invalid
from jexevents.faults import fit
from jexevents.model import Fault

_DRIVE = re.compile("[A-Za-z]:")
# Control characters, line and paragraph separators, lone surrogates.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of an archive; sizes in bytes, of names as UTF-8."""

    max_unpacked_bytes: int = 512 << 20
    max_members: int = 10_000
    max_manifest_bytes: int = 1 << 20
    max_name_bytes: int = 1024
    max_names_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds: the bytes of its manifest, and the names of all its files."""

    manifest: bytes
    files: frozenset[str]


def refused(where: str, expected: str, got: str) -> Invalid:
    """Give the fault of an archive; ``where`` is the name of the member, or empty."""
    place = fit(where, 200)
    told = f"The archive cannot be taken: {place + ': ' if place else ''}expected {expected}, "
    return Invalid(f"{told}got {got}.", [Fault(place, expected, got)])


def normal(name: str) -> str:
    """Give the path of a member from the archive's root, without ``.`` and doubled slashes.

    Empty for the root itself. Raises Invalid for a name that could lead out of a folder it is
    unpacked in, or that means different things on different systems.
    """
    if _UNFIT.search(name):
        raise refused(name, "a name without control characters and line ends", "such a name")
    if "\\" in name:
        raise refused(name, "slashes between folders", "a backslash")
    if name.startswith("/") or _DRIVE.match(name):
        raise refused(name, "a path from the archive's root", "an absolute one")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise refused(name, "a path without ..", "one that leads upwards")
    return "/".join(parts)


class Listing:
    """The members of one archive, as they are found; each method raises Invalid."""

    def __init__(self, manifest_name: str, limits: Limits) -> None:
        self.limits = limits
        self.manifest_name = manifest_name
        self._files: set[str] = set()
        self._manifest: bytes | None = None
        self._members = self._names_bytes = 0

    def decoded(self, raw: bytes, encoding: str = "utf-8") -> str:
        """Read a name; one that is too long is refused before anybody looks at it."""
        if len(raw) > self.limits.max_name_bytes:
            shown = raw[:40].decode("ascii", "replace")
            expected = f"a name of at most {self.limits.max_name_bytes} bytes"
            raise refused(shown, expected, "a longer one")
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError as error:
            shown = raw.decode("ascii", "backslashreplace")
            raise refused(shown, "a name in UTF-8", "other bytes") from error

    def add_folder(self, name: str) -> None:
        """Take a folder into account."""
        self._count(name)
        normal(name)

    def add_file(self, name: str, size: int) -> bool:
        """Take a file of so many bytes into account; whether it is the manifest."""
        self._count(name)
        path = normal(name)
        if not path or name.endswith(("/", "/.")):
            raise refused(name, "the name of a file", "that of a folder")
        if size > self.limits.max_unpacked_bytes:
            expected = f"at most {self.limits.max_unpacked_bytes} unpacked bytes in all"
            raise refused(name, expected, f"a file of {size}")
        if path in self._files:
            raise refused(name, "each file once", "a second one of that name")
        self._files.add(path)
        if path != self.manifest_name:
            return False
        if size > self.limits.max_manifest_bytes:
            expected = f"a manifest of at most {self.limits.max_manifest_bytes} bytes"
            raise refused(name, expected, f"{size} bytes")
        return True

    def _count(self, name: str) -> None:
        self._members += 1
        self._names_bytes += len(name)
        if self._members > self.limits.max_members:
            raise refused(name, f"at most {self.limits.max_members} members", "more")
        if self._names_bytes > self.limits.max_names_bytes:
            expected = f"names of at most {self.limits.max_names_bytes} bytes in all"
            raise refused(name, expected, "more")

    def keep_manifest(self, content: bytes) -> None:
        """Keep the manifest's bytes."""
        self._manifest = content

    def finished(self) -> Archive:
        """Give what the archive holds; it must have a manifest."""
        if self._manifest is None:
            deeper = [name for name in self._files if name.endswith("/" + self.manifest_name)]
            got = f"none there (but {fit(min(deeper))})" if deeper else "none"
            raise refused("", f"{self.manifest_name} in the root of the archive", got)
        return Archive(self._manifest, frozenset(self._files))
