"""state.json: what is known of an execution, whole at any time, its end even on a full disk."""

from __future__ import annotations

import os

from jexevents.runner.supervisor import files
from jexevents.runner.supervisor.jsontext import dumps
from jexevents.runner.supervisor.layout import SPARE, STATE

SPARE_BYTES = 16 * 1024


class State:
    """The members of state.json, and the way to the disk."""

    def __init__(self, members: dict) -> None:
        self.members = members

    def reserve(self) -> None:
        """Take the room on the disk that the last state will need; raises OSError."""
        blank = " " * SPARE_BYTES
        files.replace(SPARE, blank, durable=False)

    def write(self, *, durable: bool = True) -> bool:
        """Write the state; False where there is no room. The old one stands then."""
        try:
            files.replace(STATE, self._text(), durable=durable)
        except OSError:
            return False
        return True

    def write_last(self) -> bool:
        """Write the last state, in the room that was kept for it if there is no other."""
        if self.write():
            self._drop_spare()
            return True
        try:
            self._write_spare()
        except OSError:
            return False
        return True

    def _text(self) -> str:
        return dumps(self.members) + "\n"

    def _write_spare(self) -> None:
        """Write over the blanks: those blocks are ours. Blanks behind JSON do no harm."""
        text = self._text().encode().ljust(SPARE_BYTES)
        descriptor = os.open(SPARE, os.O_WRONLY | os.O_CLOEXEC)
        try:
            _, error = files.write_all(descriptor, text, 0)
            if error is not None:
                raise error
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(SPARE, STATE)
        files.sync_folder()

    def _drop_spare(self) -> None:
        try:
            os.unlink(SPARE)
        except OSError:
            pass  # removed with the folder later
