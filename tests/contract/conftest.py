"""One daemon that has something of everything, for who tries all of its interface."""

from __future__ import annotations

from tests.acceptance.conftest import jobs, servers, start

__all__ = ["jobs", "servers", "start"]
