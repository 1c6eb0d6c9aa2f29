"""Programs that stand on the PATH of each job."""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path(__file__).resolve().parent
