"""The contents of files: of configurations, and of secrets."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from jexevents.config.misfit import Misfit

MAX_BYTES = 1024 * 1024


def read_secret_file(path: Path) -> tuple[str, bool]:
    """Give the text of a file that holds one secret, and whether everybody may read that file.

    One newline at the end is taken off. Raises Misfit, which says what came.
    """
    try:
        content, open_to_all = read_bytes(path)
        return content.decode().removesuffix("\n").removesuffix("\r"), open_to_all
    except OSError as exc:
        raise Misfit(os_reason(exc)) from exc
    except UnicodeDecodeError:
        # The error quotes the bytes.
        raise Misfit("a file that is not UTF-8") from None


def read_bytes(path: Path) -> tuple[bytes, bool]:
    """Give at most MAX_BYTES of a file, and whether all may read it. Raises OSError, Misfit."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
        mode = os.fstat(file.fileno()).st_mode
    if len(content) > MAX_BYTES:
        raise Misfit(f"a file of more than {MAX_BYTES} bytes")
    return content, stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)


def os_reason(exc: OSError) -> str:
    """Say in a few words why a file cannot be read."""
    return (exc.strerror or type(exc).__name__).lower()
