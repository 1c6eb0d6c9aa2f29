"""promtool, for all tests of metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from jexevents.errors import JexError
from tests.metrics.promtool import Promtool, provided
from tests.support import missing


@pytest.fixture(scope="session")
def promtool(package_cache: Path) -> Promtool:
    """Prometheus's promtool."""
    try:
        return provided(package_cache)
    except JexError as exc:
        missing("promtool", exc)
