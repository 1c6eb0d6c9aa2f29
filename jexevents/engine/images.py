"""Images of an engine: looked up, pulled, and pinned to their digest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Event
from typing import Any

from jexevents import rfc3339
from jexevents.engine import references
from jexevents.engine.client import Engine
from jexevents.engine.progress import Progress
from jexevents.engine.pulling import Pull
from jexevents.engine.references import Reference
from jexevents.errors import EngineUnavailable, Malformed, NotThere

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine has.

    ``digests`` are names with a digest, ``busybox@sha256:…``, of the repositories that it was
    pulled from or pushed to; one that was only built or imported here has none.
    """

    id: str
    digests: tuple[str, ...]
    size_bytes: int
    created: datetime | None


class Images:
    """The images of one engine. Every call may raise EngineUnavailable or EngineRefused."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, reference: str) -> Image | None:
        """Look up an image by its name or id; None if the engine has none of that name.

        Raises Malformed if ``reference`` is neither.
        """
        asked = reference
        if not references.is_image_id(reference):
            asked = references.parse(reference).asked
        try:
            with self._engine.borrowed() as api:
                return _image(api.inspect_image(asked))
        except NotThere:
            return None

    def pull(
        self,
        reference: str,
        on_progress: OnProgress | None = None,
        stop: Event | None = None,
        *,
        idle_seconds: float = 300.0,
        whole_seconds: float = 6 * 3600.0,
    ) -> Image:
        """Pull an image and give it; its first digest is the one that the registry just named.

        ``on_progress`` is called with each change (see ``progress``). Credentials are those of
        docker's config file, as it is now. Raises Malformed; PullEnded if ``stop`` is set, after
        ``idle_seconds`` without a word of the engine, and after ``whole_seconds``; EngineRefused
        with the engine's words if there is no such image or the registry gives none.
        """
        name = references.parse(reference)
        pull = Pull(self._engine, name, idle_seconds=idle_seconds, whole_seconds=whole_seconds)
        digest = pull.run(on_progress or (lambda _progress: None), stop or Event())
        image = self.find(reference)
        if image is None:
            raise EngineUnavailable(f"The pull of {name} ended, but the image is not there.")
        return replace(image, digests=_with_first(image.digests, name, digest))

    def remove(self, reference: str, *, force: bool = False) -> None:
        """Remove an image's name, and the image with its last one. Raises NotThere, Clash."""
        asked = reference
        if not references.is_image_id(reference):
            asked = references.parse(reference).asked
        with self._engine.borrowed() as api:
            api.remove_image(asked, force=force)


def pin(reference: str, image: Image) -> str | None:
    """Give the name with a digest under which ``reference``'s own repository has this image.

    None if the image has no digest of that repository: it exists on this engine only. Raises
    Malformed if ``reference`` is no name.
    """
    wanted = references.parse(reference)
    found = [one for one in map(_read, image.digests) if one and _same(one, wanted)]
    for one in found:
        if one.digest == wanted.digest:
            return wanted.pinned(one.digest)
    return wanted.pinned(found[0].digest) if found else None


def _same(one: Reference, other: Reference) -> bool:
    return one.repository == other.repository and one.digest is not None


def _read(text: str) -> Reference | None:
    try:
        return references.parse(text)
    except Malformed:
        return None  # "<none>@sha256:..." of an image that lost its name


def _with_first(digests: Iterable[str], name: Reference, digest: str | None) -> tuple[str, ...]:
    if digest is None:
        return tuple(digests)
    first = name.pinned(digest)
    # The engine's list is what it has; one that is not in it would pin nothing.
    return tuple(sorted(digests, key=lambda one: one != first))


def _image(said: dict[str, Any]) -> Image:
    return Image(
        id=said["Id"],
        digests=tuple(said.get("RepoDigests") or ()),
        size_bytes=said.get("Size") or 0,
        created=_created(said.get("Created")),
    )


def _created(text: object) -> datetime | None:
    """Read when an image was made; builds that can be repeated say nothing, or the year 1."""
    if not isinstance(text, str) or text.startswith("0001-"):
        return None
    try:
        return rfc3339.parse(text).at
    except Malformed:
        return None
