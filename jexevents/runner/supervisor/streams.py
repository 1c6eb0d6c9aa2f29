"""The pipes of a job: read to their ends, masked if there are secrets, and handed to the output."""

from __future__ import annotations

import os
import time

from jexevents.runner.supervisor.layout import STDERR, STDOUT
from jexevents.runner.supervisor.masking import Mask
from jexevents.runner.supervisor.output import Output

READ_BYTES = 256 * 1024
# After the tree is gone nobody should write any more; if somebody does, it is not the job.
_LAST_READS = 64


class Streams:
    """Reads both pipes; one buffer for all that ever comes."""

    def __init__(self, loop: object, output: Output, secrets: list[bytes]) -> None:
        self._loop, self.output = loop, output
        self._masks = {each: Mask(secrets) for each in (STDOUT, STDERR)} if secrets else {}
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._pipes: dict[int, int] = {}

    def begin(self, pipes: tuple[int, int]) -> None:
        """Read these, stdout and stderr, from now on."""
        for stream, descriptor in zip((STDOUT, STDERR), pipes, strict=True):
            self._pipes[stream] = descriptor
            self._loop.add(descriptor, lambda stream=stream: self._read(stream))

    def finish(self) -> None:
        """Read what is in the pipes still, and end the output."""
        for stream in list(self._pipes):
            for _ in range(_LAST_READS):
                if not self._read(stream):
                    break
            if stream in self._pipes:
                self._end(stream)
        self.output.finish(_micros())

    def _read(self, stream: int) -> bool:
        """Read once; False if there was nothing."""
        try:
            count = os.readv(self._pipes[stream], [self._buffer])
        except BlockingIOError:
            return False
        except OSError:
            count = 0
        if count == 0:
            self._end(stream)
            return False
        self._take(stream, self._buffer[:count])
        return True

    def _take(self, stream: int, data: memoryview) -> None:
        if self._masks:
            data = memoryview(self._masks[stream].feed(bytes(data)))
        if data:
            self.output.write(stream, data, _micros())

    def _end(self, stream: int) -> None:
        if self._masks and (held := self._masks[stream].finish()):
            self.output.write(stream, memoryview(held), _micros())
        descriptor = self._pipes.pop(stream)
        self._loop.remove(descriptor)
        os.close(descriptor)


def _micros() -> int:
    return time.time_ns() // 1000
