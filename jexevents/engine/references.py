"""Names of images, as the distribution project's grammar has them. Pure.

    [host[:port]/]path[:tag][@digest]

What stands before the first slash is a host if it has a dot, a colon or a capital letter, or is
``localhost``; without a host the name is one of docker.io, and one without a slash is in its
``library``. Without tag and digest the tag is ``latest``. With both, the digest decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jexevents.errors import Malformed
from jexevents.faults import shown
from jexevents.model import Fault

EXPECTED = "an image such as busybox, user/tool:1.2 or registry.example.org:5000/tool@sha256:…"
DEFAULT_HOST, DEFAULT_FOLDER, DEFAULT_TAG = "docker.io", "library", "latest"
OLD_DEFAULT_HOST = "index.docker.io"
NAME_CHARACTERS = 255
TAG_CHARACTERS = 128

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?")
_PART = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]+")
_KNOWN_DIGESTS = {"sha256": 64, "sha384": 96, "sha512": 128}
_BARE_ID = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name in parts, with every default filled in.

    ``tag`` is None only where there is a digest; ``digest`` has its algorithm before it.
    """

    host: str
    path: str
    tag: str | None
    digest: str | None

    @property
    def repository(self) -> str:
        """The name without tag and digest, in full: docker.io/library/busybox."""
        return f"{self.host}/{self.path}"

    @property
    def familiar(self) -> str:
        """The name without tag and digest as docker's tools show it: busybox."""
        if self.host != DEFAULT_HOST:
            return self.repository
        folder, _, rest = self.path.partition("/")
        if rest and _is_host(folder):
            # Without its host, what comes first would be taken for one.
            return self.repository
        return rest if folder == DEFAULT_FOLDER and rest and "/" not in rest else self.path

    @property
    def version(self) -> str:
        """What the engine is asked for of the repository: the digest, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def asked(self) -> str:
        """The one name under which the engine looks it up: with the digest, else with the tag."""
        return self.pinned(self.digest) if self.digest else f"{self.familiar}:{self.tag}"

    def pinned(self, digest: str) -> str:
        """Give the name of this repository's image with that digest."""
        return f"{self.familiar}@{digest}"

    def __str__(self) -> str:
        """Give the name with all that was said, and no host where docker's tools show none."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.familiar}{tag}{f'@{self.digest}' if self.digest else ''}"


def is_image_id(text: str) -> bool:
    """Tell whether a text is the id of an image, ``sha256:`` and 64 digits, and no name."""
    return bool(_ID.fullmatch(text))


def parse(text: str) -> Reference:
    """Read the name of an image. Raises Malformed, which says what is wrong with it."""
    name, at, digest = text.partition("@")
    if at:
        _check_digest(text, digest)
    name, tag = _split_tag(name)
    if tag is not None:
        _check_tag(text, tag)
    host, path = _split_host(text, name)
    if len(f"{host}/{path}") > NAME_CHARACTERS:
        raise _fault(text, f"a name of at most {NAME_CHARACTERS} characters with its host")
    for part in path.split("/"):
        _check_part(text, part)
    return Reference(host, path, tag if tag or at else DEFAULT_TAG, digest if at else None)


def _split_tag(name: str) -> tuple[str, str | None]:
    """Cut off the tag: what follows the last colon, unless that is the one of a port."""
    before, colon, after = name.rpartition(":")
    return (before, after) if colon and "/" not in after else (name, None)


def _split_host(text: str, name: str) -> tuple[str, str]:
    if not name:
        raise _fault(text, EXPECTED)
    if "://" in name:
        raise _fault(text, f"{EXPECTED}; without a scheme")
    if _BARE_ID.fullmatch(name):
        raise _fault(text, f"{EXPECTED}; 64 digits and no more are the id of an image, not a name")
    first, slash, rest = name.partition("/")
    if not slash or not _is_host(first):
        return DEFAULT_HOST, name if slash else f"{DEFAULT_FOLDER}/{name}"
    if not _HOST.fullmatch(first):
        raise _fault(text, "a host before the first slash, letters, digits, dots and dashes")
    if first in (DEFAULT_HOST, OLD_DEFAULT_HOST):
        return DEFAULT_HOST, rest if "/" in rest else f"{DEFAULT_FOLDER}/{rest}"
    return first, rest


def _is_host(first: str) -> bool:
    return first == "localhost" or bool(re.search(r"[.:A-Z]", first))


def _check_part(text: str, part: str) -> None:
    if _PART.fullmatch(part):
        return
    if part and _PART.fullmatch(part.lower()):
        raise _fault(text, "a path in small letters")
    wanted = "a path of small letters and digits, with . _ __ or dashes only between them"
    raise _fault(text, wanted)


def _check_tag(text: str, tag: str) -> None:
    if not _TAG.fullmatch(tag):
        raise _fault(text, "a tag of letters, digits, and _ . - after the first")
    if len(tag) > TAG_CHARACTERS:
        raise _fault(text, f"a tag of at most {TAG_CHARACTERS} characters")


def _check_digest(text: str, digest: str) -> None:
    algorithm, _, digits = digest.partition(":")
    size = _KNOWN_DIGESTS.get(algorithm)
    if not _DIGEST.fullmatch(digest) or size is None:
        raise _fault(text, "after @ a digest: sha256: and 64 digits from 0 to f")
    if len(digits) != size or digits != digits.lower():
        raise _fault(text, f"after @{algorithm}: {size} digits from 0 to f, in small letters")


def _fault(text: str, expected: str) -> Malformed:
    return Malformed("This is no name of an image.", [Fault("", expected, shown(text))])
