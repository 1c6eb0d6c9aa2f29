"""How what went wrong is worded."""

from __future__ import annotations

import pytest

from jexevents.faults import in_words


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (FileNotFoundError(2, "No such file", "/a/b"), "No such file: /a/b"),
        (ValueError("two\n  lines"), "two lines"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_of_the_system_is_told_without_its_number(error: Exception, told: str) -> None:
    assert in_words(error) == told
