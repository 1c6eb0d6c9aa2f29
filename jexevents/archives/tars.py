"""tar walked header by header (POSIX.1-2001, pax; GNU tar manual, "Basic Tar Format").

Two readers of one tar file may see different files in it: by what a size or a name is taken
from, or what follows the end. What they could disagree on is refused, so that what is seen here
is what any of them unpacks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jexevents.archives.gunzip import Gunzip
from jexevents.archives.listing import Listing, refused

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_MAX_PAX_BYTES = 1 << 16
# GNU tar and pax write at most a global and an own header in front of a member.
_MAX_EXTENSIONS = 4

_POSIX = b"ustar\0"
_GNU = b"ustar "
_FILES = b"0\x007"
_FOLDER = b"5"
_LONG_NAME = b"L"
_PAX = b"x"
_PAX_GLOBAL = b"g"
_OTHERS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a FIFO",
    b"K": "a link with a long target",
    b"S": "a sparse file",
}

_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_PAX_LENGTH = re.compile(rb"([1-9][0-9]{0,6}) ")
_PAX_NUMBER = re.compile(rb"[0-9]{1,18}")


@dataclass(slots=True)
class _Ahead:
    """What headers in front of a member say about it, and how many of them there were."""

    count: int = 0
    name: bytes | None = None
    size: int | None = None


def walk(stream: Gunzip, listing: Listing) -> None:
    """Find all members of a tar stream. Raises Invalid for what it must not hold."""
    ahead = _Ahead()
    while header := stream.exactly(_BLOCK):
        if len(header) < _BLOCK:
            raise refused("", "a whole tar file", "one that is cut off in a header")
        if header == _ZEROS:
            _expect_end(stream)
            break
        if _extends(header, stream, listing, ahead):
            continue
        _member(header, stream, listing, ahead)
        ahead = _Ahead()
    if ahead.count:
        raise refused("", "a member behind a tar header that says more about it", "none")


def _expect_end(stream: Gunzip) -> None:
    """Read to the end, where only zeros may be: some readers would go on behind others' end."""
    while rest := stream.read(1 << 16):
        if rest.strip(b"\0"):
            raise refused("", "nothing behind the end of the tar file", "other bytes")


def _extends(header: bytes, stream: Gunzip, listing: Listing, ahead: _Ahead) -> bool:
    """Take what a header says about the member behind it; False where it is a member's own."""
    kind = header[156:157]
    if kind not in (_LONG_NAME, _PAX, _PAX_GLOBAL):
        return False
    _check_sum(header)
    ahead.count += 1
    if ahead.count > _MAX_EXTENSIONS:
        raise refused("", f"at most {_MAX_EXTENSIONS} headers in front of a member", "more")
    longest = listing.limits.max_name_bytes + 1 if kind == _LONG_NAME else _MAX_PAX_BYTES
    size = _number(header[124:136], "")
    if size > longest:
        what = "a long name" if kind == _LONG_NAME else "a pax header"
        raise refused("", f"{what} of at most {longest} bytes", f"{size}")
    content = _content(stream, size, "")
    if kind == _LONG_NAME:
        _set_name(ahead, content.rstrip(b"\0"))
    else:
        _take_pax(content, ahead, is_global=kind == _PAX_GLOBAL)
    return True


def _take_pax(content: bytes, ahead: _Ahead, *, is_global: bool) -> None:
    name: bytes | None = None
    for key, value in _records(content):
        if key.startswith(b"GNU.sparse."):
            raise refused("", "files and folders", "a sparse file")
        if key not in (b"path", b"size"):
            continue
        if is_global:
            raise refused("", "no pax header for all members with a path or a size", "one")
        if key == b"path":
            name = value
        elif _PAX_NUMBER.fullmatch(value):
            ahead.size = int(value)
        else:
            raise refused("", "a size in digits in a pax header", "another one")
    if name is not None:
        _set_name(ahead, name)


def _set_name(ahead: _Ahead, name: bytes) -> None:
    if ahead.name is not None:
        raise refused("", "one long name for a member", "two")
    ahead.name = name


def _records(content: bytes) -> list[tuple[bytes, bytes]]:
    """Read ``LENGTH KEY=VALUE`` lines; the length counts the whole line."""
    records, at = [], 0
    while at < len(content):
        match = _PAX_LENGTH.match(content, at)
        end = at + int(match[1]) if match else 0
        if not match or end > len(content) or content[end - 1 : end] != b"\n":
            raise refused("", "sound pax headers", "damaged ones")
        key, equals, value = content[match.end() : end - 1].partition(b"=")
        if not equals:
            raise refused("", "sound pax headers", "damaged ones")
        records.append((key, value))
        at = end
    return records


def _member(header: bytes, stream: Gunzip, listing: Listing, ahead: _Ahead) -> None:
    _check_sum(header)
    name = listing.decoded(_own_name(header) if ahead.name is None else ahead.name)
    kind = header[156:157]
    if kind not in _FILES and kind != _FOLDER:
        got = _OTHERS.get(kind, f"a member of the unknown type {kind!r}")
        raise refused(name, "files and folders", got)
    size = _number(header[124:136], name) if ahead.size is None else ahead.size
    # Old writers mark a folder by its name alone.
    if kind == _FOLDER or name.endswith("/"):
        if size:
            raise refused(name, "a folder without content", f"{size} bytes")
        listing.add_folder(name)
    elif listing.add_file(name, size):
        listing.keep_manifest(_content(stream, size, name))
    else:
        _skip(stream, size, name)


def _own_name(header: bytes) -> bytes:
    name, prefix = (header[at:end].partition(b"\0")[0] for at, end in ((0, 100), (345, 500)))
    if not prefix:
        return name
    if header[257:263] != _POSIX:
        shown = name.decode("ascii", "replace")
        raise refused(shown, "a name that all readers agree on", "one that is cut in two")
    return prefix + b"/" + name


def _content(stream: Gunzip, size: int, name: str) -> bytes:
    content = stream.exactly(size)
    _skip(stream, size, name, behind=len(content))
    return content


def _skip(stream: Gunzip, size: int, name: str, behind: int = 0) -> None:
    """Read over content and what fills its last block; some bytes may be ``behind`` us."""
    left = size + -size % _BLOCK - behind
    if stream.skip(left) < left:
        raise refused(name, "a whole tar file", "one that is cut off in this member")


def _check_sum(header: bytes) -> None:
    told = _number(header[148:156], "")
    plain = header[:148] + b" " * 8 + header[156:]
    # Some old writers counted bytes over 127 as negative.
    signed = sum(plain) - 256 * sum(byte > 127 for byte in plain)
    if told not in (sum(plain), signed) or header[257:263] not in (_POSIX, _GNU, bytes(6)):
        raise refused("", "a tar file", "another one, or a damaged header")


def _number(field: bytes, name: str) -> int:
    """Read a number: octal digits, or from 0x80 on binary (GNU)."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise refused(name, "sound numbers in tar headers", "damaged ones")
    return int(match[1] or b"0", 8)
