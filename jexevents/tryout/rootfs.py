"""A small root file system to try containers with: busybox and links to it, as a tar."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from jexevents.tryout.enginepackages import Programs

APPLETS = ("sh", "echo", "cat", "head", "seq", "sleep", "true", "false", "env", "pwd", "id",
           "kill", "dd", "tr", "ls", "mkdir", "rm", "touch", "printf", "yes", "wc", "test",
           "date", "sync", "tee", "tail", "grep", "hostname", "nproc", "md5sum")  # fmt: skip


def root_file_system(programs: Programs) -> bytes:
    """Make a root file system of busybox, as a tar."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for folder in ("bin", "tmp", "etc", "root", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        program = Path(programs.busybox()).read_bytes()
        _add_file(archive, "bin/busybox", program, 0o755)
        _add_file(
            archive, "etc/passwd", b"root:x:0:0::/root:/bin/sh\nguest:x:1000:1000::/:/bin/sh\n"
        )
        _add_file(archive, "etc/group", b"root:x:0:\nguest:x:1000:\n")
        for applet in APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    return content.getvalue()


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
