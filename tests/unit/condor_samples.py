"""The samples of tests/samples/condor, with their oracles."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jexevents.sources.condor.event import CondorEvent
from jexevents.sources.condor.parse import parse
from jexevents.sources.condor.split import Piece, Splitter

FOLDER = Path(__file__).parent.parent / "samples" / "condor"
NAMES = sorted(path.name.removesuffix(".log") for path in FOLDER.glob("*.log"))


def raw(name: str) -> bytes:
    return (FOLDER / f"{name}.log").read_bytes()


@cache
def oracle(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.expected.json").read_text("utf-8"))


def prefix_oracle() -> dict[str, list[dict[str, Any]]]:
    return json.loads((FOLDER / "prefix-oracle.json").read_text("utf-8"))


@cache
def split(name: str) -> tuple[list[Piece], int]:
    splitter = Splitter()
    pieces = [*splitter.feed(raw(name)), *splitter.finish()]
    return pieces, splitter.remaining


@cache
def events(name: str) -> dict[int, CondorEvent]:
    """Every event of a sample by the offset behind it."""
    return {piece.end: parse(piece.raw) for piece in split(name)[0] if piece.fault is None}
