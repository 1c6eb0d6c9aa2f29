"""The images that this node's engine has, and those that it can get: each pulled once at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jexevents.engine.images import Image, Images
from jexevents.errors import EngineRefused, ImageUnavailable, PullEnded
from jexevents.executions.run import ContainerRun
from jexevents.logs import get_logger

log = get_logger("runner")

Progress = Callable[[Any], None]


@dataclass(slots=True)
class _Pull:
    """A pull that is under way, and who wants it."""

    done: threading.Event = field(default_factory=threading.Event)
    image: Image | None = None
    error: Exception | None = None


class NodeImages:
    """The images of one engine; from any thread. ``idle_seconds`` is how long a pull may say
    nothing, ``whole_seconds`` how long it may take."""

    def __init__(self, images: Images, *, idle_seconds: float, whole_seconds: float) -> None:
        self._images = images
        self._idle_seconds = idle_seconds
        self._whole_seconds = whole_seconds
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._pulls: dict[str, _Pull] = {}
        # How many pulls went well and badly.
        self.pulled = self.failed = 0

    def stop(self) -> None:
        """End what is under way."""
        self._stop.set()

    def need(self, run: ContainerRun) -> None:
        """See to it that the engine has the image of a run.

        Raises EngineUnavailable, and ImageUnavailable where this node cannot get it.
        """
        if self._images.find(run.image) is not None:
            return
        if not run.pull:
            raise ImageUnavailable(
                f"The image {run.image} of {run.repository} is not on this node, and no registry "
                "is known that has it."
            )
        try:
            self.pull(run.image)
        except (EngineRefused, PullEnded) as error:
            raise ImageUnavailable(f"The image {run.image} cannot be had: {error}") from error

    def asked(self, run: ContainerRun) -> str:
        """Give the name by which the engine is asked for the image of a run."""
        return run.image

    def find(self, reference: str) -> Image | None:
        """Look up an image. Raises EngineUnavailable, Malformed."""
        return self._images.find(reference)

    def pull(self, reference: str, on_progress: Progress = lambda _progress: None) -> Image:
        """Pull an image; who asks for one that is being pulled waits for that, without progress.

        Raises EngineUnavailable, EngineRefused, PullEnded.
        """
        with self._lock:
            pull = self._pulls.get(reference)
            is_mine = pull is None
            if is_mine:
                pull = self._pulls[reference] = _Pull()
        if not is_mine:
            pull.done.wait()
            if pull.image is None:
                raise pull.error
            return pull.image
        try:
            log.info("image_pulled", image=reference)
            pull.image = self._images.pull(
                reference,
                on_progress,
                self._stop,
                idle_seconds=self._idle_seconds,
                whole_seconds=self._whole_seconds,
            )
        except BaseException as error:
            pull.error = error
            raise
        finally:
            with self._lock:
                del self._pulls[reference]
                self.pulled += pull.image is not None
                self.failed += pull.image is None
            pull.done.set()
        return pull.image
