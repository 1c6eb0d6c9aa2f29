"""Secrets in a stream of bytes become ``***``, wherever the reads happen to cut it."""

from __future__ import annotations

MASK = b"***"


class Mask:
    """Masks one stream. What comes out does not depend on how the stream was cut into chunks.

    Where secrets overlap, all that they cover is one ``***``: nothing of either is left.
    """

    def __init__(self, secrets: list[bytes]) -> None:
        self._secrets = [secret for secret in dict.fromkeys(secrets) if secret]
        self._held = b""
        # So many of the first bytes held belong to a mask that has been given out already.
        self._covered = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take what came next, give what is certain. The last bytes are held back as long as they
        may be the beginning of a secret."""
        text = self._held + chunk
        return self._give(text, self._uncertain(text))

    def finish(self) -> bytes:
        """Give what was held back."""
        return self._give(self._held, len(self._held))

    def _give(self, text: bytes, end: int) -> bytes:
        given, at = [], min(self._covered, end)
        covered = self._covered
        for start, stop in self._found(text):
            if start >= end:
                break
            if start >= covered:
                given += (text[at:start], MASK)
            covered = max(covered, stop)
            at = min(covered, end)
        given.append(text[at:end])
        self._held, self._covered = text[end:], max(0, covered - end)
        return b"".join(given)

    def _found(self, text: bytes) -> list[tuple[int, int]]:
        found = []
        for secret in self._secrets:
            at = text.find(secret)
            while at >= 0:
                found.append((at, at + len(secret)))
                at = text.find(secret, at + 1)
        return sorted(found)

    def _uncertain(self, text: bytes) -> int:
        """Give where the first secret may begin of which the end has not come yet."""
        return min((_cut_off(secret, text) for secret in self._secrets), default=len(text))


def mask_text(text: str, secrets: list[bytes]) -> str:
    """Mask a whole text."""
    mask = Mask(secrets)
    raw = text.encode("utf-8", "surrogateescape")
    return (mask.feed(raw) + mask.finish()).decode("utf-8", "surrogateescape")


def _cut_off(secret: bytes, text: bytes) -> int:
    first = secret[:1]
    at = text.find(first, max(0, len(text) - len(secret) + 1))
    while at >= 0:
        if secret.startswith(text[at:]):
            return at
        at = text.find(first, at + 1)
    return len(text)
