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
        self._stops: set[threading.Event] = set()
        self._stopped = False
        self._lock = threading.Lock()
        self._pulls: dict[str, _Pull] = {}
        # How many pulls went well and badly.
        self.pulled = self.failed = 0

    def stop(self) -> None:
        """End what is under way, and begin nothing more."""
        with self._lock:
            self._stopped = True
            for stop in self._stops:
                stop.set()

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

    def pull(
        self,
        reference: str,
        on_progress: Progress = lambda _progress: None,
        stop: threading.Event | None = None,
    ) -> Image:
        """Pull an image; who asks for one that is being pulled waits for that, without progress.

        ``stop`` ends it. Raises EngineUnavailable, EngineRefused, PullEnded.
        """
        stop = stop or threading.Event()
        while True:
            with self._lock:
                if self._stopped:
                    raise PullEnded(f"The pull of {reference} was stopped.", reason="stopped")
                pull = self._pulls.get(reference)
                if pull is None:
                    mine = self._pulls[reference] = _Pull()
                    self._stops.add(stop)
                    break
            pull.done.wait()
            if pull.image is not None:
                return pull.image
            # One that somebody stopped, or that broke off, says nothing of the image. One that hung
            # says enough: each who waits would hang as long, one after the other.
            if isinstance(pull.error, EngineRefused) or _hung(pull.error):
                raise pull.error
        return self._pull(reference, on_progress, stop, mine)

    def _pull(
        self, reference: str, on_progress: Progress, stop: threading.Event, pull: _Pull
    ) -> Image:
        log.info("image_pull", image=reference)
        try:
            pull.image = self._images.pull(
                reference,
                on_progress,
                stop,
                idle_seconds=self._idle_seconds,
                whole_seconds=self._whole_seconds,
            )
        except BaseException as error:
            pull.error = error
            raise
        finally:
            with self._lock:
                self._stops.discard(stop)
                del self._pulls[reference]
                self.pulled += pull.image is not None
                self.failed += pull.image is None
            pull.done.set()
        log.info("image_pulled", image=reference, id=pull.image.id)
        return pull.image


def _hung(error: Exception | None) -> bool:
    return isinstance(error, PullEnded) and error.reason != "stopped"
