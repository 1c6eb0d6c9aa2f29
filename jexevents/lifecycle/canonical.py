"""A form of JSON values in which two that say the same are equal, the ledger's copy among them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_EXACT = 2**53  # behind it a double does not hold every integer


def canonical(value: Any) -> str:
    """Give a JSON value as a text that is the same for all values that say the same."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    """Give a JSON value with its numbers as they are after jsonb had them: 1e3 is 1000 there."""
    if isinstance(value, float) or (type(value) is int and abs(value) >= _EXACT):
        number = float(value)
        whole = number.is_integer() and abs(number) < _EXACT
        return int(number) if whole else repr(number)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
