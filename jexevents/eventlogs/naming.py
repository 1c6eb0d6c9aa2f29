"""What a log's file is called in messages, whatever its path is at the moment.

The name says which events stand in one file, for their order. It is the ``id`` of the file's
header where HTCondor rotates it, else the inode and a digest of the first event: no file
system tells everywhere when a file was made, and an inode alone is used again.
"""

from __future__ import annotations

import hashlib

from jexevents.eventlogs.headers import rotation_header


def log_name(first: bytes, inode: int | None, generation: int = 0) -> str:
    """Name the file whose first event is ``first``.

    ``inode`` is None where there is none that lasts: standard input, a compressed file.
    ``generation`` counts how often the file was seen to be truncated and begun anew.
    """
    header = rotation_header(first)
    if header is not None:
        return header.id
    parts = [] if inode is None else [str(inode)]
    parts.append(hashlib.blake2b(first, digest_size=8).hexdigest())
    if generation:
        parts.append(str(generation))
    return ".".join(parts)
