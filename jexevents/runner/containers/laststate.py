"""How a container's attempt ended, in its folder: for whoever asks before the ledger knows, and for
readers of its output. There is room for it even on a full disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jexevents.runner.supervisor.files import replace, write_all
from jexevents.runner.supervisor.layout import SPARE, STATE
from jexevents.runner.supervisor.state import SPARE_BYTES


class LastState:
    """state.json in ``folder``, which is written once."""

    def __init__(self, folder: Path) -> None:
        self._state, self._spare = folder / STATE, folder / SPARE

    def known(self) -> Mapping[str, Any] | None:
        """Give it; None where it is not there, or cannot be read."""
        with suppress(OSError, ValueError):
            state = json.loads(self._state.read_bytes())
            if state.get("phase") == "ended":
                return state
        return None

    def reserve(self) -> None:
        """Take the room on the disk that it will need. Raises OSError."""
        if not self._spare.exists():
            replace(str(self._spare), " " * SPARE_BYTES, durable=False)

    def write(self, members: Mapping[str, Any]) -> None:
        """Write it, in the room that was kept for it if there is no other. Raises OSError."""
        text = json.dumps(members)
        try:
            replace(str(self._state), text, durable=False)
        except OSError:
            self._write_over_spare(text.encode())
        else:
            self._spare.unlink(missing_ok=True)

    def _write_over_spare(self, text: bytes) -> None:
        descriptor = os.open(self._spare, os.O_WRONLY | os.O_CLOEXEC)
        try:
            # Those blocks are ours; blanks behind JSON do no harm.
            _, error = write_all(descriptor, text.ljust(SPARE_BYTES), 0)
            if error is not None:
                raise error
        finally:
            os.close(descriptor)
        self._spare.rename(self._state)
