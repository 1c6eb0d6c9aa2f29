"""gzip read within bounds: what it unpacks to is counted, and never held (RFC 1952)."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from jexevents.archives.listing import Limits, refused

_GZIP = 31  # zlib's word for: with header and trailer of gzip, and both checked
_PACKED_BYTES = 1 << 15
_UNPACKED_BYTES = 1 << 16
_MAGIC = b"\x1f\x8b"


class Gunzip:
    """The unpacked bytes of a gzip file, read once from begin to end.

    Several gzip members one behind the other count as one, as for gunzip; behind the last there
    may be zeros and nothing else. Raises Invalid where it is damaged, cut off, or unpacks to more
    than the limits have.
    """

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._left = limits.max_unpacked_bytes
        self._limits = limits
        self._packed = b""
        self._inflater = self._begun()
        self._members = 0
        self._is_begun = False
        self._is_ended = False

    def _begun(self) -> zlib._Decompress:
        return zlib.decompressobj(_GZIP)

    def read(self, size: int) -> bytes:
        """Give up to ``size`` bytes, none only at the end."""
        while not self._is_ended:
            if not self._is_begun and not self._begin():
                break
            piece = self._inflated(min(size, _UNPACKED_BYTES))
            if self._inflater.eof:
                self._packed = self._inflater.unused_data
                self._inflater, self._is_begun = self._begun(), False
            if piece:
                self._count(len(piece))
                return piece
        return b""

    def exactly(self, size: int) -> bytes:
        """Give ``size`` bytes, fewer only where the end comes before."""
        pieces, missing = [], size
        while missing and (piece := self.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> int:
        """Read over ``size`` bytes; gives how many there were."""
        left = size
        while left and (piece := self.read(left)):
            left -= len(piece)
        return size - left

    def _begin(self) -> bool:
        """Begin the next gzip member; False where there is none."""
        if len(self._packed) < len(_MAGIC):
            self._packed += self._file.read(_PACKED_BYTES)
        if self._packed.startswith(_MAGIC):
            self._members += 1
            if self._members > self._limits.max_members:
                raise refused("", f"at most {self._limits.max_members} gzip members", "more")
            self._is_begun = True
            return True
        if not self._members:
            raise refused("", "a gzip file", "another one" if self._packed else "an empty file")
        while self._packed:
            if self._packed.strip(b"\0"):
                raise refused("", "nothing behind the gzip data", "other bytes")
            self._packed = self._file.read(_PACKED_BYTES)
        self._is_ended = True
        return False

    def _inflated(self, size: int) -> bytes:
        try:
            piece = self._inflater.decompress(self._packed, size)
        except zlib.error as error:
            raise refused("", "sound gzip data", f"damaged ({error})") from error
        self._packed = self._inflater.unconsumed_tail
        if not piece and not self._inflater.eof and not self._packed:
            self._packed = self._file.read(_PACKED_BYTES)
            if not self._packed:
                raise refused("", "a whole gzip file", "one that is cut off")
        return piece

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            bound = self._limits.max_unpacked_bytes
            raise refused("", f"at most {bound} unpacked bytes", "more")
