"""Archives made for tests: sound ones, and ones that no archiver would write."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from typing import Any

TECH_SUPPORT = "tech-support-manifest.json"
SYSTEM = "a0a2702a-cb7a-3a63-ac5f-fad696425a04"
MANIFEST = {
    "id": "cef996da-bf7c-4cec-b983-af4e95486ca6",
    "bundleTypeId": "sl_ts_bundle_system_status",
    "bundleTypeVersion": 1,
    "createdAt": "2017-05-25T11:10:56.749-07:00",
    "smrtLinkSystemId": SYSTEM,
    "dnsName": "smrtlink.example.org",
    "smrtLinkSystemVersion": "5.0.0.SNAPSHOT4888",
    "user": "ann",
    "comment": "Created by a test",
}


def manifest(**members: Any) -> bytes:
    """Give a manifest; members that are None are left out."""
    document = {**MANIFEST, **members}
    return json.dumps({k: v for k, v in document.items() if v is not None}).encode()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **more: Any) -> tuple:
    """Give a member of a tar file, for ``tar``."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode = len(content), kind, 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar(*members: tuple, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Give a tar file, not compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content) if content else None)
    return buffer.getvalue()


def tgz(*members: tuple, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Give a gzipped tar file."""
    return gzip.compress(tar(*members, form=form), mtime=0)


def bundle(content: bytes | None = None, *more: tuple, name: str = TECH_SUPPORT) -> bytes:
    """Give a tech-support bundle with this manifest, and ``more`` members."""
    return tgz(member(name, manifest() if content is None else content), *more)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Give a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def zipped_infos(*infos: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    """Give a zip file of entries that say more than a name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, content in infos:
            archive.writestr(info, content)
    return buffer.getvalue()


def repaired(header: bytes) -> bytes:
    """Give a tar header of 512 bytes with its checksum put right."""
    plain = header[:148] + b" " * 8 + header[156:]
    return plain[:148] + b"%06o\0 " % sum(plain) + plain[156:]
