"""zip read by its central directory (PKWARE's APPNOTE 6.3.10), and held to what it says itself.

A zip file tells everything twice, in the directory and in front of each entry, and readers differ
in which of them they believe. So both must say the same, entries must lie one behind the other
without gaps, and each must unpack to what was declared.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from jexevents.archives.listing import Listing, refused

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END_MARK, _ENTRY_MARK, _LOCAL_MARK = b"PK\5\6", b"PK\1\2", b"PK\3\4"
_LOCATOR_MARK, _DESCRIPTOR_MARK = b"PK\6\7", b"PK\7\x08"
_LOCATOR_BYTES = 20
_MAX_COMMENT_BYTES = 0xFFFF
_FULL_32 = 0xFFFFFFFF
_PIECE_BYTES = 1 << 16

_ENCRYPTED = 1 | 1 << 6 | 1 << 13
_PATCHED = 1 << 5
_DESCRIBED = 1 << 3
_UTF8 = 1 << 11
_STORED, _DEFLATED = 0, 8
_UNICODE_PATH = 0x7075


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry as the central directory has it; ``begin`` is where its own header stands."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    begin: int
    is_manifest: bool


def walk(file: BinaryIO, listing: Listing) -> None:
    """Find all entries of a zip file, and read each. Raises Invalid for what it must not hold."""
    begin, end, count = _directory(file)
    if count > listing.limits.max_members:
        raise refused("", f"at most {listing.limits.max_members} members", f"{count}")
    entries = _entries(file, listing, begin, end, count)
    entries.sort(key=lambda entry: entry.begin)
    declared, bound = sum(entry.size for entry in entries), listing.limits.max_unpacked_bytes
    if declared > bound:
        raise refused("", f"at most {bound} unpacked bytes", f"{declared}")
    at = 0
    for entry in entries:
        if entry.begin != at:
            got = "one that lies over another" if entry.begin < at else "bytes between them"
            raise refused(entry.name, "entries one behind the other", got)
        at = _read(file, listing, entry, begin)
    if at != begin:
        raise refused("", "the directory right behind the last entry", "bytes between them")


def _directory(file: BinaryIO) -> tuple[int, int, int]:
    """Give where the central directory begins and ends, and how many entries it has."""
    length = file.seek(0, os.SEEK_END)
    start = max(0, length - _END.size - _MAX_COMMENT_BYTES)
    file.seek(start)
    tail = file.read(_END.size + _MAX_COMMENT_BYTES)
    at, found = tail.rfind(_END_MARK), []
    while at >= 0:
        record = tail[at : at + _END.size]
        if len(record) == _END.size and at + _END.size + _END.unpack(record)[-1] == len(tail):
            found.append(at)
        at = tail.rfind(_END_MARK, 0, at)
    if len(found) != 1:
        got = "several ends" if found else "another file, or one that is cut off"
        raise refused("", "a zip file", got)
    return _checked_end(tail, found[0], start)


def _checked_end(tail: bytes, at: int, start: int) -> tuple[int, int, int]:
    _, disk, first_disk, here, count, size, begin, _ = _END.unpack(tail[at : at + _END.size])
    is_64 = tail[max(0, at - _LOCATOR_BYTES) :].startswith(_LOCATOR_MARK)
    if is_64 or count == 0xFFFF or _FULL_32 in (size, begin):
        raise refused("", "a zip file of the plain form", "zip64")
    if disk or first_disk or here != count:
        raise refused("", "a zip file in one piece", "a part of several")
    if begin + size != start + at:
        raise refused("", "a directory right in front of the end", "bytes between or in front")
    return begin, start + at, count


def _entries(file: BinaryIO, listing: Listing, begin: int, end: int, count: int) -> list[_Entry]:
    file.seek(begin)
    entries, at = [], begin
    for _ in range(count):
        header = file.read(_ENTRY.size)
        if len(header) < _ENTRY.size or header[:4] != _ENTRY_MARK:
            raise refused("", "a sound zip directory", "a damaged one")
        fields = _ENTRY.unpack(header)
        lengths = fields[10:13]
        at += _ENTRY.size + sum(lengths)
        if at > end:
            raise refused("", "a sound zip directory", "a damaged one")
        raw_name, extra, _ = (file.read(length) for length in lengths)
        entries.append(_entry(listing, fields, raw_name, extra))
    if at != end:
        raise refused("", f"{count} entries in the directory", "more bytes than they have")
    return entries


def _entry(listing: Listing, fields: tuple, raw_name: bytes, extra: bytes) -> _Entry:
    flags, method, checksum, packed, size = fields[3], fields[4], *fields[7:10]
    disk, attributes, begin = fields[13], fields[15], fields[16]
    name = listing.decoded(raw_name, "utf-8" if flags & _UTF8 else "cp437")
    if flags & _ENCRYPTED:
        raise refused(name, "an entry that anybody can read", "an encrypted one")
    if flags & _PATCHED or method not in (_STORED, _DEFLATED):
        raise refused(name, "an entry stored or deflated", f"compression method {method}")
    if disk or _FULL_32 in (packed, size, begin):
        raise refused(name, "a zip file of the plain form", "zip64 or a part of several")
    if _UNICODE_PATH in _extra_fields(extra, name):
        raise refused(name, "one name", "a second one in Unicode")
    file_type = stat.S_IFMT(attributes >> 16)
    if file_type not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "a symbolic link" if file_type == stat.S_IFLNK else "a device, FIFO or socket"
        raise refused(name, "files and folders", kind)
    is_folder = name.endswith("/")
    if is_folder and (size or packed > 2):  # an empty deflated stream has two bytes
        raise refused(name, "a folder without content", f"{size} bytes")
    if file_type and is_folder != (file_type == stat.S_IFDIR):
        raise refused(name, "a name that ends in / for folders only", "another one")
    is_manifest = False
    if is_folder:
        listing.add_folder(name)
    else:
        is_manifest = listing.add_file(name, size)
    return _Entry(name, raw_name, flags, method, checksum, packed, size, begin, is_manifest)


def _extra_fields(extra: bytes, name: str) -> set[int]:
    kinds, at = set(), 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        kinds.add(kind)
        at += 4 + length
    if at > len(extra):
        raise refused(name, "sound extra fields", "damaged ones")
    return kinds


def _read(file: BinaryIO, listing: Listing, entry: _Entry, end: int) -> int:
    """Read one entry to its end, which must lie before ``end``; give where the next begins."""
    file.seek(entry.begin)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != _LOCAL_MARK:
        raise refused(entry.name, "a header in front of the entry", "none")
    fields = _LOCAL.unpack(header)
    raw_name, extra = (file.read(length) for length in fields[9:11])
    _compare(entry, fields, raw_name)
    if _UNICODE_PATH in _extra_fields(extra, entry.name):
        raise refused(entry.name, "one name", "a second one in Unicode")
    at = entry.begin + _LOCAL.size + len(raw_name) + len(extra) + entry.packed
    if at > end:
        raise refused(entry.name, "entries in front of the directory", "one that runs into it")
    content = _inflated(file, entry)
    if entry.is_manifest:
        listing.keep_manifest(content)
    return at + (_descriptor_bytes(file, entry) if entry.flags & _DESCRIBED else 0)


def _compare(entry: _Entry, fields: tuple, raw_name: bytes) -> None:
    """Hold the header in front of an entry to what the directory says of it."""
    told = (fields[2], fields[3], raw_name)
    if told != (entry.flags, entry.method, entry.raw_name):
        raise refused(entry.name, "an entry as the directory has it", "another one")
    numbers = zip(fields[6:9], (entry.checksum, entry.packed, entry.size), strict=True)
    # One that was written as it came has its numbers behind it; in zip64's form there are ones.
    allowed = {0, _FULL_32} if entry.flags & _DESCRIBED else set()
    if any(own != directory and own not in allowed for own, directory in numbers):
        raise refused(entry.name, "sizes as the directory has them", "other ones")


def _inflated(file: BinaryIO, entry: _Entry) -> bytes:
    """Unpack an entry; give the bytes of the manifest, of others none."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
    kept, checksum, size, left = [], 0, 0, entry.packed
    packed = b""
    while True:
        if not packed and left:
            packed = file.read(min(left, _PIECE_BYTES))
            left -= len(packed)
        piece, packed = _unpacked(inflater, packed, entry)
        size += len(piece)
        if size > entry.size:
            raise refused(entry.name, f"{entry.size} bytes, as declared", "more")
        checksum = zlib.crc32(piece, checksum)
        if entry.is_manifest:
            kept.append(piece)
        if not piece and not packed and not left:
            break
    is_whole = inflater is None or inflater.eof
    if size != entry.size or checksum != entry.checksum or not is_whole:
        raise refused(entry.name, "content with the size and checksum declared", "other content")
    return b"".join(kept)


def _unpacked(inflater: zlib._Decompress | None, packed: bytes, entry: _Entry) -> tuple:
    """Give a piece of content, and what of ``packed`` is left."""
    if inflater is None:
        return packed, b""
    try:
        piece = inflater.decompress(packed, _PIECE_BYTES)
    except zlib.error as error:
        raise refused(entry.name, "sound data", f"damaged ({error})") from error
    if inflater.unused_data:
        raise refused(entry.name, "nothing behind the entry's data", "other bytes")
    return piece, inflater.unconsumed_tail


def _descriptor_bytes(file: BinaryIO, entry: _Entry) -> int:
    """Give the length of what stands behind an entry that was written as it came."""
    data = file.read(24)
    plain = struct.pack("<3L", entry.checksum, entry.packed, entry.size)
    large = struct.pack("<L2Q", entry.checksum, entry.packed, entry.size)
    for form in (_DESCRIPTOR_MARK + large, _DESCRIPTOR_MARK + plain, large, plain):
        if data.startswith(form):
            return len(form)
    raise refused(entry.name, "the entry's sizes behind it", "other bytes")
